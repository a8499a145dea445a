"""Clauses 3 and 4: which outcome an operation may have, when, and that it never has another."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from fanin.harness.oracle.bounds import FOREVER, is_late
from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.hints import alike, arrivals, notifications, timeouts
from fanin.harness.oracle.notification_body import OUTCOMES
from fanin.harness.oracle.successors import named_missing
from fanin.harness.oracle.text import listing, quoted, quoted_apart, stated
from fanin.harness.oracle.violation import OperationView, Violation, names_each_region_once
from fanin.harness.verdict import Rule
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock


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
    missing = named_missing(first, bounds)
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
    elif names_each_region_once(first, bounds) and not bounds.allows(missing, first.at):
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
        f"was reported {stated(first)} at {clock(first.at)}, but {reason}",
        records=[first.index, *(index for it in attempts for index in it.records)],
        notification=first,
        also=(Rule.OUTCOME,),
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
            looks_like=lambda: arrivals.of_miscount(view, generation, first, early),
        )
    restarted = view.allowances.died(bounds.decided_from - bounds.timeout, first.at - 1)
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
        also=(Rule.OUTCOME, Rule.LATE_AND_DUPLICATE) if late else (Rule.OUTCOME,),
    )


def _not_arrived(
    view: OperationView, generation: Generation, first: Notification, absent: Sequence[str]
) -> Violation:
    """A region was counted that cannot have counted by then."""
    attempts = [it for it in view.operation.attempts if it.origin in absent]
    reasons = _reasons_invalid(attempts)
    copies = len({it.region for it in view.operation.attempts}) < len(view.operation.attempts)
    rule = _rule_of(reasons) if reasons else Rule.OUTCOME
    validly = f" in a valid delivery ({listing(reasons)})" if reasons else ""
    return view.violation(
        rule,
        "counted a region that had not arrived",
        f"was reported {stated(first)} at {clock(first.at)} counting {listing(absent)}, which had not"
        f" arrived{validly}",
        records=[first.index, *(index for it in attempts for index in it.records)],
        notification=first,
        bounds=generation.bounds,
        looks_like=lambda: (
            ("B32" if "unknown-region" in reasons else "")
            if reasons
            else arrivals.of_miscount(view, generation, first, absent)
        ),
        also=(
            Rule.OUTCOME,
            *((Rule.LATE_AND_DUPLICATE,) if copies and not reasons else ()),
            *((Rule.IDENTITY,) if not reasons and alike.is_like_another(view) else ()),
        ),
    )


def _too_early(view: OperationView, generation: Generation, first: Notification) -> Violation:
    bounds = generation.bounds
    early = format_duration(bounds.deadline_from - first.at)
    return view.violation(
        Rule.DEADLINE,
        "timed out before the deadline",
        f"was reported timed_out at {clock(first.at)}, {early} before its deadline at {_window(generation)}",
        records=[first.index, *view.deciding(bounds.regions)],
        notification=first,
        bounds=bounds,
        looks_like=lambda: timeouts.of_early_timeout(view, generation, first),
        also=() if "timed_out" in bounds.legal else (Rule.OUTCOME,),
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
        kind, rule, blocked = "an outage of the sink changed the outcome", Rule.ISOLATION, True
        message += ", while a fault blocked the sink"
    else:
        kind, rule = _lost_arrival(view, generation, first, missing)
        blocked = False
    return view.violation(
        rule,
        kind,
        message,
        records=[first.index, *view.deciding(missing)],
        notification=first,
        bounds=bounds,
        looks_like="B58"
        if blocked
        else lambda: arrivals.of_lost_arrival(view, generation.bounds, first, missing),
        also=(Rule.OUTCOME,),
    )


def _lost_arrival(
    view: OperationView, generation: Generation, first: Notification, missing: Sequence[str]
) -> tuple[str, Rule]:
    """How arrivals that must have counted came to be missing: kind and rule."""
    bounds = generation.bounds
    since = min((bounds.must[region] for region in missing if region in bounds.must), default=FOREVER)
    # A crash at the instant of the notification came when the arrival was lost already.
    if view.allowances.died(since, first.at - 1):
        return "an acknowledged arrival was lost over a crash", Rule.ACKNOWLEDGEMENT
    return "an acknowledged arrival was named missing", Rule.OUTCOME


def _wrong_missing(
    view: OperationView, generation: Generation, first: Notification, missing: Sequence[str]
) -> Violation:
    bounds = generation.bounds
    acknowledged = [region for region in missing if region in bounds.must and not bounds.can_miss(region)]
    if acknowledged:
        kind, rule = _lost_arrival(view, generation, first, acknowledged)
        by = max(bounds.must[region] for region in acknowledged)
        return view.violation(
            rule,
            kind,
            f"names {listing(acknowledged)} missing, acknowledged by {clock(by)}",
            records=[first.index, *view.deciding(acknowledged)],
            notification=first,
            bounds=bounds,
            looks_like=lambda: arrivals.of_lost_arrival(view, bounds, first, acknowledged),
            also=(Rule.OUTCOME,),
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
    ordered = sorted((first, other), key=lambda it: it.at)
    told = [f"{stated(it)} at {clock(it.at)}" for it in ordered]
    message = f"was reported {listing(told)}"
    looks_like: Callable[[], str] | str = ""
    if before != after:
        kind, rule, looks_like = "two outcomes", Rule.OUTCOME, partial(notifications.of_two_outcomes, view)
    elif other.received.key != first.received.key:
        kind, rule = "one outcome under two keys", Rule.NOTIFICATION
        looks_like = partial(notifications.of_two_keys, view, generation, first, other)
        message += f" under the keys {listing(quoted_apart([it.received.key for it in ordered]))}"
    else:
        kind, rule = "another content under the same key", Rule.NOTIFICATION
        message += f" with another content under the same key, {quoted(first.received.key)}"
    also = [Rule.NOTIFICATION] if other.received.key == first.received.key else []
    if arrivals.is_of_other_regions(first, other):
        also.append(Rule.IDENTITY)
    if between := view.deliveries_between(first.at, other.at):
        also.append(Rule.LATE_AND_DUPLICATE)
        later = other.at >= min(between) + generation.bounds.timeout
        if later or (before, after) == OUTCOMES[::-1]:
            kind, rule = "a late or repeated delivery had an outcome of its own", Rule.OUTCOME
            looks_like = partial(notifications.of_anew, view, generation, first, timeout_later=later)
            message += f", after a delivery at {clock(min(between))} that should have changed nothing"
    return view.violation(
        rule,
        kind,
        message,
        records=[first.index, other.index],
        notification=other,
        bounds=generation.bounds,
        looks_like=looks_like,
        also=tuple(also),
    )
