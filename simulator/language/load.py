"""Reads scenarios. What passes here is valid everywhere else.

    text ─ compose ─> nodes ─ read ─> scenario and locations ─ check ─> checked ─ names ─> complete

Each step reports all that it finds, and the next one begins only where nothing was wrong: whether a name
exists cannot be known while the list of names is broken.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import structs

from fanin.simulator.durations import format_duration
from fanin.simulator.language.fault_validation import check_faults
from fanin.simulator.language.field_types import field_names, shape_of
from fanin.simulator.language.names import with_canonical_names
from fanin.simulator.language.problems import NOWHERE, Report, ScenarioError
from fanin.simulator.language.reader import Location, NodeReader
from fanin.simulator.language.scenario import TIMEOUT_MS_MAX, Scenario
from fanin.simulator.language.validation import ValidationContext, check
from fanin.simulator.language.value_location import ValueLocation
from fanin.simulator.language.yaml_nodes import START, MappingNode, Node, compose, position

__all__ = ["SIZE_MAX", "ScenarioError", "checked", "load", "loads"]

SIZE_MAX = 1024 * 1024  # bytes of a file, characters of a text

_SHAPE = shape_of(Scenario)
_TIMEOUT = next(each for each in _SHAPE.fields if each.name == "timeout")


def load(path: Path, *, timeout_ms: int | None = None) -> Scenario:
    """Read a scenario file.

    Args:
        path: The file; its name without the suffix is the scenario's.
        timeout_ms: Replaces the scenario's timeout. Durations that are multiples of it follow, others stay.

    Raises:
        ScenarioError: it cannot be read, or is not a scenario; the text has a line for each problem.
    """
    report = Report(str(path))
    return _read(_text_of(path, report), report, timeout_ms=timeout_ms)


def loads(text: str, source: str = "scenario", *, timeout_ms: int | None = None) -> Scenario:
    """Read a scenario from its text.

    Args:
        text: The YAML.
        source: What messages call it.
        timeout_ms: As for `load`.

    Raises:
        ScenarioError: it is not a scenario.
    """
    return _read(text, Report(source), timeout_ms=timeout_ms)


def checked(scenario: Scenario) -> Scenario:
    """Hold a scenario that was made in code to all that a file is held to, without writing and reading one.

    Returns:
        What ``loads(dumps(scenario))`` returns.

    Raises:
        ScenarioError: it is not accepted; no problem has a line, because there is no file.
    """
    report = Report("scenario")
    try:
        msgspec.convert(msgspec.to_builtins(scenario), Scenario)
    except msgspec.ValidationError as exc:
        report.stop(NOWHERE, str(exc))
    for words in _lists_of_choices(scenario):
        if len(set(words)) < len(words):
            report.stop(NOWHERE, f"{', '.join(words)}: one of them is listed twice")
    _check(scenario, ValueLocation(scenario), report)
    return with_canonical_names(scenario)


def _lists_of_choices(scenario: Scenario) -> Iterator[tuple[str, ...]]:
    """The lists in which nothing may stand twice because each item is one of a few words."""
    yield scenario.actions
    yield from (webhook.actions for webhook in scenario.webhooks.values())
    yield from (operation.quirks for operation in scenario.operations)


def _text_of(path: Path, report: Report) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_MAX + 1)
    except FileNotFoundError:
        report.stop(NOWHERE, "there is no such file")
    except (OSError, ValueError) as exc:  # ValueError: the name itself is impossible
        report.stop(NOWHERE, f"cannot be read: {getattr(exc, 'strerror', None) or exc}")
    if len(content) > SIZE_MAX:
        report.stop(NOWHERE, _too_large("bytes"))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as exc:
        before = content[: exc.start].decode("utf-8")
        where = position(before, len(before))
        report.stop(where, f"byte 0x{content[exc.start]:02x} is not UTF-8; save the file as UTF-8")


def _too_large(unit: str) -> str:
    return f"larger than {SIZE_MAX} {unit}; a scenario says what happens often with 'repeat'"


def _read(text: str, report: Report, *, timeout_ms: int | None) -> Scenario:
    if len(text) > SIZE_MAX:
        report.stop(NOWHERE, _too_large("characters"))
    if timeout_ms is not None and not 1 <= timeout_ms <= TIMEOUT_MS_MAX:
        asked, most = format_duration(timeout_ms), format_duration(TIMEOUT_MS_MAX)
        report.stop(NOWHERE, f"a timeout of {asked} was asked for; it is from 1ms to {most}")
    root = compose(text, report)
    if not isinstance(root, MappingNode):
        report.stop(START, f"this is no mapping; a scenario has the fields {', '.join(field_names(_SHAPE))}")
    parsed = NodeReader(report, timeout_ms or _timeout_ms(root.get("timeout"))).fields(root, _SHAPE, "")
    report.close()
    assert parsed is not None  # noqa: S101 - otherwise there were problems; for mypy
    scenario = Scenario(**parsed.value)
    _check(scenario, parsed.location, report)
    if timeout_ms is not None:
        scenario = structs.replace(scenario, timeout=timeout_ms)
    return with_canonical_names(scenario)


def _check(scenario: Scenario, location: Location, report: Report) -> None:
    context = ValidationContext.of(scenario, location, report)
    check(context)
    check_faults(context)
    report.close()


def _timeout_ms(node: Node | None) -> int:
    """The scenario's timeout, which is read before all else. Its problems are reported with the others."""
    parsed = None if node is None else NodeReader(Report(""), 1).read(node, _TIMEOUT.type, "timeout")
    value: int = _TIMEOUT.default if parsed is None else parsed.value
    return value
