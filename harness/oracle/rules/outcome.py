"""Clauses 3 and 4: which outcome an operation may have, when, and that it never has another."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Post
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.notification_body import OUTCOMES
from fanin.harness.oracle.text import clock, listing, quoted
from fanin.harness.oracle.violation import Charge, Hearing
from fanin.harness.verdict import Rule

# First deliveries this close together race for the start of their operation.
_RACE_MS = 50
# Delays in ms that do not fit 31 bits overflow in some timers.
_SHORT_TIMER_MS = 2**31 - 1


def check(hearing: Hearing) -> Iterator[Charge]:
    """Judge what the sink was told first, and whatever it was told afterwards."""
    for generation in hearing.generations:
        if generation.posts:
            yield from _first_told(hearing, generation)
            yield from _told_again(hearing, generation)


def _first_told(hearing: Hearing, generation: Generation) -> Iterator[Charge]:
    told, bounds = generation.posts[0], generation.bounds
    outcome = told.notice.outcome
    if outcome is None:
        return  # its content is wrong; there is no outcome to judge
    missing = hearing.regions(told.notice.missing or ())
    if not bounds.may:
        yield _out_of_nothing(hearing, told)
    elif outcome == "completed":
        if not bounds.allows((), told.at):
            yield _completed_wrongly(hearing, generation, told)
    elif told.at < bounds.deadline_from:
        yield _too_early(hearing, generation, told)
    elif "timed_out" not in bounds.legal:
        yield _timed_out_though_complete(hearing, generation, told, missing)
    # Regions that it names twice or not at all make its content wrong, whatever the others did.
    elif hearing.names_each_region_once(told) and not bounds.allows(missing, told.at):
        yield _wrong_missing(hearing, generation, told, missing)


def _out_of_nothing(hearing: Hearing, told: Post) -> Charge:
    """An outcome although no delivery can have counted."""
    case = hearing.case
    outcome = told.notice.outcome
    actions = {it.action for it in case.occurrences}
    if case.attempts and not any(it.wanted for it in case.attempts):
        rule, why = Rule.PING, f"its action, {listing(sorted(actions))}, starts nothing here"
    elif flaws := sorted({it.invalid_because for it in case.attempts if it.invalid_because}):
        rule, why = _rule_of(flaws), f"every delivery had to be refused: {listing(flaws)}"
    else:
        rule, why = Rule.OUTCOME, "no delivery can have counted"
    return hearing.charge(
        rule,
        "an outcome out of nothing",
        f"was told {outcome} at {clock(told.at)}, but {why}",
        records=[told.index, *(index for it in case.attempts for index in it.records)],
        told=told,
    )


def _rule_of(flaws: Sequence[str]) -> Rule:
    return Rule.EXPECTED_REGIONS if "unknown-region" in flaws else Rule.ACKNOWLEDGEMENT


def _completed_wrongly(hearing: Hearing, generation: Generation, told: Post) -> Charge:
    bounds = generation.bounds
    if absent := [region for region in bounds.regions if region not in bounds.may]:
        return _phantom(hearing, generation, told, absent)
    if early := [region for region in bounds.regions if bounds.may[region] > told.at]:
        first = max(bounds.may[region] for region in early)
        return hearing.charge(
            Rule.OUTCOME,
            "completed too early",
            f"was told completed at {clock(told.at)}, but {listing(early)} cannot have counted before"
            f" {clock(first)}",
            records=[told.index, *hearing.deciding(early)],
            told=told,
            bounds=bounds,
            looks_like="B25",
        )
    slid = hearing.excuses.fell(bounds.decided_from - bounds.timeout, told.at)
    late = [region for region in bounds.regions if bounds.may[region] > bounds.deadline_until]
    return hearing.charge(
        Rule.DEADLINE,
        "completed after the deadline",
        f"was told completed at {clock(told.at)}, though {listing(late or bounds.regions)} came after"
        f" the deadline at {_window(generation)}",
        records=[told.index, *hearing.deciding(bounds.regions)],
        told=told,
        bounds=bounds,
        looks_like="B39" if slid else "B33",
    )


def _phantom(hearing: Hearing, generation: Generation, told: Post, absent: Sequence[str]) -> Charge:
    """A region was counted that cannot have counted by then."""
    attempts = [it for it in hearing.case.attempts if it.home in absent]
    flaws = sorted({it.invalid_because for it in attempts if it.invalid_because})
    copies = len({it.region for it in hearing.case.attempts}) < len(hearing.case.attempts)
    if flaws:
        rule, looks_like = _rule_of(flaws), "B32" if "unknown-region" in flaws else ""
    else:
        rule, looks_like = Rule.OUTCOME, "B22" if copies else "B25"
    return hearing.charge(
        rule,
        "counted a region that had not arrived",
        f"was told {told.notice.outcome} at {clock(told.at)} counting {listing(absent)},"
        f" which had not arrived{f' soundly ({listing(flaws)})' if flaws else ''}",
        records=[told.index, *(index for it in attempts for index in it.records)],
        told=told,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _too_early(hearing: Hearing, generation: Generation, told: Post) -> Charge:
    bounds = generation.bounds
    woken = any(0 <= told.at - it.sent.at <= hearing.tolerance for it in hearing.case.attempts[1:])
    if bounds.timeout > _SHORT_TIMER_MS:
        looks_like = "B41 B37"
    elif hearing.excuses.fell(bounds.deadline_from - bounds.timeout, told.at):
        looks_like = "B66"
    else:
        looks_like = "B34" if woken else "B67"
    return hearing.charge(
        Rule.DEADLINE,
        "timed out before the deadline",
        f"was told timed_out at {clock(told.at)}, {clock(bounds.deadline_from - told.at)}"
        f" before its deadline at {_window(generation)}",
        records=[told.index, *hearing.deciding(bounds.regions)],
        told=told,
        bounds=bounds,
        looks_like=looks_like,
    )


def _timed_out_though_complete(
    hearing: Hearing, generation: Generation, told: Post, named: Sequence[str]
) -> Charge:
    bounds = generation.bounds
    missing, complete_at = named or bounds.regions, bounds.complete_at
    why = (
        "its only region completes it"
        if complete_at == FOREVER
        else f"every region had counted by {clock(complete_at)}"
    )
    what = f"was told timed_out at {clock(told.at)}, though {why}"
    if complete_at < FOREVER and hearing.excuses.sink_held(hearing.case, complete_at, complete_at):
        way, rule, looks_like = "an outage of the sink changed the outcome", Rule.ISOLATION, "B58"
        what += ", while a fault held the sink"
    else:
        way, rule, looks_like = _lost(hearing, generation, told, missing)
    return hearing.charge(
        rule,
        way,
        what,
        records=[told.index, *hearing.deciding(missing)],
        told=told,
        bounds=bounds,
        looks_like=looks_like,
    )


def _lost(
    hearing: Hearing, generation: Generation, told: Post, missing: Sequence[str]
) -> tuple[str, Rule, str]:
    """How arrivals that must have counted came to be missing: way, rule, and what that looks like."""
    bounds = generation.bounds
    since = min((bounds.must[region] for region in missing if region in bounds.must), default=FOREVER)
    if hearing.excuses.fell(since, told.at):
        return "an acknowledged arrival was lost over a crash", Rule.ACKNOWLEDGEMENT, "B50"
    way = "an acknowledged arrival was named missing"
    if len(missing) == len(bounds.regions):
        return way, Rule.OUTCOME, "B10"
    starts = sorted(bounds.may.values())
    if any(later - earlier <= _RACE_MS for earlier, later in pairwise(starts)):
        return way, Rule.OUTCOME, "B01 B04"
    if len(bounds.regions) - len(hearing.regions(told.notice.missing or ())) == 1:
        return way, Rule.OUTCOME, "B19"
    return way, Rule.OUTCOME, "B06"


def _wrong_missing(hearing: Hearing, generation: Generation, told: Post, missing: Sequence[str]) -> Charge:
    bounds = generation.bounds
    acknowledged = [region for region in missing if region in bounds.must and not bounds.can_miss(region)]
    if acknowledged:
        way, rule, looks_like = _lost(hearing, generation, told, acknowledged)
        by = max(bounds.must[region] for region in acknowledged)
        what = f"names {listing(acknowledged)} missing, acknowledged by {clock(by)}"
        return hearing.charge(
            rule,
            way,
            what,
            records=[told.index, *hearing.deciding(acknowledged)],
            told=told,
            bounds=bounds,
            looks_like=looks_like,
        )
    arrived = [region for region in bounds.regions if region not in missing]
    if absent := [region for region in arrived if not bounds.can_arrive(region, told.at)]:
        return _phantom(hearing, generation, told, absent)
    return hearing.charge(
        Rule.OUTCOME,
        "no deadline explains the missing regions",
        f"was told timed_out at {clock(told.at)}, and no deadline from {_window(generation)} leaves just"
        f" {listing(missing) if missing else 'no region'} missing",
        records=[told.index, *hearing.deciding(bounds.regions)],
        told=told,
        bounds=bounds,
    )


def _window(generation: Generation) -> str:
    bounds = generation.bounds
    until = "" if bounds.deadline_until == FOREVER else f" to {clock(bounds.deadline_until)}"
    return clock(bounds.deadline_from) + until


def _told_again(hearing: Hearing, generation: Generation) -> Iterator[Charge]:
    """One outcome, one key, one content: the first notification that differs breaks it."""
    first = generation.posts[0]
    for post in generation.posts[1:]:
        if not post.repeats(first):
            yield _second_outcome(hearing, generation, first, post)
            return


def _second_outcome(hearing: Hearing, generation: Generation, first: Post, post: Post) -> Charge:
    """Two notifications that are not repetitions of one another."""
    before, after = first.notice.outcome, post.notice.outcome
    told = f"was told {before} at {clock(first.at)} and {after} at {clock(post.at)}"
    if before != after:
        way, rule, looks_like = "two outcomes", Rule.OUTCOME, "B36"
    elif post.received.key != first.received.key:
        way, rule = "one outcome under two keys", Rule.NOTIFICATION
        looks_like = "B43b" if after == "timed_out" else "B15"
        looks_like = "B52" if hearing.excuses.fell(first.at, post.at) else looks_like
        told += f" under the keys {quoted(first.received.key)} and {quoted(post.received.key)}"
    else:
        way, rule, looks_like = "another content under the same key", Rule.NOTIFICATION, ""
        told += f" with another content under the same key, {quoted(post.received.key)}"
    if late := _late_deliveries(hearing, first, post):
        risen = post.at >= min(late) + generation.bounds.timeout
        if risen or (before, after) == OUTCOMES[::-1]:
            way, rule = "a late or repeated delivery had an outcome of its own", Rule.OUTCOME
            looks_like = "B44" if risen else "B47"
            told += f", after a delivery at {clock(min(late))} that should have changed nothing"
    return hearing.charge(
        rule,
        way,
        told,
        records=[first.index, post.index],
        told=post,
        bounds=generation.bounds,
        looks_like=looks_like,
    )


def _late_deliveries(hearing: Hearing, first: Post, post: Post) -> list[int]:
    """When deliveries were sent between two notifications, which only a memory tells from new ones."""
    return [
        it.sent.at
        for it in hearing.case.attempts
        if it.counts is not False and first.at <= it.sent.at <= post.at
    ]
