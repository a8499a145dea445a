"""When an operation's deadline may lie, and which outcomes that makes legal (contract, clauses 3, 4 and 10).

A region's arrival was committed in an interval: at the earliest when an attempt that may have counted was
sent, at the latest when one was acknowledged; without an acknowledgement perhaps never. The operation started
at the earliest of those commits; its deadline is one timeout later. An outcome is legal if some choice of
commits inside the intervals leads to it. At the deadline's very instant both outcomes are legal.
"""

from collections.abc import Collection, Iterable
from itertools import chain
from math import exp
from typing import Literal

import msgspec

from fanin.harness.oracle.evidence import Attempt
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.shapes import Delay

# Later than everything, and still an int: an unbounded end needs no second type.
FOREVER = 1 << 62
# So long after an outcome it is remembered at least (contract, clause 6).
RETENTION_MS = 7 * 86_400_000
# So many standard deviations above the middle, a normal distribution has a thousand-millionth of its draws.
_DEVIATIONS = 6

type Outcome = Literal["completed", "timed_out", "none"]


def is_late(at: int, *, deadline_until: int | None, notified_at: int | None = None) -> bool:
    """Whether an arrival that was committed at this instant or afterwards is certainly late.

    It came after the deadline or after the outcome (contract, clauses 4 and 6). The deadline's window is
    closed: an arrival committed at its very end is not late. Neither is one committed at the instant at which
    the sink read the outcome: which came first cannot be seen.

    Args:
        at: The earliest instant at which it can have been committed; for an attempt, when it was sent.
        deadline_until: The end of the window in which the deadline lies; None or FOREVER when it has no end.
        notified_at: When the sink read the first notification; None when it read none.
    """
    return any(limit is not None and at > limit for limit in (deadline_until, notified_at))


def is_on_time(by: int, *, deadline_from: int | None) -> bool:
    """Whether an arrival that was committed by this instant is certainly on time.

    At the very instant of the deadline it is neither on time nor late: either outcome is right (clause 4).

    Args:
        by: The latest instant at which it can have been committed; for an attempt, when it was acknowledged.
        deadline_from: The start of the window in which the deadline lies; None or FOREVER when there is none.
    """
    return deadline_from is None or by < deadline_from


class Bounds(msgspec.Struct, frozen=True):
    """One operation's intervals and what follows from them. Instants in ms since the scenario's start."""

    regions: tuple[str, ...]  # those expected
    timeout: int
    # By region: the earliest instant at which it may have counted; absent: it cannot have.
    may: dict[str, int]
    # By region: the instant by which it certainly had counted; absent: perhaps it never did.
    must: dict[str, int]
    deadline_from: int  # both ends are in; FOREVER when the operation never started
    deadline_until: int  # FOREVER when it perhaps never started
    legal: tuple[Outcome, ...]

    def allows(self, missing: Collection[str], notified_at: int) -> bool:
        """Whether an outcome that names exactly these regions missing can be right; none: completed."""
        starts = self._starts(missing)
        if starts is None:
            return False
        earliest, latest = starts
        if missing:
            return earliest <= min(latest, notified_at - self.timeout)
        return earliest <= latest and max(self.may.values()) <= notified_at

    def due(self, missing: Collection[str]) -> int:
        """By when an allowed outcome that names exactly these regions missing must have been sent."""
        _, latest = self._starts(missing) or (FOREVER, FOREVER)
        deadline = min(FOREVER, latest + self.timeout)
        return deadline if missing else min(deadline, self.complete_at)

    def _starts(self, missing: Collection[str]) -> tuple[int, int] | None:
        """The earliest and the latest start from which exactly these regions come to be missing.

        From a start ``s`` all others were committed in [s, s + timeout], and no missing one before
        s + timeout. None when a region that is not missing cannot have counted, or when all are missing.
        """
        arrived = [region for region in self.regions if region not in missing]
        if not arrived or not all(region in self.may for region in arrived):
            return None
        first, last = (pick(self.may[region] for region in arrived) for pick in (min, max))
        started = (self.must[region] for region in arrived if region in self.must)
        passed = (self.must[region] - self.timeout for region in missing if region in self.must)
        return max(first, last - self.timeout), min(chain(started, passed), default=FOREVER)

    def can_miss(self, region: str) -> bool:
        """Whether the deadline may have passed without this region, whose own arrival cannot start it."""
        start = min((at for other, at in self.may.items() if other != region), default=FOREVER)
        return start < FOREVER and self.must.get(region, FOREVER) >= start + self.timeout

    def can_arrive(self, region: str, notified_at: int) -> bool:
        """Whether this region may have counted by the deadline, and by this notification."""
        may = self.may.get(region, FOREVER)
        return not is_late(may, deadline_until=self.deadline_until, notified_at=notified_at)

    @property
    def decided_from(self) -> int:
        """The earliest instant at which an outcome can have been decided; FOREVER when none can."""
        if "completed" in self.legal:
            return min(self.deadline_from, max(self.may.values()))
        return self.deadline_from

    @property
    def complete_at(self) -> int:
        """By when every region had certainly counted; FOREVER when not all did."""
        return max(self.must.values()) if len(self.must) == len(self.regions) else FOREVER

    @property
    def decided_until(self) -> int:
        """By when some outcome must have been decided; FOREVER when perhaps none was due."""
        return min(self.deadline_until, self.complete_at)


