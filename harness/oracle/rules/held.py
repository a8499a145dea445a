"""Clause 8: the answer to a delivery does not wait for the sink.

How fast an aggregator answers is its own affair, and one slow answer may end by chance when the sink answers.
Several that do, and none to the contrary, do not: then the handler of the webhook sends the notification.
"""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.evidence import Attempt, Evidence, Notification
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock

# So many answers that come when the sink has answered, each at most so long afterwards, are no coincidence.
CASES_MIN, AFTERWARDS_MS_MAX = 3, 250


class _Case(NamedTuple):
    """A delivery in whose course a slow sink was notified that its operation is complete."""

    attempt: Attempt
    notification: Notification
    waited_until: int  # when the sink had answered

    @property
    def is_held(self) -> bool:
        """Whether it was answered when the sink had answered."""
        return 0 <= self.attempt.ended_at - self.waited_until <= AFTERWARDS_MS_MAX

    @property
    def lasted(self) -> int:
        """How long its sender waited."""
        return self.attempt.ended_at - self.attempt.sent.at


def check(
    evidence: Evidence, allowances: Allowances, views: Mapping[str, OperationView]
) -> Iterator[Violation]:
    """Judge the answers in whose course a slow sink was notified.

    Args:
        evidence: The run.
        allowances: What its outages and faults allow.
        views: By correlation key.
    """
    notified = [cases for view in views.values() for cases in _cases(view, allowances)]
    if any(not cases for cases in notified):
        return  # one that was answered at another time
    during = {it.attempt.index for cases in notified for it in cases}
    usual = [it.ended_at - it.sent.at for it in evidence.attempts if it.index not in during and _answered(it)]
    longest = max(usual, default=0) + evidence.run.tolerance
    late = [found for cases in notified if (found := [it for it in cases if it.lasted > longest])]
    # One answer may come after the notifications of two operations, and two after one of them.
    held = {it.attempt.index: it for cases in late for it in cases}
    if min(len(late), len(held)) >= CASES_MIN:
        for case in held.values():
            yield _held(views[evidence.operation_of[case.attempt.sent.attempt].key], case)


def _cases(view: OperationView, allowances: Allowances) -> Iterator[list[_Case]]:
    """For each time that a slow sink was told of its completion: the answers that came when it had answered.

    None of them: each delivery that was open then was answered at another time, or all had been answered
    before. A handler may send the notification again, and several deliveries may be open when one completes
    it. What a timer sends holds up none.
    """
    for generation in view.generations:
        slow = [it for it in generation.notifications if _is_slow(it, view.tolerance)]
        if not slow or slow[0] is not generation.notifications[0] or slow[0].body.outcome != "completed":
            continue
        during = _open_at(slow[0].at, view.operation.attempts)
        cases = [_Case(attempt, it, _answered_at(it)) for attempt in during for it in slow]
        cases = [it for it in cases if not allowances.was_down(it.attempt)]
        if cases or _was_answered_before(view, slow[0].at, allowances):
            yield [it for it in cases if it.is_held]


def _was_answered_before(view: OperationView, at: int, allowances: Allowances) -> bool:
    """Whether the delivery by which it was complete was answered before the sink was told of that.

    It was told by no handler then, unless one had tried before at a sink that refused connections, or was
    killed while it did.
    """
    before = [it for it in view.operation.attempts if it.sent.at <= at]
    if not before or any(it.ended_at >= at for it in before):
        return False
    last = max(before, key=attrgetter("sent.at"))
    tried = allowances.tried_from(view.operation, last.sent.at, at)
    return bool(last.counts) and tried == at and not allowances.interrupted(last.sent.at, at)


def _is_slow(notification: Notification, tolerance: int) -> bool:
    return notification.response is not None and _answered_at(notification) - notification.at > tolerance


def _answered_at(notification: Notification) -> int:
    response = notification.response
    return notification.at if response is None else response.at


def _open_at(at: int, attempts: Sequence[Attempt]) -> list[Attempt]:
    """The acknowledged attempts that were open at an instant, the latest first."""
    found = [it for it in attempts if it.counts and it.sent.at <= at <= it.ended_at]
    return sorted(found, key=attrgetter("sent.at"), reverse=True)


def _answered(attempt: Attempt) -> bool:
    """Whether there was a response, whatever it was: how long those take that wait for nothing."""
    return attempt.ended is not None and attempt.ended.status is not None


def _held(view: OperationView, case: _Case) -> Violation:
    attempt, notification = case.attempt, case.notification
    return view.violation(
        Rule.ISOLATION,
        "an answer waited for the sink",
        f"had its delivery from {attempt.origin}, sent at {clock(attempt.sent.at)}, answered at"
        f" {clock(attempt.ended_at)}, when the sink had answered the notification of"
        f" {clock(notification.at)} at {clock(case.waited_until)}",
        records=(*attempt.records, *notification.records),
        notification=notification,
    )
