"""Reads a target file: the options of ``fanin verify`` as YAML, for CI and for the next time.

It is read as scenarios are (`language.load`): every problem with its line and column, and the nearest valid
name. Options of the command line win over it. Secrets have no field, so that the file can be committed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from yaml.events import DocumentStartEvent

from fanin.harness.verify.config import TargetConfig
from fanin.harness.verify.config_validation import problems
from fanin.simulator.language.field_types import field_names, shape_of
from fanin.simulator.language.load import SIZE_MAX
from fanin.simulator.language.problems import NOWHERE, Mark, Report, ScenarioError
from fanin.simulator.language.reader import NodeReader
from fanin.simulator.language.yaml_nodes import START, MappingNode, compose, position

__all__ = ["ScenarioError", "load", "loads"]

_SHAPE = shape_of(TargetConfig)


def load(path: Path) -> TargetConfig:
    """Read a target file.

    Raises:
        ScenarioError: it cannot be read, or is not a target; the text has a line for each problem.
    """
    report = Report(str(path))
    try:
        content = path.read_bytes()
    except OSError as exc:
        report.stop(NOWHERE, f"cannot be read: {exc.strerror}")
    if len(content) > SIZE_MAX:
        report.stop(NOWHERE, f"larger than {SIZE_MAX} bytes")
    try:
        return _read(content.decode("utf-8"), report)
    except UnicodeDecodeError as exc:
        before = content[: exc.start].decode("utf-8")
        where = position(before, len(before))
        report.stop(where, f"byte 0x{content[exc.start]:02x} is not UTF-8; save the file as UTF-8")


def loads(text: str, source: str = "target") -> TargetConfig:
    """Read a target from its text.

    Raises:
        ScenarioError: it is not one.
    """
    return _read(text, Report(source))


def _read(text: str, report: Report) -> TargetConfig:
    _one_document(text, report)
    root = compose(text, report)
    if not isinstance(root, MappingNode):
        report.stop(START, f"this is no mapping; a target has the fields {', '.join(field_names(_SHAPE))}")
    parsed = NodeReader(report, timeout_ms=1).fields(root, _SHAPE, "")
    report.close()
    assert parsed is not None  # noqa: S101 - otherwise there were problems; for mypy
    target = TargetConfig(**parsed.value)
    for problem in problems(target):
        report.add(parsed.location.at(problem.field).name, f"{problem.field}: {problem.message}")
    report.close()
    return target


def _one_document(text: str, report: Report) -> None:
    """A file of several documents, or of none, in this file's own words."""
    try:
        starts: Sequence[Any] = [
            event.start_mark
            for event in yaml.parse(text, Loader=yaml.SafeLoader)
            if isinstance(event, DocumentStartEvent)
        ]
    except (yaml.YAMLError, ValueError, OverflowError):
        return  # reported where it is read
    if not starts:
        report.stop(START, "the file is empty; a target begins with app, command or url")
    if len(starts) > 1:
        mark = Mark(starts[1].line + 1, starts[1].column + 1)
        report.stop(mark, "a second document begins here; a file holds one target")