def forgotten_from(bounds: Bounds) -> int:
    """From when the key of an operation may name another one; FOREVER when it can have no outcome."""
    return min(FOREVER, bounds.decided_from + RETENTION_MS)


def bounds_of(
    attempts: Iterable[Attempt],
    scenario: Scenario,
    *,
    clock_drift: int = 0,
    since: int = -FOREVER,
    certain: frozenset[int] | None = None,
) -> Bounds:
    """Derive one operation's bounds from the attempts that carry its key.

    Args:
        attempts: In any order; those that cannot count are left out.
        scenario: Which regions are expected, and the timeout.
        clock_drift: How far the aggregator's clock may stray from the one that stamped the attempts, in ms;
            every interval is so much wider at both ends.
        since: Nothing can have counted before.
        certain: Indices of the acknowledged attempts that cannot have counted for an earlier operation
            with the same key (`fanin.harness.oracle.generations`); by default all.
    """
    may: dict[str, int] = {}
    must: dict[str, int] = {}
    for attempt in attempts:
        region = attempt.region
        if attempt.counts is False or region not in scenario.regions:
            continue
        may[region] = min(max(attempt.sent.at, since) - clock_drift, may.get(region, FOREVER))
        if attempt.counts and (certain is None or attempt.index in certain):
            must[region] = min(attempt.ended_at + clock_drift, must.get(region, FOREVER))
    return with_legal(configured_bounds(scenario.regions, scenario.timeout, may, must))


def possible_bounds(regions: tuple[str, ...], timeout: int, may: dict[str, int]) -> Bounds:
    """The bounds of what began at one of these instants, by region; none is certain to have counted."""
    return with_legal(configured_bounds(regions, timeout, may, {}))


def configured_bounds(
    regions: tuple[str, ...], timeout: int, may: dict[str, int], must: dict[str, int]
) -> Bounds:
    """The bounds that follow from these intervals, without the outcomes that are legal."""
    started_from, started_until = (min(known.values(), default=FOREVER) for known in (may, must))
    return Bounds(
        regions,
        timeout,
        may,
        must,
        min(FOREVER, started_from + timeout),
        min(FOREVER, started_until + timeout),
        (),
    )


def with_legal(bounds: Bounds) -> Bounds:
    """The bounds with the outcomes that follow from them."""
    return msgspec.structs.replace(bounds, legal=_legal(bounds))


def _legal(bounds: Bounds) -> tuple[Outcome, ...]:
    legal: list[Outcome] = []
    if bounds.allows((), FOREVER):
        legal.append("completed")
    if any(bounds.can_miss(region) for region in bounds.regions):
        legal.append("timed_out")
    if not bounds.must:
        legal.append("none")
    return tuple(legal)


def longest_ms(delay: Delay) -> int:
    """How long one way may take; of a distribution without an end, what almost every draw stays below."""
    if delay.median is not None:
        return round(delay.median * exp(_DEVIATIONS * delay.sigma))
    return max(delay.fixed or 0, delay.max or 0)
