"""What it looks like that an arrival did not count, or that one counted which there was not."""

from collections.abc import Collection, Iterator
from itertools import pairwise

from fanin.harness.oracle.bounds import FOREVER, Bounds, is_late
from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.hints.alike import is_like_another
from fanin.harness.oracle.violation import OperationView
from fanin.simulator.wire import normalise_region

# Deliveries this close together race.
RACE_MS = 50
_SOON_MS = 2_000
_SPLIT_TIMER_MS = 3 * 86_400_000
_MINUTES_MS = 5 * 60_000


def of_lost_arrival(view: OperationView, bounds: Bounds, told: Notification, lost: Collection[str]) -> str:
    """The bugs that it looks like that these regions' acknowledged arrivals did not count."""
    firsts = _first_acknowledged(view, bounds)
    ordered = sorted(firsts.values(), key=lambda it: it.sent.at)
    missing = [it for it in ordered if it.region in lost]
    if any(is_of_other_regions(told, it) for it in view.operation.notifications):
        return "B20"
    if (hint := of_the_surroundings(view)) or not missing:
        return hint
    if any(it.sent.envelope for it in missing):
        return "B63"
    if view.allowances.died(min(it.ended_at for it in missing), told.at - 1):
        return _of_crash(view, bounds, ordered, missing, told)
    if told.body.missing == ():  # all had arrived for it, and the timer won
        return "B43" if ordered[-1].ended_at >= bounds.deadline_from - view.tolerance else ""
    return next(_of_the_instants(view, bounds, ordered, missing))


def is_of_other_regions(one: Notification, other: Notification) -> bool:
    """Whether two notifications name different regions as arrived: each delivery was an operation."""
    ours, theirs = (set(it.body.arrived or ()) for it in (one, other))
    return bool(ours and theirs) and not ours & theirs


def of_the_surroundings(view: OperationView) -> str:
    """What the scenario itself suggests: other settings, other ids, keys that are alike, replicas."""
    if _is_reconfigured_meanwhile(view):
        return "B29 B66"
    if is_like_another(view):
        return "B19"
    if any(len(set(it.ids.values())) > 1 for it in view.operation.events):
        return "B20"
    return "B26 B16" if view.evidence.scenario.replicas > 1 else ""


def _is_reconfigured_meanwhile(view: OperationView) -> bool:
    """Whether the configuration changed between the operation's beginning and its notification."""
    bounds, told = view.first.bounds, view.first.notifications[:1]
    until = told[0].at if told else bounds.decided_until
    later = view.evidence.config_periods[1:]
    return any(min(bounds.may.values(), default=FOREVER) <= period.since <= until for period in later)


def _first_acknowledged(view: OperationView, bounds: Bounds) -> dict[str, Attempt]:
    found: dict[str, Attempt] = {}
    for attempt in view.operation.attempts:
        if attempt.counts and attempt.region in bounds.regions:
            found.setdefault(attempt.region or "", attempt)
    return found


def _of_crash(
    view: OperationView, bounds: Bounds, ordered: list[Attempt], missing: list[Attempt], told: Notification
) -> str:
    reported_by = max(it.sent.at for it in ordered)
    if bounds.complete_at < FOREVER and not view.allowances.died(0, reported_by):
        return "B50 B35"
    if missing != ordered[:1]:
        return "B50"
    survived = (it for it in ordered[1:] if view.allowances.died(it.ended_at, told.at - 1))
    return "B11 B50" if any(survived) else "B50 B11"


def _of_the_instants(
    view: OperationView, bounds: Bounds, ordered: list[Attempt], missing: list[Attempt]
) -> Iterator[str]:
    opened_at = ordered[0].sent.at
    if any(_was_tried_before(it, view) for it in missing):
        yield "B17"
    if all(it.ended_at >= bounds.deadline_from - view.tolerance for it in missing):
        yield "B09 B43"
    if all(it.sent.at >= opened_at + _SPLIT_TIMER_MS for it in missing):
        yield "B37"
    yield from _of_the_order(view, bounds, ordered, missing)


