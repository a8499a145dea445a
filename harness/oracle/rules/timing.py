"""Clauses 3, 7 and 8: the sink is notified in time, is notified at all, and again until it accepts."""

from collections.abc import Callable, Iterator
from functools import partial

from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.hints import notifications, timeouts
from fanin.harness.oracle.sink_outages import given_up_at
from fanin.harness.oracle.successors import named_missing
from fanin.harness.oracle.text import stated
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock


def check(view: OperationView) -> Iterator[Violation]:
    """Judge when the first notification came, whether one came, and the gaps between repetitions."""
    # Whatever a second operation with the same key leads to is legal, so only the first can owe anything.
    if view.first.notifications:
        yield from _notified_late(view, view.first.notifications[0])
    else:
        yield from _never_notified(view)
    for generation in view.generations:
        yield from _not_sent_again(view, generation)


def due_until(view: OperationView) -> int:
    """Until when a correct aggregator may take to notify the sink; FOREVER when nothing is certain."""
    return _allowed_until(view, view.first.bounds.decided_until)


def _allowed_until(view: OperationView, due: int) -> int:
    decided_from = view.first.bounds.decided_from
    return view.allowances.allowed_until(view.operation, decided_from, due, view.tolerance)


def _notified_late(view: OperationView, first: Notification) -> Iterator[Violation]:
    bounds = view.first.bounds
    outcome = first.body.outcome
    missing = () if outcome == "completed" else named_missing(first, bounds)
    due = bounds.due(missing) if missing or outcome == "completed" else bounds.deadline_until
    latest = _allowed_until(view, due)
    if first.at <= latest:
        return
    kind = f"reported {stated(first)} too late"
    rule = about = Rule.DEADLINE if outcome == "timed_out" else Rule.NOTIFICATION
    looks_like: str | Callable[[], str] = ""
    if view.allowances.sink_blocked_for_others(view.operation, bounds.decided_from, latest):
        kind, rule, looks_like = "held up by another operation's notification", Rule.ISOLATION, "B62"
    elif outcome == "timed_out":
        looks_like = partial(timeouts.of_late_timeout, view, first)
    elif (
        outcome is not None
        and first.at >= bounds.deadline_from
        and not view.allowances.sink_blocked_for_any(due, first.at)
    ):
        looks_like = "B14"
    yield view.violation(
        rule,
        kind,
        f"was reported {stated(first)} at {clock(first.at)}, due at {clock(due)}"
        f" and allowed until {clock(latest)}",
        records=[first.index, *view.deciding(bounds.regions)],
        notification=first,
        looks_like=looks_like,
        also=(about,),
    )


def _never_notified(view: OperationView) -> Iterator[Violation]:
    bounds, end = view.first.bounds, view.evidence.end
    if end is None or not end.complete or end.at <= due_until(view):
        return  # absence proves nothing yet; `fanin.harness.oracle.rules.doubts` says so
    rule, looks_like = _rule_of_absence(view)
    outcome = " or ".join(bounds.legal)
    yield view.violation(
        rule,
        "never reported",
        f"was not reported, though {outcome} was due at {clock(bounds.decided_until)}; the watch ended at"
        f" {clock(end.at)}",
        records=view.deciding(bounds.regions),
        looks_like=looks_like,
        absence=True,
        also=(Rule.NOTIFICATION, *((Rule.DEADLINE,) if bounds.complete_at == FOREVER else ())),
    )


def _rule_of_absence(view: OperationView) -> tuple[Rule, str | Callable[[], str]]:
    """The clause that an absent notification breaks, as far as faults and deaths explain it."""
    bounds, allowances = view.first.bounds, view.allowances
    started, decided = min(bounds.must.values()), bounds.decided_until
    if allowances.sink_blocked_for_others(view.operation, bounds.decided_from, due_until(view)):
        return Rule.ISOLATION, "B62"
    if allowances.sink_blocked(view.operation, bounds.decided_from, decided):
        return Rule.NOTIFICATION, "B51 B58"
    hint = partial(notifications.of_absence, view)
    if allowances.died(bounds.decided_from, due_until(view)):
        return Rule.NOTIFICATION, hint
    if allowances.died(started, decided):
        return Rule.ACKNOWLEDGEMENT, hint
    return Rule.DEADLINE if bounds.complete_at == FOREVER else Rule.NOTIFICATION, hint


def resend_until(view: OperationView, first: Notification, last: Notification, pending_from: int) -> int:
    """Until when a notification that the sink has not accepted must be sent again.

    Args:
        view: The operation.
        first: The first of these repetitions, from which the three days count.
        last: The latest of them, from which the gap counts.
        pending_from: When it can have been sent, at the earliest.
    """
    grace = view.evidence.run.redelivery_grace
    ended = given_up_at(last, grace)
    if last.response is not None:
        # What stands still gives nothing up: it does when it goes on, and may pause before it tries again.
        ended = max(ended, min(last.response.at, view.allowances.stood_still_until(last.at, ended)))
    tried_from = view.allowances.tried_from(view.operation, pending_from, first.at)
    return view.allowances.allowed_until(view.operation, ended, ended, grace, tried_from=tried_from)


def _not_sent_again(view: OperationView, generation: Generation) -> Iterator[Violation]:
    followers = (*generation.notifications[1:], None)
    for notification, following in zip(generation.notifications, followers, strict=False):
        if notification.maybe_accepted:
            return
        pending_from = generation.bounds.decided_from
        latest = resend_until(view, generation.notifications[0], notification, pending_from)
        if following is not None:
            if following.at > latest:
                yield _gap(view, generation, notification, f"not again before {clock(following.at)}")
                return
            continue
        end = view.evidence.end
        if end is not None and end.complete and end.at > latest:
            when = f"not again until the watch ended at {clock(end.at)}"
            yield _gap(view, generation, notification, when, absence=True)


def _gap(
    view: OperationView, generation: Generation, last: Notification, when: str, *, absence: bool = False
) -> Violation:
    response = last.response
    answered = (
        "did not answer" if response is None or response.status is None else f"answered {response.status}"
    )
    return view.violation(
        Rule.NOTIFICATION,
        "not sent again in time",
        f"was reported {stated(last)} at {clock(last.at)}, which the sink {answered}, and {when}",
        records=last.records,
        notification=last,
        bounds=generation.bounds,
        looks_like="B51 B58",
        absence=absence,
    )
