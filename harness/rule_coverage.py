"""Which rules a run put to the test. One that it never could have caught breaking is not kept, only untested.

Rules of this file: pure; it asks whether the occasion was there, not what came of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fanin.harness.history import (
    AttemptEnded,
    FaultApplied,
    History,
    NotificationPart,
    NotificationReceived,
    Run,
)
from fanin.harness.oracle.bounds import bounds_of, is_late
from fanin.harness.oracle.evidence import Attempt, Evidence, Operation, collect
from fanin.harness.oracle.pushes import separate
from fanin.harness.verdict import Rule
from fanin.simulator.faults.sink import SinkFault

# What a notification must show for a rule about it to be judged.
PARTS: Mapping[Rule, Sequence[NotificationPart]] = {
    Rule.NOTIFICATION: ("key", "repetition"),
    Rule.CONTENT: ("id", "arrived", "missing", "action", "repository", "tag", "digest"),
}


def exercised_rules(history: History) -> frozenset[Rule]:
    """The rules for which something happened that could have broken them."""
    return frozenset(_occasions(history, separate(collect(history))))


def unobservable_parts(rule: Rule, run: Run) -> tuple[NotificationPart, ...]:
    """The parts of this rule that this run does not show."""
    return tuple(part for part in PARTS.get(rule, ()) if part in run.unobservable)


def _occasions(history: History, evidence: Evidence) -> Iterator[Rule]:
    for operation in evidence.operations:
        yield from _of_deliveries(operation, evidence)
    for entry in history.entries:
        match entry:
            case AttemptEnded() if entry.status is not None:
                yield Rule.ACKNOWLEDGEMENT
            case NotificationReceived():
                yield from _of_notification(entry.body)
            case FaultApplied() if isinstance(_at(evidence.scenario.faults, entry.fault), SinkFault):
                yield Rule.ISOLATION


def _of_deliveries(operation: Operation, evidence: Evidence) -> Iterator[Rule]:
    configured, *_ = evidence.configured_for(operation)
    bounds = bounds_of(operation.attempts, configured, clock_drift=evidence.run.clock_drift)
    notified_at = next((it.at for it in operation.notifications), None)
    for attempt in operation.attempts:
        late = is_late(attempt.sent.at, deadline_until=bounds.deadline_until, notified_at=notified_at)
        yield from _of_delivery(attempt, late=late)


def _of_delivery(attempt: Attempt, *, late: bool) -> Iterator[Rule]:
    sent = attempt.sent
    if sent.url_region != sent.region:
        yield Rule.EXPECTED_REGIONS
    if late or sent.copy or sent.retry:
        yield Rule.LATE_AND_DUPLICATE
    if not attempt.awaited:
        yield Rule.PING


def _of_notification(body: dict[str, Any] | None) -> Iterator[Rule]:
    yield from (Rule.IDENTITY, Rule.OUTCOME, Rule.NOTIFICATION, Rule.CONTENT)
    if body is not None and body.get("outcome") == "timed_out":
        yield Rule.DEADLINE


def _at(faults: Sequence[object], index: int) -> object:
    return faults[index] if 0 <= index < len(faults) else None
