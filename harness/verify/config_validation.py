"""Contradictions in the configuration of a target, from a target file, the command line, or both together.

Rules of this file: pure. A `TargetConfig` has the right shape already. A problem names its field; its line is
known where a file was read.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from msgspec import structs

from fanin.harness.capabilities import (
    DEPLOYMENT_CAPABILITIES,
    OPTIONAL_CAPABILITIES,
    VIRTUAL_TIME_ONLY,
    Declarable,
)
from fanin.harness.dialect import NOTHING, NotificationDialect, ResponseDialect
from fanin.harness.placement import KEY_PLACE, PORT_PLACE, path_problem, variable_problem
from fanin.harness.targets.endpoint import KEY_ENV, Endpoint, reveals
from fanin.harness.verify.config import TargetConfig
from fanin.simulator.text import quoted
from fanin.simulator.wire import normalise_region

PORT_MAX = 65_535

type TargetKind = Literal["app", "command", "url"]
# The three ways to reach a target, and the fields that have a meaning for some of them only.
KINDS: tuple[TargetKind, ...] = ("app", "command", "url")
_ONLY_URL = (
    "key_env",
    "headers",
    "regions",
    "max_rate",
    "probe",
    "activities",
)
_KINDS_OF_FIELD: dict[str, tuple[TargetKind, ...]] = {
    "app_dir": ("app",),
    "jobs": ("command",),
    "kill_command": ("command",),
    "listen": ("command", "url"),
    "public_url": ("command", "url"),
    "path": ("app", "command"),
    "env": ("app", "command"),
    "timeout": ("command", "url"),
    "lacks": ("app", "command"),
    **dict.fromkeys(_ONLY_URL, ("url",)),
}
# The capabilities that may be declared. A target has the others anyway, or cannot make use of them.
_DECLARABLE: dict[TargetKind, tuple[Declarable, ...]] = {
    "app": OPTIONAL_CAPABILITIES,
    "command": tuple(name for name in OPTIONAL_CAPABILITIES if name not in VIRTUAL_TIME_ONLY),
    "url": DEPLOYMENT_CAPABILITIES,
}
# Addresses that belong to one target; of another kind they mean something else.
_ADDRESSES = ("listen", "public_url")
_DEFAULT = TargetConfig()


class ConfigProblem(NamedTuple):
    """One contradiction, and the field of `TargetConfig` that it is about."""

    field: str
    message: str


def with_options(target: TargetConfig, given: dict[str, Any]) -> TargetConfig:
    """The target with the options of the command line, which win.

    An option that names a target of another kind drops the fields that have no meaning for that kind. What
    it is said to lack drops the capability of that name in the file, and the other way round.

    Args:
        target: From a file, or an empty one.
        given: By field; only options that were given.
    """
    target = structs.replace(
        target,
        capabilities=tuple(it for it in target.capabilities if it not in given.get("lacks", ())),
        lacks=tuple(it for it in target.lacks if it not in given.get("capabilities", ())),
    )
    others = [kind for kind in KINDS if kind in given]
    if not others:
        return structs.replace(target, **given)
    cleared: dict[str, Any] = dict.fromkeys(KINDS)
    for name, kinds in _KINDS_OF_FIELD.items():
        moved = name in _ADDRESSES and target_kind(target) not in others
        if moved or not any(kind in given for kind in kinds):
            cleared[name] = getattr(_DEFAULT, name)
    cleared["capabilities"] = tuple(it for it in target.capabilities if it in _DECLARABLE[others[0]])
    return structs.replace(target, **(cleared | given))


def target_kind(target: TargetConfig) -> TargetKind | None:
    """How the target is reached; None where no field says it."""
    return next((kind for kind in KINDS if getattr(target, kind) is not None), None)


def problems(target: TargetConfig) -> Iterator[ConfigProblem]:
    """Every contradiction in a target's configuration."""
    kinds = [kind for kind in KINDS if getattr(target, kind) is not None]
    if len(kinds) > 1:
        yield ConfigProblem(kinds[1], f"{kinds[0]} is given as well; a target is one of {', '.join(KINDS)}")
        return
    for kind in kinds:
        yield from _misplaced_fields(target, kind)
    for kind in kinds:
        yield from _undeclarable_capabilities(target, kind)
    for name in target.lacks:
        if name in target.capabilities:
            yield ConfigProblem("lacks", f"{name} is among its capabilities as well; it has it or lacks it")
    yield from _placement(target)
    yield from _responses(target.responses)
    yield from _notification(target.notification)
    yield from _deployment(target)


