"""What makes no sense about a target, whoever said it: a file, the command line, or both together.

Rules of this file: pure. A `Target` has the right shape already; whether a problem has a place in a file is
the business of whoever read one.
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
from fanin.harness.dialect import NOTHING, AnswerDialect, NotificationDialect
from fanin.harness.targets.endpoint import KEY_ENV, KEY_PLACE, Endpoint, reveals
from fanin.harness.verify.config import Target
from fanin.simulator.text import quoted
from fanin.simulator.wire import normalise_region

PORT_MAX = 65_535

type Kind = Literal["app", "command", "url"]
# The three ways to reach a target, and what only makes sense with some of them.
KINDS: tuple[Kind, ...] = ("app", "command", "url")
_ONLY_URL = (
    "key_env",
    "headers",
    "regions",
    "listen",
    "public_url",
    "max_rate",
    "probe",
    "activities",
)
_ONLY_WITH: dict[str, tuple[Kind, ...]] = {
    "app_dir": ("app",),
    "jobs": ("command",),
    "tolerance": ("command", "url"),
    "redelivery_grace": ("command", "url"),
    "timeout": ("command", "url"),
    "lacks": ("app", "command"),
    **dict.fromkeys(_ONLY_URL, ("url",)),
}
# What a target may declare. The rest it has without saying so, or cannot make use of.
_DECLARABLE: dict[Kind, tuple[Declarable, ...]] = {
    "app": OPTIONAL_CAPABILITIES,
    "command": tuple(name for name in OPTIONAL_CAPABILITIES if name not in VIRTUAL_TIME_ONLY),
    "url": DEPLOYMENT_CAPABILITIES,
}
_BLANK = Target()


class Nonsense(NamedTuple):
    """What is wrong, and with which field of `Target`."""

    field: str
    message: str


def overridden(target: Target, said: dict[str, Any]) -> Target:
    """The target with what the command line says.

    Another kind of target than the file's keeps only what makes sense with that kind.

    Args:
        target: From a file, or an empty one.
        said: By field; only what was said.
    """
    others = [kind for kind in KINDS if kind in said]
    if not others:
        return structs.replace(target, **said)
    cleared: dict[str, Any] = dict.fromkeys(KINDS)
    for name, kinds in _ONLY_WITH.items():
        if not any(kind in said for kind in kinds):
            cleared[name] = getattr(_BLANK, name)
    cleared["capabilities"] = tuple(it for it in target.capabilities if it in _DECLARABLE[others[0]])
    return structs.replace(target, **(cleared | said))


def kind_of(target: Target) -> Kind | None:
    """How the target is reached; None while nobody has said it."""
    return next((kind for kind in KINDS if getattr(target, kind) is not None), None)


def problems(target: Target) -> Iterator[Nonsense]:
    """Everything that is said about a target and makes no sense."""
    kinds = [kind for kind in KINDS if getattr(target, kind) is not None]
    if len(kinds) > 1:
        yield Nonsense(kinds[1], f"{kinds[0]} is given, too; a target is one of {', '.join(KINDS)}")
        return
    for kind in kinds:
        yield from _out_of_place(target, kind)
    for kind in kinds:
        yield from _undeclarable(target, kind)
    yield from _answers(target.answers)
    yield from _notification(target.notification)
    yield from _deployment(target)


def missing(target: Target) -> Iterator[str]:
    """What nobody has said yet and must be known. Each as the end of a sentence."""
    if kind_of(target) is None:
        yield "say what to judge: --app MODULE:FACTORY, --command CMD, or --url URL"
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


def _out_of_place(target: Target, kind: Kind) -> Iterator[Nonsense]:
    for name, kinds in _ONLY_WITH.items():
        if kind not in kinds and getattr(target, name) != getattr(_BLANK, name):
            yield Nonsense(name, f"it makes no sense for this kind of target ({kind}), only for {_or(kinds)}")


def _undeclarable(target: Target, kind: Kind) -> Iterator[Nonsense]:
    for name in target.capabilities:
        if name not in _DECLARABLE[kind]:
            there = ", ".join(_DECLARABLE[kind])
            yield Nonsense(
                "capabilities",
                f"{quoted(name)} is not to be declared of this kind ({kind}); there are {there}",
            )


def _or(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(kinds)


def _deployment(target: Target) -> Iterator[Nonsense]:
    has_key = any(KEY_PLACE in value for value in target.headers.values())
    if target.url is not None:
        try:
            has_key = Endpoint(target.url).wants_key or has_key
        except ValueError as exc:
            yield Nonsense("url", str(exc))
            has_key = True
    if "function-keys" in target.capabilities and target.url is not None and not has_key:
        yield Nonsense("capabilities", f"function-keys, but no {KEY_PLACE} in the url or in a header")
    for name, value in target.headers.items():
        if reveals(name, value):
            better = f"write {KEY_PLACE} in its place, with the key in {KEY_ENV}"
            yield Nonsense("headers", f"the value of {name!r} may be a secret; {better}")
    for index, region in enumerate(target.regions):
        if normalise_region(region) in map(normalise_region, target.regions[:index]):
            yield Nonsense("regions", f"{quoted(region)} is listed twice; letter case does not count")
    yield from _sink(target)


def _sink(target: Target) -> Iterator[Nonsense]:
    if target.probe is not None and (target.listen or target.public_url):
        yield Nonsense("probe", "it needs no sink; leave out listen and public_url, or the probe")
    if target.listen is not None:
        try:
            parse_address(target.listen)
        except ValueError as exc:
            yield Nonsense("listen", str(exc))


def _answers(answers: AnswerDialect) -> Iterator[Nonsense]:
    seen: dict[int, str] = {}
    for meaning in AnswerDialect.__struct_fields__:
        for status in getattr(answers, meaning):
            if seen.setdefault(status, meaning) != meaning:
                yield Nonsense("answers", f"{status} is both {seen[status]} and {meaning}; it can be one")


def _notification(dialect: NotificationDialect) -> Iterator[Nonsense]:
    if both := sorted(set(dialect.completed) & set(dialect.timed_out)):
        yield Nonsense("notification", f"{quoted(both[0])} is both completed and timed_out; it can be one")
    image = (dialect.action, dialect.repository, dialect.tag, dialect.digest)
    if dialect.id == NOTHING and NOTHING in image:
        whole = "action, repository, tag and digest"
        yield Nonsense("notification", f"without id it must say {whole}; else nobody knows whose it is")
