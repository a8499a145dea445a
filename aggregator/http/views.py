"""The outbox over HTTP: how its entries are shown, and which of them a request means."""

from collections.abc import Collection, Mapping
from typing import Any

from fanin.aggregator.engine import OutboxEntry
from fanin.aggregator.errors import MalformedError, quoted
from fanin.aggregator.notify.yaml_nodes import nearest
from fanin.aggregator.wire import rfc3339

STATES = {"waiting": False, "dead": True}  # whether it is dead


def shown(letter: OutboxEntry) -> dict[str, Any]:
    """One entry. Without the address: that is in the settings, and may be a secret."""
    dead = letter.dead_ms is not None
    return {
        "operation": letter.operation_id,
        "target": letter.target,
        "state": "dead" if dead else "waiting",
        "outcome": letter.outcome.value,
        "key": letter.key,
        "attempts": letter.attempts,
        "next_attempt": None if letter.due_ms is None else rfc3339(letter.due_ms),
        "given_up": None if letter.dead_ms is None else rfc3339(letter.dead_ms),
        "error": letter.error,
    }


def dead_or_not(state: str | None) -> bool | None:
    """What ``?state=`` asks for; None for both.

    Raises:
        MalformedError: no such state.
    """
    if state is None:
        return None
    if state not in STATES:
        raise MalformedError(f"state={quoted(state)} is none of {', '.join(STATES)}")
    return STATES[state]


def chosen(query: Mapping[str, str], targets: Collection[str]) -> tuple[str | None, str | None]:
    """Which target and operation ``?target=`` and ``?operation=`` mean; None for all.

    Raises:
        MalformedError: no such target, or something else is asked for: it might narrow the choice.
    """
    for name in query:
        if name not in {"target", "operation", "code"}:
            raise MalformedError(
                f"no such parameter {quoted(name)}; {nearest(name, ('target', 'operation'))}"
            )
    target = query.get("target")
    if target is not None and target not in targets:
        hint = nearest(target, targets) if targets else "no target is configured"
        raise MalformedError(f"no such target {quoted(target)}; {hint}")
    return target, query.get("operation")
