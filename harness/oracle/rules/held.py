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
    """A delivery in whose course its operation's notification was sent to a slow sink."""

    attempt: Attempt
    notification: Notification
    waited_until: int  # when the sink had answered


def check(
    evidence: Evidence, allowances: Allowances, views: Mapping[str, OperationView]
) -> Iterator[Violation]:
    """Judge the answers in whose course a slow sink was notified.

    Args:
        evidence: The run.
        allowances: What its outages and faults allow.
        views: By correlation key.
    """
    cases = [it for view in views.values() for it in _cases(view, allowances)]
    held = [it for it in cases if 0 <= it.attempt.ended_at - it.waited_until <= AFTERWARDS_MS_MAX]
    if len(held) < CASES_MIN or len(held) < len(cases):
        return
    during = {it.attempt.index for it in held}
    usual = [it.ended_at - it.sent.at for it in evidence.attempts if it.counts and it.index not in during]
    for case in held:
        if case.attempt.ended_at - case.attempt.sent.at > max(usual, default=0) + evidence.run.tolerance:
            yield _held(views[evidence.operation_of[case.attempt.sent.attempt].key], case)


def _cases(view: OperationView, allowances: Allowances) -> Iterator[_Case]:
    """Of one operation: the answered attempts in whose course the sink began to take longer than a second."""
    slow = [it for it in view.operation.notifications if _is_slow(it, view.tolerance)]
    for notification in slow:
        attempt = _last_sent_before(notification, view.operation.attempts)
        if attempt is None or notification.at > attempt.ended_at or allowances.was_down(attempt):
            continue
        assert notification.response is not None  # noqa: S101 - a slow one has one; for mypy
        yield _Case(attempt, notification, notification.response.at)


def _is_slow(notification: Notification, tolerance: int) -> bool:
    response = notification.response
    return response is not None and response.at - notification.at > tolerance


def _last_sent_before(notification: Notification, attempts: Sequence[Attempt]) -> Attempt | None:
    """The last acknowledged attempt that was sent by then: the one that completed its operation."""
    sent = [it for it in attempts if it.counts and it.sent.at <= notification.at]
    return max(sent, key=attrgetter("sent.at"), default=None)


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
