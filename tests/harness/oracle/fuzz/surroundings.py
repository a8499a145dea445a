"""What surrounds a right aggregator in a history that is drawn: its outages, the sink's faults, the clock.

Instants are ms since the scenario's start.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from msgspec import structs

from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import (
    SinkDown,
    SinkFault,
    SinkHangs,
    SinkLosesResponse,
    SinkRefuses,
    SinkStalls,
)

TOLERANCE_MS, START_GRACE_MS, REDELIVERY_GRACE_MS = 1_000, 5_000, 600_000
FAILOVER_GRACE_MS = 30_000
# Between two outages; long enough for whatever a request or a notification does in between.
CALM_MS = 40_000


# Of the starts of a single process: how many have another timeout, or other regions.
_RECONFIGURED = 0.4
# Of the starts after an outage: how many fail before one succeeds.
_FAILS_FIRST = 0.2

# How a sink may refuse, and how many of its faults last longer than anything has to be sent.
_REFUSALS = (301, 304, 400, 401, 404, 410, 413, 429, 500, 502, 503)
_FOR_DAYS, LONGEST_MS = 0.01, 4 * 86_400_000

# How long an aggregator may take to answer.
WORKS, PROMPT, SLOW = (0, 1, 4, 700, 3_000), (0, 1, 4), (3_000, 3_100)
_STALLED = 0.06  # how many sinks keep every notification waiting

type Reason = Literal["crash", "stop", "pause"]
_REASONS: tuple[Reason, ...] = ("crash", "crash", "stop", "pause")


class Down(NamedTuple):
    """An outage. It is up again at the instant ``up``."""

    down: int
    up: int
    reason: Reason
    replica: int = 0  # from 1, of two; never are both down
    # What it is configured with from then on; empty and None: the same as before.
    timeout: int | None = None
    expects: tuple[str, ...] = ()
    took: int = 0  # how long the start took that ended it
    failed: tuple[int, ...] = ()  # when a start before that one failed


@dataclass
class Surroundings:
    """Everything that is drawn before the aggregator does anything."""

    rng: random.Random
    all_regions: tuple[str, ...]
    regions: tuple[str, ...]  # those that are configured at first
    timeout: int
    ops: tuple[str, ...]
    latest: int  # until when deliveries are sent
    replicas: int = 1
    works: tuple[int, ...] = WORKS  # how long it may take to answer
    stalled: bool = False  # whether the sink keeps every notification waiting
    outages: list[Down] = field(default_factory=list)
    sink_faults: list[SinkFault] = field(default_factory=list)
    other_faults: list[Fault] = field(default_factory=list)
    lost_responses: dict[int, int] = field(default_factory=dict)  # by fault: how many it has lost

    @property
    def faults(self) -> tuple[Fault, ...]:
        """As the scenario plans them; ``sink_faults`` has the instants at which they begin and end."""
        return (*map(self._as_planned, self.sink_faults), *self.other_faults)

    def _as_planned(self, fault: SinkFault) -> SinkFault:
        until = None if fault.until is None else self._planned(fault.until)
        return structs.replace(fault, since=self._planned(fault.since), until=until)

    def _planned(self, at: int) -> int:
        """The scenario's own time, which stands still during a start."""
        return at - sum(min(at, end) - begin for begin, end in self._starts() if begin < at)

    def snapped(self, at: int) -> int:
        """The instant, or the beginning of the start that it lies in, during which no time passes."""
        return next((begin for begin, end in self._starts() if begin < at <= end), at)

    def _starts(self) -> Iterator[tuple[int, int]]:
        return ((it.up - it.took, it.up) for it in self.outages if it.reason != "pause")

    @property
    def timeouts(self) -> list[int]:
        """All that are configured, one after the other."""
        return [self.timeout, *(it.timeout for it in self.outages if it.timeout is not None)]

    def timeout_at(self, at: int) -> int:
        """The timeout that is configured at an instant."""
        known = [it.timeout for it in self.outages if it.up <= at and it.timeout is not None]
        return known[-1] if known else self.timeout

    @cached_property
    def configured(self) -> list[tuple[int, int, frozenset[str]]]:
        """The regions that are configured: since when, until when, which; outages count for both."""
        found, since, regions = [], -1, frozenset(self.regions)
        for it in self.outages:
            if it.expects:
                found.append((since, it.up, regions))
                since, regions = it.down, frozenset(it.expects)
        return [*found, (since, 1 << 60, regions)]

    @cached_property
    def always(self) -> tuple[str, ...]:
        """The regions that are configured all the time."""
        return tuple(it for it in self.regions if all(it in regions for _, _, regions in self.configured))

    def regions_at(self, at: int) -> tuple[str, ...]:
        """The regions that are configured at an instant."""
        known = [it.expects for it in self.outages if it.up <= at and it.expects]
        return known[-1] if known else self.regions

    def ever_configured(self, region: str, since: int, until: int) -> bool:
        """Whether a region may have been configured at any instant of an interval."""
        return any(
            begin <= until and since <= end and region in regions for begin, end, regions in self.configured
        )

    def outage_at(self, at: int, replica: int = 0) -> Down | None:
        """The outage that holds at an instant: from its beginning, but not at the instant of the start."""
        return next((it for it in self._of(replica) if it.down <= at < it.up), None)

    def outage_from(self, since: int, until: int, replica: int = 0) -> Down | None:
        """The first outage that begins in this interval, both ends in."""
        return next((it for it in self._of(replica) if since <= it.down <= until), None)

    def _of(self, replica: int) -> Iterator[Down]:
        """The outages of one replica; 0: of all."""
        return (it for it in self.outages if replica in (0, it.replica))

    def acts_at(self, at: int) -> int:
        """When what was to be done at an instant is done: then, or within the grace after the next start.

        One of two replicas may need a while until it does the other one's work.
        """
        if self.replicas > 1:
            outage = self.outage_at(at)
            noticed = at if outage is None else min(outage.up, outage.down + FAILOVER_GRACE_MS)
            return self.rng.randint(at, noticed + START_GRACE_MS) if noticed > at else at
        while (outage := self.outage_at(at)) is not None:
            if outage.took and self.rng.random() < 0.3:
                return self.rng.randint(max(at, outage.up - outage.took), outage.up)  # it runs, and starts
            at = outage.up + self.rng.randint(0, START_GRACE_MS)
        return at

    def fails_at(self, at: int, op: str) -> bool:
        """Whether a fault that keeps notifications from being accepted holds the sink."""
        return any(
            it.delays_notifications and it.since <= at and (it.until or at) >= at and it.about in ("", op)
            for it in self.sink_faults
        )

    def sink_fault_at(self, at: int, op: str) -> SinkFault | None:
        """The first fault that holds the sink for this operation's notifications."""
        for index, fault in enumerate(self.sink_faults):
            active = fault.since <= at and (fault.until is None or at < fault.until)
            if not active or fault.about not in ("", op):
                continue
            if fault.times_max is not None:
                if self.lost_responses.get(index, 0) >= fault.times_max:
                    continue
                self.lost_responses[index] = self.lost_responses.get(index, 0) + 1
            return fault
        return None