def _of_the_order(
    view: OperationView, bounds: Bounds, ordered: list[Attempt], missing: list[Attempt]
) -> Iterator[str]:
    opened_at = ordered[0].sent.at
    if len(bounds.regions) == 1:
        yield "B05 B27"
    if len(missing) == len(bounds.regions):
        yield "B10"
    near = [it for it in view.operation.attempts if abs(it.sent.at - missing[0].sent.at) <= _SOON_MS]
    if len(near) >= 2 * len(bounds.regions):
        yield "B08"
    if any(_races(it, ordered) for it in missing):
        started = any(it.sent.at - opened_at <= RACE_MS for it in missing)
        yield "B01 B04 B06" if started else "B13 B23"
    if missing == ordered[:1]:
        yield "B05"
    if missing == ordered[1:] and len(missing) > 1:
        yield "B19"
    if all(it.sent.at - opened_at <= _SOON_MS for it in missing) and ordered[-1] not in missing:
        yield "B02"
    yield ""


def _was_tried_before(attempt: Attempt, view: OperationView) -> bool:
    """Whether an earlier attempt at the same delivery may have reached the aggregator, and failed."""
    return any(
        it.counts is None and it.region == attempt.region and it.sent.at < attempt.sent.at
        for it in view.operation.attempts
    )


def _races(attempt: Attempt, others: list[Attempt]) -> bool:
    near = (it for it in others if it is not attempt)
    return any(abs(it.sent.at - attempt.sent.at) <= RACE_MS for it in near)


def of_miscount(
    view: OperationView, generation: Generation, told: Notification, absent: Collection[str]
) -> str:
    """The bugs that it looks like that these regions counted, which had not arrived by then."""
    return next(_of_miscount(view, generation, told, absent))


def _of_miscount(
    view: OperationView, generation: Generation, told: Notification, absent: Collection[str]
) -> Iterator[str]:
    bounds = generation.bounds
    if _is_reconfigured_meanwhile(view):
        yield "B29"
    if not generation.first:
        yield "B07 B45"
    if is_like_another(view):
        yield "B19"
    if any(is_late(bounds.may.get(it, 0), deadline_until=bounds.deadline_until) for it in absent):
        yield "B47"
    if all(any(_begins_alike(it, other) for other in bounds.regions if other != it) for it in absent):
        yield "B32 B25"
    yield from _of_copies(view, told)
    yield "B31 B19" if _has_arrived_elsewhere(view, told, absent) else "B25"


def _begins_alike(one: str, other: str) -> bool:
    first, second = normalise_region(one), normalise_region(other)
    return first.startswith(second) or second.startswith(first)


def _of_copies(view: OperationView, told: Notification) -> Iterator[str]:
    """What a region's second attempt looks like if it counted for another region."""
    by_region: dict[str | None, list[Attempt]] = {}
    for attempt in view.operation.attempts:
        if attempt.counts is not False and attempt.sent.at <= told.at:
            by_region.setdefault(attempt.region, []).append(attempt)
    twice = [pair for attempts in by_region.values() for pair in pairwise(attempts)]
    for before, again in sorted(twice, key=lambda pair: -pair[1].sent.at):
        apart = again.sent.at - before.sent.at
        if view.allowances.died(before.sent.at, again.sent.at):
            yield "B16 B22"
        elif apart <= RACE_MS:
            yield "B15 B22"
        elif apart >= _MINUTES_MS:
            yield "B18 B22"
        else:
            yield "B20 B22" if again.sent.retry else "B22"


def _has_arrived_elsewhere(view: OperationView, told: Notification, absent: Collection[str]) -> bool:
    """Whether these regions had arrived for another operation with the same repository and tag."""
    images = {(it.repository, it.tag) for it in view.operation.events}
    others = (it for it in view.evidence.operations if it is not view.operation)
    return any(
        attempt.region in absent and attempt.sent.at <= told.at
        for other in others
        if images & {(it.repository, it.tag) for it in other.events}
        for attempt in other.attempts
    )
