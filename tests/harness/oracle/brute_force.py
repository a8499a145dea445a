"""A second judge, for one operation: it tries every instant at which each delivery may have counted.

Slow, small, and written from the contract alone, so that a mistake in the real judge's arithmetic is not made
twice. It knows no crashes and no faults of the sink.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from fanin.harness.history import History
from fanin.simulator.faults.transport import LoseResponse
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    Line,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
)

REGIONS = (EAST, WEST, NORTH)
TIMEOUT_MS, TOLERANCE_MS = 10, 2
# How late the last delivery is sent, and the first notification.
SENT_MS_MAX, REPORTED_MS_MAX = 24, 40
NEVER = 10**6


class Delivery(NamedTuple):
    """One attempt: acknowledged after so long, or with an answer that never came."""

    region: str
    sent_ms: int
    acknowledged_ms: int | None


class Reported(NamedTuple):
    """What the sink read, once."""

    at_ms: int
    missing: frozenset[str]  # empty: completed


class World(NamedTuple):
    """One operation's deliveries, and what came of them."""

    regions: tuple[str, ...]
    deliveries: tuple[Delivery, ...]
    reported: Reported | None

    def history(self) -> History:
        """As the harness would have recorded it."""
        lines = [occurred(), *self.lines()]
        return judged(lines if self.reported is None else [*lines, notified_as(self.reported)], self.regions)

    def lines(self, from_ms: int = 0) -> list[Line]:
        """The deliveries. The scenario explains that some had no answer."""
        lines: list[Line] = []
        for it in self.deliveries:
            at = (from_ms + it.sent_ms) / 1000
            if it.acknowledged_ms is None:
                lines += [
                    sent(it.region, at, error="reset", after=1),
                    fault_applied(at, 0, op="op1", region=it.region),
                ]
            else:
                lines += [sent(it.region, at, ok=it.acknowledged_ms - it.sent_ms)]
        return lines

    def is_legal(self) -> bool:
        """Whether some choice of instants explains what was reported, or that nothing was."""
        return any(self._explains(dict(zip(self.regions, chosen, strict=True))) for chosen in self._choices())

    def _choices(self) -> Iterator[Sequence[int]]:
        """When each region first counted. What was not acknowledged may have counted at any later time."""
        yield from product(*(self.instants(region) for region in self.regions))

    def instants(self, region: str) -> list[int]:
        """When this region may first have counted."""
        mine = [it for it in self.deliveries if it.region == region]
        by = min((it.acknowledged_ms for it in mine if it.acknowledged_ms is not None), default=NEVER)
        first = min((it.sent_ms for it in mine), default=NEVER)
        return [*range(first, min(by, REPORTED_MS_MAX + 1) + 1), *([NEVER] if by == NEVER else [])]

    def _explains(self, counted: dict[str, int]) -> bool:
        start = min(counted.values())
        if start == NEVER:
            return self.reported is None
        if self.reported is None:
            return False
        deadline = start + TIMEOUT_MS
        on_time = {region for region, at in counted.items() if at < deadline}
        tied = {region for region, at in counted.items() if at == deadline}
        if not self.reported.missing:
            decided = max(counted.values())
            return on_time | tied == set(counted) and decided <= self.reported.at_ms <= decided + TOLERANCE_MS
        named = self.reported.missing
        return (
            not named & on_time
            and named | tied | on_time == set(counted)
            and deadline <= self.reported.at_ms <= deadline + TOLERANCE_MS
        )


def notified_as(it: Reported, from_ms: int = 0, key: str = "") -> Line:
    """The notification."""
    outcome = "timed_out" if it.missing else "completed"
    return notified(outcome, (from_ms + it.at_ms) / 1000, *sorted(it.missing), key=key)


def judged(lines: Sequence[Line], regions: tuple[str, ...]) -> History:
    """The history of these lines, with the header that the two judges agree on."""
    return history(
        *lines, fault_applied(0, 0), regions=regions, timeout=TIMEOUT_MS, run={"tolerance": TOLERANCE_MS},
        faults=(LoseResponse(),),
    )  # fmt: skip