def drawn(rng: random.Random) -> Surroundings:
    """Regions, timeout, operations, and what goes wrong around them."""
    names = ["northeurope", "westeurope", "eastus", "eastus2", "Brazil South", "westus", "uk", "é"]
    rng.shuffle(names)
    timeout = rng.choice((2_000, 20_000, 120_000, 120_000, 3_600_000, 3 * 86_400_000))
    ops = tuple(f"op{n}" for n in range(1, rng.randint(1, 4) + 1))
    latest = round(timeout * rng.choice((0.3, 1.2, 1.2, 3)))
    regions = tuple(names[: rng.randint(1, 5)])
    known = tuple(names[: len(regions) + rng.choice((0, 0, 1, 2))])
    around = Surroundings(rng, known, regions, timeout, ops, latest, rng.choice((1, 1, 1, 2)))
    around.works = rng.choice((WORKS, WORKS, PROMPT, SLOW))
    if rng.random() < _STALLED:
        _draw_stalled(around)
        return around
    _draw_outages(around)
    _draw_sink_faults(around)
    return around


def _draw_stalled(around: Surroundings) -> None:
    """A sink that keeps every notification waiting, and nothing else in the way."""
    rng = around.rng
    around.stalled = True
    around.works = rng.choice((WORKS, PROMPT, PROMPT, PROMPT, SLOW))
    around.ops = tuple(f"op{n}" for n in range(1, rng.randint(4, 7) + 1))
    around.latest = round(around.timeout * 0.3)
    lasts = 2 * (around.latest + around.timeout)
    around.sink_faults.append(SinkStalls(0, lasts, "", by=rng.choice((1_500, 3_000, 3_000, 8_000))))


def _draw_outages(around: Surroundings) -> None:
    rng, at = around.rng, 0
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        at += rng.randint(CALM_MS, CALM_MS + around.timeout + around.latest)
        lasts = rng.choice((1, 500, 5_000, 90_000, around.timeout + 7_000))
        replica = rng.randint(1, 2) if around.replicas > 1 else 0
        reason, timeout = rng.choice(_REASONS), None
        expects: tuple[str, ...] = ()
        if reason != "pause" and not replica and rng.random() < _RECONFIGURED:
            timeout = max(1_000, round(around.timeout * rng.choice((0.3, 0.5, 2, 3))))
        if reason != "pause" and not replica and rng.random() < _RECONFIGURED:
            expects = tuple(rng.sample(around.all_regions, rng.randint(1, len(around.all_regions))))
        took, failed = 0, tuple[int, ...]()
        if reason != "pause":
            took = rng.choice((0, min(60_000, lasts), rng.randint(0, min(60_000, lasts))))
            if rng.random() < _FAILS_FIRST and took < lasts:
                failed = tuple(
                    sorted(rng.randint(at + 1, at + lasts - took) for _ in range(rng.randint(1, 2)))
                )
        around.outages.append(Down(at, at + lasts, reason, replica, timeout, expects, took, failed))
        at += lasts


def _draw_sink_faults(around: Surroundings) -> None:
    rng = around.rng
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        since = around.snapped(rng.choice((0, rng.randint(0, around.latest + around.timeout))))
        lasts = rng.choice((1, 30_000, 700_000, around.timeout + 9_000))
        until = around.snapped(since + (LONGEST_MS if rng.random() < _FOR_DAYS else lasts))
        about = rng.choice(("", rng.choice(around.ops)))
        around.sink_faults.append(
            rng.choice(
                (
                    SinkRefuses(since, until, about, status=rng.choice(_REFUSALS)),
                    SinkHangs(since, until, about),
                    SinkStalls(since, until, about, by=rng.choice((300, 3_000, 45_000))),
                    SinkLosesResponse(since, None, about, times=rng.randint(1, 3)),
                    SinkDown(since, until),
                )
            )
        )
