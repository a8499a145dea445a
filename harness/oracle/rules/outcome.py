"""Clauses 3 and 4: which outcome an operation may have, when, and that it never has another."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from fanin.harness.oracle.bounds import FOREVER, is_late
from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.notification_body import OUTCOMES
from fanin.harness.oracle.text import listing, quoted
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock

# First deliveries this close together race for the start of their operation.
_RACE_MS = 50
# Delays in ms that do not fit 31 bits overflow in some timers.
_SHORT_TIMER_MS = 2**31 - 1


def check(view: OperationView) -> Iterator[Violation]:
    """Judge the first notification of each generation, and whether the others repeat it."""
    for generation in view.generations:
        if generation.notifications:
            yield from _first_outcome(view, generation)
            yield from _other_outcomes(view, generation)


def _first_outcome(view: OperationView, generation: Generation) -> Iterator[Violation]:
    first, bounds = generation.notifications[0], generation.bounds
    outcome = first.body.outcome
    if outcome is None:
        return  # its content is wrong; there is no outcome to judge
    missing = view.regions(first.body.missing or ())
    if not bounds.may:
        yield _without_delivery(view, first)
    elif outcome == "completed":
        if not bounds.allows((), first.at):
            yield _completed_wrongly(view, generation, first)
    elif first.at < bounds.deadline_from:
        yield _too_early(view, generation, first)
    elif "timed_out" not in bounds.legal:
        yield _timed_out_though_complete(view, generation, first, missing)
    # Regions that it names twice or not at all make its content wrong, whatever the others did.
    elif view.names_each_region_once(first) and not bounds.allows(missing, first.at):
        yield _wrong_missing(view, generation, first, missing)


def _without_delivery(view: OperationView, first: Notification) -> Violation:
    """An outcome although no delivery can have counted."""
    attempts = view.operation.attempts
    if attempts and not any(it.awaited for it in attempts):
        actions = listing(sorted({it.action for it in view.operation.events}))
        rule, reason = Rule.PING, f"its action, {actions}, starts no operation here"
    elif reasons := _reasons_invalid(attempts):
        rule, reason = _rule_of(reasons), f"every delivery had to be refused: {listing(reasons)}"
    else:
        rule, reason = Rule.OUTCOME, "no delivery can have counted"
    return view.violation(
        rule,
        "an outcome without a delivery",
        f"was reported {first.body.outcome} at {clock(first.at)}, but {reason}",
        records=[first.index, *(index for it in attempts for index in it.records)],
        notification=first,
    )


def _reasons_invalid(attempts: Iterable[Attempt]) -> list[str]:
    return sorted({it.invalid_because for it in attempts if it.invalid_because})


def _rule_of(reasons: Sequence[str]) -> Rule:
    return Rule.EXPECTED_REGIONS if "unknown-region" in reasons else Rule.ACKNOWLEDGEMENT


def _completed_wrongly(view: OperationView, generation: Generation, first: Notification) -> Violation:
    bounds = generation.bounds
    if absent := [region for region in bounds.regions if region not in bounds.may]:
        return _not_arrived(view, generation, first, absent)
    if early := [region for region in bounds.regions if bounds.may[region] > first.at]:
        counted_from = max(bounds.may[region] for region in early)
        return view.violation(
            Rule.OUTCOME,
            "completed too early",
            f"was reported completed at {clock(first.at)}, but {listing(early)} cannot have counted before"
            f" {clock(counted_from)}",
            records=[first.index, *view.deciding(early)],
            notification=first,
            bounds=bounds,
            looks_like="B25",
        )
    restarted = view.allowances.died(bounds.decided_from - bounds.timeout, first.at)
    late = [it for it in bounds.regions if is_late(bounds.may[it], deadline_until=bounds.deadline_until)]
    return view.violation(
        Rule.DEADLINE,
        "completed after the deadline",
        f"was reported completed at {clock(first.at)}, though {listing(late or bounds.regions)} came after"
        f" the deadline at {_window(generation)}",
        records=[first.index, *view.deciding(bounds.regions)],
        notification=first,
        bounds=bounds,
        looks_like="B39" if restarted else "B33",
    )


def _not_arrived(
    view: OperationView, generation: Generation, first: Notification, absent: Sequence[str]
) -> Violation:
    """A region was counted that cannot have counted by then."""
    attempts = [it for it in view.operation.attempts if it.origin in absent]
    reasons = _reasons_invalid(attempts)
    copies = len({it.region for it in view.operation.attempts}) < len(view.operation.attempts)
    if reasons:
        rule, looks_like = _rule_of(reasons), "B32" if "unknown-region" in reasons else ""
    else:
        rule, looks_like = Rule.OUTCOME, "B22" if copies else "B25"
    validly = f" in a valid delivery ({listing(reasons)})" if reasons else ""
    return view.violation(
        rule,
        "counted a region that had not arrived",
        f"was reported {first.body.outcome} at {clock(first.at)} counting {listing(absent)}, which had not"
        f" arrived{validly}",
        records=[first.index, *(index for it in attempts for index in it.records)],
        notification=first,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _too_early(view: OperationView, generation: Generation, first: Notification) -> Violation:
    bounds = generation.bounds
    after_delivery = any(0 <= first.at - it.sent.at <= view.tolerance for it in view.operation.attempts[1:])
    if bounds.timeout > _SHORT_TIMER_MS:
        looks_like = "B41 B37"
    elif view.allowances.died(bounds.deadline_from - bounds.timeout, first.at):
        looks_like = "B66"
    else:
        looks_like = "B34" if after_delivery else "B67"
    early = format_duration(bounds.deadline_from - first.at)
    return view.violation(
        Rule.DEADLINE,
        "timed out before the deadline",
        f"was reported timed_out at {clock(first.at)}, {early} before its deadline at {_window(generation)}",
        records=[first.index, *view.deciding(bounds.regions)],
        notification=first,
        bounds=bounds,
        looks_like=looks_like,
    )


def _timed_out_though_complete(
    view: OperationView, generation: Generation, first: Notification, named: Sequence[str]
) -> Violation:
    bounds = generation.bounds
    missing, complete_at = named or bounds.regions, bounds.complete_at
    reason = (
        "its only region completes it"
        if complete_at == FOREVER
        else f"every region had counted by {clock(complete_at)}"
    )
    message = f"was reported timed_out at {clock(first.at)}, though {reason}"
    if complete_at < FOREVER and view.allowances.sink_blocked(view.operation, complete_at, complete_at):
        kind, rule, looks_like = "an outage of the sink changed the outcome", Rule.ISOLATION, "B58"
        message += ", while a fault blocked the sink"
    else:
        kind, rule, looks_like = _lost_arrival(view, generation, first, missing)
    return view.violation(
        rule,
        kind,
        message,
        records=[first.index, *view.deciding(missing)],
        notification=first,
        bounds=bounds,
        looks_like=looks_like,
    )


def _lost_arrival(
    view: OperationView, generation: Generation, first: Notification, missing: Sequence[str]
) -> tuple[str, Rule, str]:
    """How arrivals that must have counted came to be missing: kind, rule, and what that looks like."""
    bounds = generation.bounds
    since = min((bounds.must[region] for region in missing if region in bounds.must), default=FOREVER)
    if view.allowances.died(since, first.at):
        return "an acknowledged arrival was lost over a crash", Rule.ACKNOWLEDGEMENT, "B50"
    kind = "an acknowledged arrival was named missing"
    if len(missing) == len(bounds.regions):
        return kind, Rule.OUTCOME, "B10"
    starts = sorted(bounds.may.values())
    if any(later - earlier <= _RACE_MS for earlier, later in pairwise(starts)):
        return kind, Rule.OUTCOME, "B01 B04"
    if len(bounds.regions) - len(view.regions(first.body.missing or ())) == 1:
        return kind, Rule.OUTCOME, "B19"
    return kind, Rule.OUTCOME, "B06"


def _wrong_missing(
    view: OperationView, generation: Generation, first: Notification, missing: Sequence[str]
) -> Violation:
    bounds = generation.bounds
    acknowledged = [region for region in missing if region in bounds.must and not bounds.can_miss(region)]
    if acknowledged:
        kind, rule, looks_like = _lost_arrival(view, generation, first, acknowledged)
        by = max(bounds.must[region] for region in acknowledged)
        return view.violation(
            rule,
            kind,
            f"names {listing(acknowledged)} missing, acknowledged by {clock(by)}",
            records=[first.index, *view.deciding(acknowledged)],
            notification=first,
            bounds=bounds,
            looks_like=looks_like,
        )
    arrived = [region for region in bounds.regions if region not in missing]
    if absent := [region for region in arrived if not bounds.can_arrive(region, first.at)]:
        return _not_arrived(view, generation, first, absent)
    return view.violation(
        Rule.OUTCOME,
        "no deadline explains the missing regions",
        f"was reported timed_out at {clock(first.at)}, and no deadline from {_window(generation)}"
        f" leaves just {listing(missing) if missing else 'no region'} missing",
        records=[first.index, *view.deciding(bounds.regions)],
        notification=first,
        bounds=bounds,
    )


def _window(generation: Generation) -> str:
    bounds = generation.bounds
    until = "" if bounds.deadline_until == FOREVER else f" to {clock(bounds.deadline_until)}"
    return clock(bounds.deadline_from) + until


def _other_outcomes(view: OperationView, generation: Generation) -> Iterator[Violation]:
    """One outcome, one key, one content: the first notification that differs breaks the rule."""
    first = generation.notifications[0]
    for notification in generation.notifications[1:]:
        if not notification.repeats(first):
            yield _other_outcome(view, generation, first, notification)
            return


def _other_outcome(
    view: OperationView, generation: Generation, first: Notification, other: Notification
) -> Violation:
    """Two notifications that are not repetitions of one another."""
    before, after = first.body.outcome, other.body.outcome
    message = f"was reported {before} at {clock(first.at)} and {after} at {clock(other.at)}"
    if before != after:
        kind, rule, looks_like = "two outcomes", Rule.OUTCOME, "B36"
    elif other.received.key != first.received.key:
        kind, rule = "one outcome under two keys", Rule.NOTIFICATION
        looks_like = "B43b" if after == "timed_out" else "B15"
        looks_like = "B52" if view.allowances.died(first.at, other.at) else looks_like
        message += f" under the keys {quoted(first.received.key)} and {quoted(other.received.key)}"
    else:
        kind, rule, looks_like = "another content under the same key", Rule.NOTIFICATION, ""
        message += f" with another content under the same key, {quoted(other.received.key)}"
    if between := _deliveries_between(view, first, other):
        a_timeout_later = other.at >= min(between) + generation.bounds.timeout
        if a_timeout_later or (before, after) == OUTCOMES[::-1]:
            kind, rule = "a late or repeated delivery had an outcome of its own", Rule.OUTCOME
            looks_like = "B44" if a_timeout_later else "B47"
            message += f", after a delivery at {clock(min(between))} that should have changed nothing"
    return view.violation(
        rule,
        kind,
        message,
        records=[first.index, other.index],
        notification=other,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _deliveries_between(view: OperationView, first: Notification, other: Notification) -> list[int]:
    """When deliveries were sent between two notifications. They are late for the first."""
    sent = [it.sent.at for it in view.operation.attempts if it.counts is not False]
    return [at for at in sent if at <= other.at and is_late(at, deadline_until=None, notified_at=first.at)]
