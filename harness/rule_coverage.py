"""Which rules a run put to the test. One that it never could have caught breaking is not kept, only untested.

Rules of this file: pure; it asks whether the occasion was there, not what came of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fanin.harness.history import (
    AttemptEnded,
    AttemptSent,
    Entry,
    FaultApplied,
    History,
    NotificationPart,
    NotificationReceived,
    RegistryEvent,
    Run,
)
from fanin.harness.verdict import Rule
from fanin.simulator.language.scenario import SinkFault

# What a notification must show for a rule about it to be judged.
PARTS: Mapping[Rule, Sequence[NotificationPart]] = {
    Rule.NOTIFICATION: ("key", "repetition"),
    Rule.CONTENT: ("id", "arrived", "missing", "action", "repository", "tag", "digest"),
}


def exercised_rules(history: History) -> frozenset[Rule]:
    """The rules for which something happened that could have broken them."""
    return frozenset(_occasions(history.run, history.entries))


def unobservable_parts(rule: Rule, run: Run) -> tuple[NotificationPart, ...]:
    """What of this rule nobody can see in this run."""
    return tuple(part for part in PARTS.get(rule, ()) if part in run.unobservable)


def _occasions(run: Run, entries: Sequence[Entry]) -> Iterator[Rule]:
    actions: dict[str, str] = {}  # by operation
    told: set[str | None] = set()
    for entry in entries:
        match entry:
            case RegistryEvent():
                actions[entry.op] = entry.action
            case AttemptSent():
                yield from _of_delivery(run, entry, actions.get(entry.op, ""), late=entry.op in told)
            case AttemptEnded() if entry.status is not None:
                yield Rule.ACKNOWLEDGEMENT
            case NotificationReceived():
                told.add(entry.op)
                yield from _of_notification(entry.body)
            case FaultApplied() if isinstance(_at(run.scenario.faults, entry.fault), SinkFault):
                yield Rule.ISOLATION


def _of_delivery(run: Run, sent: AttemptSent, action: str, *, late: bool) -> Iterator[Rule]:
    if sent.url_region != sent.region:
        yield Rule.EXPECTED_REGIONS
    if late or sent.copy or sent.retry:
        yield Rule.LATE_AND_DUPLICATE
    if action not in run.scenario.actions:
        yield Rule.PING


def _of_notification(body: dict[str, Any] | None) -> Iterator[Rule]:
    yield from (Rule.IDENTITY, Rule.OUTCOME, Rule.NOTIFICATION, Rule.CONTENT)
    if body is not None and body.get("outcome") == "timed_out":
        yield Rule.DEADLINE


def _at(faults: Sequence[object], index: int) -> object:
    return faults[index] if 0 <= index < len(faults) else None
