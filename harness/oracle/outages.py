"""When an aggregator was down or stood still; of several replicas: when nobody worked, or one was missing.

Rules of this file: pure; instants are in ms since the scenario's start, and an interval's ends belong to it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from fanin.harness.history import Run, TargetState
from fanin.harness.oracle.bounds import FOREVER


class Window(NamedTuple):
    """An interval and how long after it a correct aggregator may still be late."""

    since: int
    until: int  # FOREVER when it never ends
    allowance: int


class Outages:
    """Windows in order, none of which overlaps the next."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self.windows = _merged(windows)
        self._begins = [window.since for window in self.windows]
        self._ends = [window.until for window in self.windows]

    def began(self, since: int, until: int) -> bool:
        """Whether one of them began in this interval."""
        return bisect_left(self._begins, since) < bisect_right(self._begins, until)

    def met(self, since: int, until: int) -> bool:
        """Whether one of them has an instant of this interval."""
        return bisect_left(self._ends, since) < bisect_right(self._begins, until)

    def ending_from(self, since: int) -> Iterator[Window]:
        """Those that were not over before this instant."""
        first = bisect_left(self._ends, since)
        return (self.windows[index] for index in range(first, len(self.windows)))


def lives_of(lifecycle: Iterable[tuple[int, TargetState]]) -> dict[int, list[TargetState]]:
    """Each replica's ups and downs, by its number. Where there is only one, its number is 0."""
    found: dict[int, list[TargetState]] = {}
    for _, change in lifecycle:
        found.setdefault(change.replica, []).append(change)
    return found


def outages_of(lifecycle: Iterable[TargetState], run: Run) -> list[Window]:
    """One process's outages. The first ends with its first start, which has no work waiting."""
    windows, fell_at, grace = [], -FOREVER, 0
    up = False
    for change in lifecycle:
        if change.state == "up" and not up:
            windows.append(Window(fell_at, change.at, grace))
        elif change.state == "down" and up:
            fell_at, grace = change.at, run.start_grace
        up = change.state == "up"
    if not up:
        windows.append(Window(fell_at, FOREVER, grace))
    return windows


def shared(each: Collection[Sequence[Window]], run: Run) -> Iterator[Window]:
    """What replicas have for outages together.

    While nobody works, nothing is done. When one of several is gone, the others may take a while until they
    do its work.
    """
    if len(each) == 1:
        yield from next(iter(each))
        return
    for windows in each:
        for window in windows:
            if window.since == -FOREVER:
                continue  # before it first came up it had no work that others could do
            until = min(window.until, window.since + run.failover_grace)
            yield Window(window.since, until, window.allowance)
    edges = sorted({edge for windows in each for window in windows for edge in (window.since, window.until)})
    for since, until in pairwise(edges):
        around = [window for windows in each for window in windows if _contains(window, since, until)]
        if len(around) == len(each):
            yield Window(since, until, 0 if since == -FOREVER else run.start_grace)


def _contains(window: Window, since: int, until: int) -> bool:
    return window.since <= since and until <= window.until


def _merged(windows: Iterable[Window]) -> list[Window]:
    merged: list[Window] = []
    for window in sorted(windows):
        if merged and window.since < merged[-1].until:
            last = merged.pop()
            until, allowance = max(last.until, window.until), max(last.allowance, window.allowance)
            window = Window(last.since, until, allowance)  # noqa: PLW2901 - the two are one
        merged.append(window)
    return merged
