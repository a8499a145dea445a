"""When an aggregator was down or paused; of several replicas: when all were, or one of them.

Rules of this file: pure; instants are in ms since the scenario's start, and both ends of an interval are in.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from fanin.harness.history import Run, TargetState
from fanin.harness.oracle.bounds import FOREVER


class Outage(NamedTuple):
    """An interval, and how long after it a correct aggregator may still be late."""

    since: int
    until: int  # FOREVER when it never ends
    grace: int


class Outages:
    """Outages in order; those that overlap are merged."""

    def __init__(self, outages: Iterable[Outage]) -> None:
        self.merged = _merged(outages)
        self._begins = [outage.since for outage in self.merged]
        self._ends = [outage.until for outage in self.merged]

    def overlapping(self, since: int, until: int) -> Sequence[Outage]:
        """Those that have an instant of this interval."""
        return self.merged[bisect_left(self._ends, since) : bisect_right(self._begins, until)]

    def overlap(self, since: int, until: int) -> bool:
        """Whether one of them has an instant of this interval."""
        return bool(self.overlapping(since, until))

    def ending_from(self, since: int) -> Iterator[Outage]:
        """Those that were not over before this instant."""
        first = bisect_left(self._ends, since)
        return (self.merged[index] for index in range(first, len(self.merged)))


def by_replica(lifecycle: Iterable[tuple[int, TargetState]]) -> dict[int, list[TargetState]]:
    """Each replica's ups and downs, by its number. Where there is only one, its number is 0."""
    found: dict[int, list[TargetState]] = {}
    for _, change in lifecycle:
        found.setdefault(change.replica, []).append(change)
    return found


def outages_of(changes: Iterable[TargetState], run: Run) -> list[Outage]:
    """One process's outages. The first ends with its first start, when no work is pending."""
    outages, down_at, grace = [], -FOREVER, 0
    up = False
    for change in changes:
        if change.state == "up" and not up:
            outages.append(Outage(down_at, change.at, grace))
        elif change.state == "down" and up:
            down_at, grace = change.at, run.start_grace
        up = change.state == "up"
    if not up:
        outages.append(Outage(down_at, FOREVER, grace))
    return outages


def combined(each: Collection[Sequence[Outage]], run: Run) -> Iterator[Outage]:
    """The outages of several replicas together.

    While all are down, nothing is done. When one of several is down, the others may need a while until they
    do its work; so may its own next process, since what the one before had claimed stays claimed.
    """
    if len(each) == 1:
        yield from next(iter(each))
        return
    for outages in each:
        for outage in outages:
            if outage.since == -FOREVER:
                continue  # before its first start it had no work that others could do
            yield Outage(outage.since, outage.since + run.failover_grace, outage.grace)
    edges = sorted({edge for outages in each for outage in outages for edge in (outage.since, outage.until)})
    for since, until in pairwise(edges):
        around = [outage for outages in each for outage in outages if _contains(outage, since, until)]
        if len(around) == len(each):
            yield Outage(since, until, 0 if since == -FOREVER else run.start_grace)


def _contains(outage: Outage, since: int, until: int) -> bool:
    return outage.since <= since and until <= outage.until


def _merged(outages: Iterable[Outage]) -> list[Outage]:
    merged: list[Outage] = []
    for outage in sorted(outages):
        if merged and outage.since < merged[-1].until:
            last = merged.pop()
            until, grace = max(last.until, outage.until), max(last.grace, outage.grace)
            merged.append(Outage(last.since, until, grace))
        else:
            merged.append(outage)
    return merged
