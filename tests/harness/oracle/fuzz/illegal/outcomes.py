"""Wrong outcomes, and right ones at a wrong time."""

import random

from msgspec.structs import replace

from fanin.harness.history import NotificationReceived, RegistryEvent
from tests.harness.oracle.fuzz.illegal.seen import (
    FOREVER,
    Change,
    Entries,
    is_calm,
    moved,
    some_told,
    with_body,
    with_extra,
    without,
)
from tests.harness.oracle.fuzz.model import RETENTION_MS, LegalRun
from tests.harness.oracle.fuzz.surroundings import FAILOVER_GRACE_MS, START_GRACE_MS, TOLERANCE_MS


def reported_without_an_arrival(run: LegalRun, rng: random.Random) -> Entries | None:
    """A region is named arrived that sent nothing which may have counted."""
    if (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    absent = {*truth.regions} - {sent.region for sent, _ in seen.possible(truth)}
    if not absent or truth.outcome != "timed_out":
        return None
    counted = rng.choice(sorted(absent))
    missing = [it for it in truth.missing if it != counted]
    arrived = [it for it in truth.regions if it not in missing]
    outcome = "timed_out" if missing else "completed"
    return with_body(run, told, outcome=outcome, missing=missing, arrived=arrived)


def arrival_forgotten(run: LegalRun, rng: random.Random) -> Entries | None:
    """A region is named missing that was certainly committed before any possible deadline."""
    if (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    earliest_deadline = seen.possible_from(truth) + min(run.around.timeouts) - 2 * run.drift
    certain = [it for it in truth.regions if seen.certain_by(truth, it) < earliest_deadline]
    if not certain:
        return None
    missing = [*truth.missing, rng.choice(certain)]
    arrived = [it for it in truth.regions if it not in missing]
    return with_body(run, told, outcome="timed_out", missing=missing, arrived=arrived)


def never_reported(run: LegalRun, rng: random.Random) -> Entries | None:
    """An operation that certainly began has no notification."""
    if (found := some_told(run, rng)) is None:
        return None
    seen, truth, _ = found
    if all(seen.certain_by(truth, it) == FOREVER for it in truth.regions):
        return None
    all_told = [it for it in run.entries if isinstance(it, NotificationReceived) and it.op == truth.event.op]
    return without(run, seen, all_told)


def reported_too_early(run: LegalRun, rng: random.Random) -> Entries | None:
    """A timeout before the earliest deadline that is possible."""
    if (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    first, began = told[0], seen.possible_from(truth)
    last = began + min(run.around.timeouts) - 2 * run.drift - 1
    if truth.outcome != "timed_out":
        return None
    at = rng.randint(began, last)
    return moved(run, seen, first, at) if at < first.at else None


def reported_by_a_later_timeout(run: LegalRun, rng: random.Random) -> Entries | None:
    """At the deadline that it would have with a shorter timeout, which is configured since it began."""
    if (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    began = seen.possible_from(truth)
    own = run.around.timeout_at(began)
    shorter = [it.timeout for it in run.around.outages if it.timeout and it.up > began and it.timeout < own]
    certain = min(seen.certain_by(truth, it) for it in truth.regions)
    if truth.outcome != "timed_out" or not shorter or run.around.timeout_at(certain) != own:
        return None
    at = began + rng.choice(shorter)
    return moved(run, seen, told[0], at) if at < told[0].at else None


def reported_too_late(run: LegalRun, rng: random.Random) -> Entries | None:
    """Nothing is in the way, and it comes later than the tolerance after it was certainly due."""
    # With a successor, what was not acknowledged may have begun the one operation or the other.
    if not is_calm(run) or run.successors or (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    certain = [seen.certain_by(truth, it) for it in truth.regions]
    due = min(min(certain) + run.around.timeout, max(certain))
    if min(certain) == FOREVER or len(told) > 1:
        return None
    return moved(run, seen, told[0], due + TOLERANCE_MS + 2 * run.drift + rng.choice((1, 1, 500, 100_000)))


def a_second_outcome(run: LegalRun, rng: random.Random) -> Entries | None:
    """Another outcome follows, before the retention is over."""
    if run.successors or (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    first, region = told[0], rng.choice(truth.regions)
    completes = truth.outcome == "timed_out"
    fields = {
        "outcome": "completed" if completes else "timed_out",
        "missing": [] if completes else [region],
        "arrived": [it for it in truth.regions if completes or it != region],
    }
    key = rng.choice((first.key, f"{first.key}-other"))
    at = told[-1].at + rng.randint(1, RETENTION_MS // 2)
    if at >= seen.possible_from(truth) + RETENTION_MS - run.drift:
        return None
    return with_extra(run, replace(first, at=at, key=key, body={**(first.body or {}), **fields}))


def a_ping_is_reported(run: LegalRun, rng: random.Random) -> Entries | None:
    """What starts no operation has an outcome."""
    pings = [it.event for it in run.truths if not it.awaited]
    if not pings:
        return None
    event: RegistryEvent = rng.choice(pings)
    body = {
        "id": next(iter(event.ids.values())), "outcome": "timed_out", "action": event.action,
        "repository": event.repository, "tag": event.tag, "digest": event.digest,
        "arrived": run.around.regions[:1], "missing": run.around.regions[1:],
    }  # fmt: skip
    return with_extra(run, NotificationReceived(event.at + run.around.timeout, 0, "key-x", body, event.op))


def lost_from_a_batch(run: LegalRun, rng: random.Random) -> Entries | None:
    """A region is named missing that was in time, with other events in one request that was answered 2xx."""
    if (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    earliest_deadline = seen.possible_from(truth) + min(run.around.timeouts) - 2 * run.drift
    lost = {
        sent.region
        for sent, ended in seen.possible(truth)
        if sent.envelope and ended.status in range(200, 300) and ended.at < earliest_deadline
    }
    lost &= {*truth.arrivals}
    if not lost:
        return None
    missing = [*truth.missing, rng.choice(sorted(lost))]
    arrived = [it for it in truth.regions if it not in missing]
    return with_body(run, told, outcome="timed_out", missing=missing, arrived=arrived)


def reported_when_the_timer_began_anew(run: LegalRun, rng: random.Random) -> Entries | None:
    """One timeout after a restart, and not after the first arrival."""
    if run.around.sink_faults or run.successors or (found := some_told(run, rng)) is None:
        return None
    seen, truth, told = found
    certain = min(seen.certain_by(truth, it) for it in truth.regions)
    due, outages = certain + max(run.around.timeouts) + run.drift, run.around.outages
    if run.around.replicas > 1:
        # What a replica had claimed when it went down may come later by as much.
        due = max([due, *(it.down + FAILOVER_GRACE_MS + START_GRACE_MS for it in outages)])
    if truth.outcome != "timed_out" or not outages or len(told) > 1 or outages[-1].up < certain:
        return None
    at = outages[-1].up + max(run.around.timeouts)
    if outages[-1].up + START_GRACE_MS >= due - max(run.around.timeouts) + min(run.around.timeouts):
        return None
    return moved(run, seen, told[0], at) if at > due + TOLERANCE_MS + run.drift else None


def another_configuration(run: LegalRun, rng: random.Random) -> Entries | None:
    """It names the regions that were configured at another time than when it began."""
    if (found := some_told(run, rng)) is None:
        return None
    _, truth, told = found
    others = [regions for _, _, regions in run.around.configured if regions != {*truth.regions}]
    if not others:
        return None
    regions = sorted(rng.choice(others))
    arrived = [it for it in regions if it in truth.arrivals]
    missing = [it for it in regions if it not in arrived]
    outcome = "timed_out" if missing else "completed"
    return with_body(run, told, outcome=outcome, arrived=arrived, missing=missing)


CHANGES: tuple[Change, ...] = (
    reported_without_an_arrival,
    arrival_forgotten,
    never_reported,
    reported_too_early,
    reported_by_a_later_timeout,
    reported_too_late,
    a_second_outcome,
    a_ping_is_reported,
    lost_from_a_batch,
    reported_when_the_timer_began_anew,
    another_configuration,
)
