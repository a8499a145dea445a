"""Query parameters of the HTTP API, parsed."""

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl

from fanin.aggregator.errors import MalformedError, quoted
from fanin.aggregator.fanin import Phase
from fanin.aggregator.notify.yaml_nodes import nearest

# The names of parameters in small letters; as Azure Functions, the API reads them in any letter case.
type Query = Mapping[str, str]

PAGE_DEFAULT, PAGE_MAX = 100, 1_000
STATES = (Phase.WAITING, Phase.COMPLETED, Phase.TIMED_OUT)  # of an operation
OUTBOX_STATES = {"waiting": False, "dead": True}  # whether the entry is a dead letter
KEY = "code"  # every endpoint has it that asks for a key


def parse_query(query: bytes) -> tuple[Query, frozenset[str]]:
    """Parse a query; return its parameters, and the names of those that are given more than once.

    Of these the last value is there, for the log.
    """
    parameters: dict[str, str] = {}
    repeated = set()
    for spelled, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        name = spelled.casefold()
        if name in parameters:
            repeated.add(name)
        parameters[name] = value
    return parameters, frozenset(repeated)


def read_query(query: bytes, names: Collection[str] = ()) -> Query:
    """Parse the query of an endpoint that reads these parameters and the key; others may be there, too.

    Raises:
        MalformedError: one of these is given more than once, in whatever spelling.
    """
    parameters, repeated = parse_query(query)
    if name := first_of(names, repeated):
        raise given_twice(name)
    return parameters


def first_of(names: Collection[str], repeated: Collection[str]) -> str:
    """The first of an endpoint's parameters that is given more than once; empty: none is."""
    return next((name for name in (*names, KEY) if name in repeated), "")


def given_twice(name: str) -> MalformedError:
    """The error of a parameter that is given more than once, with equal values or not."""
    return MalformedError(f"{name}= is given more than once; give it once")


def refuse_unknown(query: Query, names: Collection[str]) -> None:
    """Refuse parameters that an endpoint has not: one might be meant to narrow what it does.

    Raises:
        MalformedError: there is one; the message says which there are.
    """
    for name in query:
        if name not in {*names, KEY}:
            hint = nearest(name, names) if names else "there are none here"
            raise MalformedError(f"no such parameter {quoted(name)}; {hint}")


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
    """Parse ``?target=`` and ``?operation=``, which select notifications; None for all.

    Raises:
        MalformedError: an unknown target, or an empty value: it would select all, or nothing.
    """
    operation = query.get("operation")
    if operation is not None and not operation.strip():
        raise MalformedError("operation= is empty; name an operation, or leave the parameter out")
    return parse_target(query, targets), operation


def parse_target(query: Query, targets: Collection[str]) -> str | None:
    """Parse ``?target=``; None for all.

    Raises:
        MalformedError: an unknown target, or an empty value.
    """
    target = query.get("target")
    if target is None or target in targets:
        return target
    hint = nearest(target, targets) if targets else "no target is configured"
    if not target.strip():
        raise MalformedError(f"target= is empty; {hint}")
    raise MalformedError(f"no such target {quoted(target)}; {hint}")