def drawn(seed: int) -> World:
    """A world from a seed. What is reported is nearly right, because that is where judges err."""
    rng = random.Random(seed)
    regions = REGIONS[: rng.choice((1, 2, 2, 3))]
    deliveries = tuple(
        Delivery(region, at, at + rng.randrange(4) if rng.random() < 0.65 else None)
        for region in regions
        for at in (rng.randrange(SENT_MS_MAX + 1) for _ in range(rng.choice((0, 1, 1, 1, 2))))
    )
    return World(regions, deliveries, _reported(rng, World(regions, deliveries, None)))


def _reported(rng: random.Random, world: World) -> Reported | None:
    """What would be right for some instants, give or take a millisecond or three, or a region."""
    if rng.random() < 0.1:
        return None
    counted = {region: rng.choice(world.instants(region)) for region in world.regions}
    start = min(counted.values())
    if start == NEVER:
        return Reported(rng.randrange(REPORTED_MS_MAX), frozenset(world.regions[:1]))
    missing = {region for region, at in counted.items() if at > start + TIMEOUT_MS}
    decided = start + TIMEOUT_MS if missing else max(counted.values())
    if rng.random() < 0.3:
        missing ^= {rng.choice(world.regions)}
    return Reported(min(max(0, decided + rng.randrange(-2, 5)), REPORTED_MS_MAX), frozenset(missing))


# --- a second operation under the same key ---

RETENTION_MS = 7 * 86_400_000
LATE_MS = 32  # after the retention, nothing is reported later


class Sequel(NamedTuple):
    """An operation that completed at once, deliveries when it may be forgotten, and what is reported then.

    Instants count from the end of the retention.
    """

    regions: tuple[str, ...]
    deliveries: tuple[Delivery, ...]
    reported: Reported

    def history(self) -> History:
        """As the harness would have recorded it."""
        world = World(self.regions, self.deliveries, None)
        lines: list[Line] = [occurred(), *(sent(region, 0, ok=0) for region in self.regions)]
        lines += [notified("completed", 0), *world.lines(RETENTION_MS)]
        lines += [notified_as(self.reported, RETENTION_MS, key="second")]
        return judged(lines, self.regions)

    def is_legal(self) -> bool:
        """Whether some choice of instants, and of the one in which the first was forgotten, explains it.

        What counted in that very instant may have met either operation. The contract does not say when it
        must be reported.
        """
        for chosen in product(*(self._instants(it) for it in self.deliveries)):
            for forgotten in {0, *(at for at in chosen if 0 <= at < NEVER)}:
                for tied in product((True, False), repeat=chosen.count(forgotten)):
                    ties = iter(tied)
                    met = [
                        (at, it.region)
                        for at, it in zip(chosen, self.deliveries, strict=True)
                        if forgotten < at < NEVER or (at == forgotten and next(ties))
                    ]
                    if met and self._explains(met):
                        return True
        return False

    def _instants(self, it: Delivery) -> Sequence[int]:
        if it.acknowledged_ms is None:
            return [*range(it.sent_ms, LATE_MS), NEVER]
        return range(it.sent_ms, it.acknowledged_ms + 1)

    def _explains(self, met: Sequence[tuple[int, str]]) -> bool:
        counted = dict.fromkeys(self.regions, NEVER)
        for at, region in met:
            counted[region] = min(at, counted[region])
        deadline = min(counted.values()) + TIMEOUT_MS
        on_time = {region for region, at in counted.items() if at < deadline}
        tied = {region for region, at in counted.items() if at == deadline}
        named = self.reported.missing
        if not named:
            return on_time | tied == set(counted) and max(counted.values()) <= self.reported.at_ms
        return (
            not named & on_time and named | tied | on_time == set(counted) and deadline <= self.reported.at_ms
        )


def drawn_sequel(seed: int) -> Sequel:
    """A sequel from a seed, with a report at an instant that matters."""
    rng = random.Random(seed)
    regions = REGIONS[: rng.choice((2, 2, 3))]
    deliveries = tuple(
        Delivery(rng.choice(regions), at, at + rng.randrange(4) if rng.random() < 0.8 else None)
        for at in (rng.randrange(-3, 16) for _ in range(rng.choice((1, 2, 2, 3, 3))))
    )
    missing = frozenset(region for region in regions if rng.random() < 0.35)
    at_ms = rng.choice(deliveries).sent_ms + rng.choice((0, TIMEOUT_MS)) + rng.randrange(6)
    return Sequel(regions, deliveries, Reported(min(max(0, at_ms), LATE_MS - 1), missing))
