"""Clauses 3 and 4: which outcome an operation may have, when, and that it never has another."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Notification
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
    """Judge what the sink was told first, and whatever it was told afterwards."""
    for generation in view.generations:
        if generation.notifications:
            yield from _first_told(view, generation)
            yield from _told_again(view, generation)


def _first_told(view: OperationView, generation: Generation) -> Iterator[Violation]:
    notification, bounds = generation.notifications[0], generation.bounds
    outcome = notification.body.outcome
    if outcome is None:
        return  # its content is wrong; there is no outcome to judge
    missing = view.regions(notification.body.missing or ())
    if not bounds.may:
        yield _out_of_nothing(view, notification)
    elif outcome == "completed":
        if not bounds.allows((), notification.at):
            yield _completed_wrongly(view, generation, notification)
    elif notification.at < bounds.deadline_from:
        yield _too_early(view, generation, notification)
    elif "timed_out" not in bounds.legal:
        yield _timed_out_though_complete(view, generation, notification, missing)
    # Regions that it names twice or not at all make its content wrong, whatever the others did.
    elif view.names_each_region_once(notification) and not bounds.allows(missing, notification.at):
        yield _wrong_missing(view, generation, notification, missing)


def _out_of_nothing(view: OperationView, notification: Notification) -> Violation:
    """An outcome although no delivery can have counted."""
    operation = view.operation
    outcome = notification.body.outcome
    actions = {it.action for it in operation.events}
    if operation.attempts and not any(it.awaited for it in operation.attempts):
        rule, why = Rule.PING, f"its action, {listing(sorted(actions))}, starts nothing here"
    elif flaws := sorted({it.invalid_because for it in operation.attempts if it.invalid_because}):
        rule, why = _rule_of(flaws), f"every delivery had to be refused: {listing(flaws)}"
    else:
        rule, why = Rule.OUTCOME, "no delivery can have counted"
    return view.violation(
        rule,
        "an outcome out of nothing",
        f"was told {outcome} at {clock(notification.at)}, but {why}",
        records=[notification.index, *(index for it in operation.attempts for index in it.records)],
        notification=notification,
    )


def _rule_of(flaws: Sequence[str]) -> Rule:
    return Rule.EXPECTED_REGIONS if "unknown-region" in flaws else Rule.ACKNOWLEDGEMENT


def _completed_wrongly(view: OperationView, generation: Generation, notification: Notification) -> Violation:
    bounds = generation.bounds
    if absent := [region for region in bounds.regions if region not in bounds.may]:
        return _phantom(view, generation, notification, absent)
    if early := [region for region in bounds.regions if bounds.may[region] > notification.at]:
        first = max(bounds.may[region] for region in early)
        return view.violation(
            Rule.OUTCOME,
            "completed too early",
            f"was told completed at {clock(notification.at)}, but {listing(early)} cannot have counted before"
            f" {clock(first)}",
            records=[notification.index, *view.deciding(early)],
            notification=notification,
            bounds=bounds,
            looks_like="B25",
        )
    slid = view.allowances.fell(bounds.decided_from - bounds.timeout, notification.at)
    late = [region for region in bounds.regions if bounds.may[region] > bounds.deadline_until]
    return view.violation(
        Rule.DEADLINE,
        "completed after the deadline",
        f"was told completed at {clock(notification.at)}, though {listing(late or bounds.regions)} came after"
        f" the deadline at {_window(generation)}",
        records=[notification.index, *view.deciding(bounds.regions)],
        notification=notification,
        bounds=bounds,
        looks_like="B39" if slid else "B33",
    )


def _phantom(
    view: OperationView, generation: Generation, notification: Notification, absent: Sequence[str]
) -> Violation:
    """A region was counted that cannot have counted by then."""
    attempts = [it for it in view.operation.attempts if it.origin in absent]
    flaws = sorted({it.invalid_because for it in attempts if it.invalid_because})
    copies = len({it.region for it in view.operation.attempts}) < len(view.operation.attempts)
    if flaws:
        rule, looks_like = _rule_of(flaws), "B32" if "unknown-region" in flaws else ""
    else:
        rule, looks_like = Rule.OUTCOME, "B22" if copies else "B25"
    return view.violation(
        rule,
        "counted a region that had not arrived",
        f"was told {notification.body.outcome} at {clock(notification.at)} counting {listing(absent)},"
        f" which had not arrived{f' soundly ({listing(flaws)})' if flaws else ''}",
        records=[notification.index, *(index for it in attempts for index in it.records)],
        notification=notification,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _too_early(view: OperationView, generation: Generation, notification: Notification) -> Violation:
    bounds = generation.bounds
    woken = any(0 <= notification.at - it.sent.at <= view.tolerance for it in view.operation.attempts[1:])
    if bounds.timeout > _SHORT_TIMER_MS:
        looks_like = "B41 B37"
    elif view.allowances.fell(bounds.deadline_from - bounds.timeout, notification.at):
        looks_like = "B66"
    else:
        looks_like = "B34" if woken else "B67"
    early = format_duration(bounds.deadline_from - notification.at)
    return view.violation(
        Rule.DEADLINE,
        "timed out before the deadline",
        f"was told timed_out at {clock(notification.at)}, {early} before its deadline at"
        f" {_window(generation)}",
        records=[notification.index, *view.deciding(bounds.regions)],
        notification=notification,
        bounds=bounds,
        looks_like=looks_like,
    )


def _timed_out_though_complete(
    view: OperationView, generation: Generation, notification: Notification, named: Sequence[str]
) -> Violation:
    bounds = generation.bounds
    missing, complete_at = named or bounds.regions, bounds.complete_at
    why = (
        "its only region completes it"
        if complete_at == FOREVER
        else f"every region had counted by {clock(complete_at)}"
    )
    message = f"was told timed_out at {clock(notification.at)}, though {why}"
    if complete_at < FOREVER and view.allowances.sink_held(view.operation, complete_at, complete_at):
        kind, rule, looks_like = "an outage of the sink changed the outcome", Rule.ISOLATION, "B58"
        message += ", while a fault held the sink"
    else:
        kind, rule, looks_like = _lost(view, generation, notification, missing)
    return view.violation(
        rule,
        kind,
        message,
        records=[notification.index, *view.deciding(missing)],
        notification=notification,
        bounds=bounds,
        looks_like=looks_like,
    )


def _lost(
    view: OperationView, generation: Generation, notification: Notification, missing: Sequence[str]
) -> tuple[str, Rule, str]:
    """How arrivals that must have counted came to be missing: way, rule, and what that looks like."""
    bounds = generation.bounds
    since = min((bounds.must[region] for region in missing if region in bounds.must), default=FOREVER)
    if view.allowances.fell(since, notification.at):
        return "an acknowledged arrival was lost over a crash", Rule.ACKNOWLEDGEMENT, "B50"
    kind = "an acknowledged arrival was named missing"
    if len(missing) == len(bounds.regions):
        return kind, Rule.OUTCOME, "B10"
    starts = sorted(bounds.may.values())
    if any(later - earlier <= _RACE_MS for earlier, later in pairwise(starts)):
        return kind, Rule.OUTCOME, "B01 B04"
    if len(bounds.regions) - len(view.regions(notification.body.missing or ())) == 1:
        return kind, Rule.OUTCOME, "B19"
    return kind, Rule.OUTCOME, "B06"


def _wrong_missing(
    view: OperationView, generation: Generation, notification: Notification, missing: Sequence[str]
) -> Violation:
    bounds = generation.bounds
    acknowledged = [region for region in missing if region in bounds.must and not bounds.can_miss(region)]
    if acknowledged:
        kind, rule, looks_like = _lost(view, generation, notification, acknowledged)
        by = max(bounds.must[region] for region in acknowledged)
        message = f"names {listing(acknowledged)} missing, acknowledged by {clock(by)}"
        return view.violation(
            rule,
            kind,
            message,
            records=[notification.index, *view.deciding(acknowledged)],
            notification=notification,
            bounds=bounds,
            looks_like=looks_like,
        )
    arrived = [region for region in bounds.regions if region not in missing]
    if absent := [region for region in arrived if not bounds.can_arrive(region, notification.at)]:
        return _phantom(view, generation, notification, absent)
    return view.violation(
        Rule.OUTCOME,
        "no deadline explains the missing regions",
        f"was told timed_out at {clock(notification.at)}, and no deadline from {_window(generation)}"
        f" leaves just {listing(missing) if missing else 'no region'} missing",
        records=[notification.index, *view.deciding(bounds.regions)],
        notification=notification,
        bounds=bounds,
    )


def _window(generation: Generation) -> str:
    bounds = generation.bounds
    until = "" if bounds.deadline_until == FOREVER else f" to {clock(bounds.deadline_until)}"
    return clock(bounds.deadline_from) + until


def _told_again(view: OperationView, generation: Generation) -> Iterator[Violation]:
    """One outcome, one key, one content: the first notification that differs breaks it."""
    first = generation.notifications[0]
    for notification in generation.notifications[1:]:
        if not notification.repeats(first):
            yield _second_outcome(view, generation, first, notification)
            return


def _second_outcome(
    view: OperationView, generation: Generation, first: Notification, notification: Notification
) -> Violation:
    """Two notifications that are not repetitions of one another."""
    before, after = first.body.outcome, notification.body.outcome
    message = f"was told {before} at {clock(first.at)} and {after} at {clock(notification.at)}"
    if before != after:
        kind, rule, looks_like = "two outcomes", Rule.OUTCOME, "B36"
    elif notification.received.key != first.received.key:
        kind, rule = "one outcome under two keys", Rule.NOTIFICATION
        looks_like = "B43b" if after == "timed_out" else "B15"
        looks_like = "B52" if view.allowances.fell(first.at, notification.at) else looks_like
        message += f" under the keys {quoted(first.received.key)} and {quoted(notification.received.key)}"
    else:
        kind, rule, looks_like = "another content under the same key", Rule.NOTIFICATION, ""
        message += f" with another content under the same key, {quoted(notification.received.key)}"
    if late := _late_deliveries(view, first, notification):
        risen = notification.at >= min(late) + generation.bounds.timeout
        if risen or (before, after) == OUTCOMES[::-1]:
            kind, rule = "a late or repeated delivery had an outcome of its own", Rule.OUTCOME
            looks_like = "B44" if risen else "B47"
            message += f", after a delivery at {clock(min(late))} that should have changed nothing"
    return view.violation(
        rule,
        kind,
        message,
        records=[first.index, notification.index],
        notification=notification,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _late_deliveries(view: OperationView, first: Notification, notification: Notification) -> list[int]:
    """When deliveries were sent between two notifications, which only a memory tells from new ones."""
    return [
        it.sent.at
        for it in view.operation.attempts
        if it.counts is not False and first.at <= it.sent.at <= notification.at
    ]
