"""Query parameters of the HTTP API, parsed."""

from collections.abc import Collection, Mapping, Sequence

from fanin.aggregator.errors import MalformedError, quoted
from fanin.aggregator.fanin import Phase
from fanin.aggregator.notify.yaml_nodes import nearest

# The names of parameters in small letters; as Azure Functions, the API reads them in any letter case.
type Query = Mapping[str, str]

PAGE_DEFAULT, PAGE_MAX = 100, 1_000
STATES = (Phase.WAITING, Phase.COMPLETED, Phase.TIMED_OUT)  # of an operation
OUTBOX_STATES = {"waiting": False, "dead": True}  # whether the entry is a dead letter


def fold_names(parameters: Mapping[str, str]) -> Query:
    """Make the names of parameters comparable. One in small letters wins over its other spellings."""
    folded = {name.casefold(): value for name, value in parameters.items()}
    return folded | {name: value for name, value in parameters.items() if name in folded}


def parse_phase(text: str | None) -> Phase | None:
    """Parse ``?state=`` of the list of instances; None for all states.

    Raises:
        MalformedError: not a state of an operation.
    """
    if text is None:
        return None
    if text not in STATES:
        raise MalformedError(f"state={quoted(text)} is none of {', '.join(STATES)}")
    return Phase(text)


def parse_limit(text: str | None) -> int:
    """Parse ``?limit=``, the number of entries on a page.

    Raises:
        MalformedError: not a number from 1 to `PAGE_MAX`.
    """
    if text is None:
        return PAGE_DEFAULT
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(PAGE_MAX)) and 1 <= int(text) <= PAGE_MAX
    ):
        raise MalformedError(f"limit={quoted(text)} is not a number from 1 to {PAGE_MAX}")
    return int(text)


def parse_dead(text: str | None) -> bool | None:
    """Parse ``?state=`` of the outbox: True for dead letters, False for the others, None for both.

    Raises:
        MalformedError: not a state of an outbox entry.
    """
    if text is None:
        return None
    if text not in OUTBOX_STATES:
        raise MalformedError(f"state={quoted(text)} is none of {', '.join(OUTBOX_STATES)}")
    return OUTBOX_STATES[text]


def require_selection(query: Query, targets: Collection[str]) -> tuple[str | None, str | None]:
    """Parse ``?target=`` and ``?operation=``, of which at least one must be given.

    Raises:
        MalformedError: neither is given, or as `parse_selection`.
    """
    target, operation = parse_selection(query, targets)
    if target is None and operation is None:
        raise MalformedError("target= or operation= is required, or both")
    return target, operation


def parse_selection(query: Query, targets: Collection[str]) -> tuple[str | None, str | None]:
    """Parse ``?target=`` and ``?operation=``, which select dead letters; None for all.

    Raises:
        MalformedError: an unknown target, or an unknown parameter: it might be meant to narrow the selection.
    """
    return _target(query, targets, names=("target", "operation")), query.get("operation")


def parse_target(query: Query, targets: Collection[str]) -> str | None:
    """Parse ``?target=``; None for all.

    Raises:
        MalformedError: an unknown target or parameter, as in `parse_selection`.
    """
    return _target(query, targets, names=("target",))


def _target(query: Query, targets: Collection[str], *, names: Sequence[str]) -> str | None:
    for name in query:
        if name not in {*names, "code"}:
            raise MalformedError(f"no such parameter {quoted(name)}; {nearest(name, names)}")
    target = query.get("target")
    if target is not None and target not in targets:
        hint = nearest(target, targets) if targets else "no target is configured"
        raise MalformedError(f"no such target {quoted(target)}; {hint}")
    return target