def missing_settings(target: TargetConfig) -> Iterator[str]:
    """What must be known and is not configured; each a sentence that names the option."""
    if target_kind(target) is None:
        yield "say what to judge: --app MODULE:APP, --command CMD, or --url URL"
    if target.url is None:
        return
    if not target.regions:
        yield "say which regions the deployment is configured with: --regions eastus,westeurope"
    if target.timeout is None:
        yield "say which timeout the deployment is configured with: --timeout 80s"
    if target.listen is None and target.probe is None:
        yield "say where the deployment's notifications come to: --listen HOST:PORT (or --probe)"


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT`` as its parts; an IPv6 address stands in brackets.

    Raises:
        ValueError: there is no such port.
    """
    host, _, port = text.rpartition(":")
    if int(port) > PORT_MAX:
        raise ValueError(f"{quoted(text)} is no address; a port is from 0 to {PORT_MAX}")
    return host.strip("[]"), int(port)


def _misplaced_fields(target: TargetConfig, kind: TargetKind) -> Iterator[ConfigProblem]:
    for name, kinds in _KINDS_OF_FIELD.items():
        if kind not in kinds and getattr(target, name) != getattr(_DEFAULT, name):
            yield ConfigProblem(name, f"it has no meaning for a target given by {kind}, only by {_or(kinds)}")


def _undeclarable_capabilities(target: TargetConfig, kind: TargetKind) -> Iterator[ConfigProblem]:
    for name in target.capabilities:
        if name not in _DECLARABLE[kind]:
            there = ", ".join(_DECLARABLE[kind])
            yield ConfigProblem(
                "capabilities",
                f"{quoted(name)} cannot be declared for a target given by {kind}; there are {there}",
            )


def _placement(target: TargetConfig) -> Iterator[ConfigProblem]:
    if target.path is not None and (problem := path_problem(target.path)):
        yield ConfigProblem("path", problem)
    for name, template in target.env.items():
        if problem := variable_problem(template):
            yield ConfigProblem("env", f"{name}: {problem}")
        elif PORT_PLACE in template and target.command is None:
            yield ConfigProblem("env", f"{name}: {PORT_PLACE} has a meaning for a command only")


def _or(kinds: tuple[TargetKind, ...]) -> str:
    return " or ".join(kinds)


def _deployment(target: TargetConfig) -> Iterator[ConfigProblem]:
    has_key = any(KEY_PLACE in value for value in target.headers.values())
    if target.url is not None:
        try:
            has_key = Endpoint(target.url).wants_key or has_key
        except ValueError as exc:
            yield ConfigProblem("url", str(exc))
            has_key = True
    if "function-keys" in target.capabilities and target.url is not None and not has_key:
        yield ConfigProblem("capabilities", f"function-keys, but no {KEY_PLACE} in the url or in a header")
    for name, value in target.headers.items():
        if reveals(name, value):
            better = f"write {KEY_PLACE} in its place, with the key in {KEY_ENV}"
            yield ConfigProblem("headers", f"the value of {name!r} may be a secret; {better}")
    for index, region in enumerate(target.regions):
        if normalise_region(region) in map(normalise_region, target.regions[:index]):
            yield ConfigProblem("regions", f"{quoted(region)} is listed twice; letter case does not count")
    yield from _sink(target)


def _sink(target: TargetConfig) -> Iterator[ConfigProblem]:
    if target.probe is not None and (target.listen or target.public_url):
        yield ConfigProblem("probe", "it needs no sink; leave out listen and public_url, or the probe")
    if target.listen is not None:
        try:
            _, port = parse_address(target.listen)
        except ValueError as exc:
            yield ConfigProblem("listen", str(exc))
        else:
            if target.command is not None and port:
                better = "write port 0, such as 0.0.0.0:0"
                yield ConfigProblem("listen", f"each scenario of a command has a sink of its own; {better}")
    if target.command is not None and target.public_url and PORT_PLACE not in target.public_url:
        example = f"http://host.docker.internal:{PORT_PLACE}/"
        yield ConfigProblem(
            "public_url", f"it has no {PORT_PLACE}, and each sink has its own; write {example}"
        )


def _responses(responses: ResponseDialect) -> Iterator[ConfigProblem]:
    seen: dict[int, str] = {}
    for meaning in ResponseDialect.__struct_fields__:
        for status in getattr(responses, meaning):
            if seen.setdefault(status, meaning) != meaning:
                yield ConfigProblem(
                    "responses", f"{status} is both {seen[status]} and {meaning}; it can be one"
                )


def _notification(dialect: NotificationDialect) -> Iterator[ConfigProblem]:
    if both := sorted(set(dialect.completed) & set(dialect.timed_out)):
        yield ConfigProblem(
            "notification", f"{quoted(both[0])} is both completed and timed_out; it can be one"
        )
    image = (dialect.action, dialect.repository, dialect.tag, dialect.digest)
    if dialect.id == NOTHING and NOTHING in image:
        whole = "action, repository, tag and digest"
        message = f"without id it must have {whole}; otherwise its operation cannot be found"
        yield ConfigProblem("notification", message)
