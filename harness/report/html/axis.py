"""Where instants stand on a picture's axis.

An operation takes milliseconds and days. So the axis is not to scale: every instant at which
something happens gets a column, and the step to the next grows with the logarithm of the time between them.
Order and orders of magnitude stay visible, and every label has room, because a column moves on until it has.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# A step is so wide for a gap of a millisecond, and so much wider for every power of ten.
_STEP_MIN, _STEP_PER_TEN = 20.0, 12.0
# A picture with little in it is stretched to fill its width, up to this.
_STRETCH_MAX = 2.4
# One with a lot in it is narrowed, as far as its labels allow.
_SHRINKS = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3)
# A wait so many times as long as all before it is marked as a break.
_BREAK = 3
# Between a label and what follows it.
_AIR = 7.0
_CHARACTER = 6.65  # of the picture's monospaced font


@dataclass(frozen=True, slots=True)
class Extent:
    """Room for a marker and its label: from ``begins`` to ``width`` pixels after ``ends``, on one track."""

    track: Hashable
    begins: int
    ends: int
    width: float


@dataclass(frozen=True, slots=True)
class Axis:
    """Instants and where they stand, both ascending."""

    instants: tuple[int, ...]
    places: tuple[float, ...]

    def x(self, at: int) -> float:
        """Where an instant stands; between two columns in proportion, outside at the nearest."""
        right = bisect_right(self.instants, at)
        if right == 0:
            return self.places[0]
        if right == len(self.instants):
            return self.places[-1]
        begin, end = self.instants[right - 1], self.instants[right]
        start, stop = self.places[right - 1], self.places[right]
        return start + (stop - start) * (at - begin) / (end - begin)


def place(instants: Iterable[int], extents: Sequence[Extent], *, left: float, width: float) -> Axis:
    """Give every instant a column: in order, with room for every extent, stretched towards ``width``.

    Args:
        instants: At least one; each extent's ends are among them.
        extents: In any order.
        left: Where the first column stands.
        width: What the columns and their labels should fill together. They take more if they need it.
    """
    columns = sorted(set(instants))
    for shrink in _SHRINKS:
        places, tail = _packed(columns, extents, shrink)
        if places[-1] + tail <= width:
            break
    stretch = min(_STRETCH_MAX, max(1.0, (width - tail) / max(places[-1], 1.0)))
    return Axis(tuple(columns), tuple(left + x * stretch for x in places))


def _packed(columns: Sequence[int], extents: Sequence[Extent], shrink: float) -> tuple[list[float], float]:
    """Where the columns stand, from 0 on, and how far labels reach beyond the last."""
    beginning, ending = defaultdict(list), defaultdict(list)
    for extent in extents:
        beginning[extent.begins].append(extent)
        ending[extent.ends].append(extent)
    free: dict[Hashable, float] = {}
    places: list[float] = []
    for nth, at in enumerate(columns):
        x = places[-1] + _step(at - columns[nth - 1]) * shrink if places else 0.0
        x = max([x, *(free.get(extent.track, 0.0) for extent in beginning[at])])
        places.append(x)
        for extent in ending[at]:
            free[extent.track] = x + extent.width + _AIR
    return places, max([0.0, *(until - places[-1] for until in free.values())])


def breaks(instants: Iterable[int]) -> list[tuple[int, int]]:
    """The waits that are far longer than all that came before them."""
    known = sorted(instants)
    return [(begin, end) for begin, end in pairwise(known) if end - begin > _BREAK * (begin - known[0]) > 0]


def _step(gap_ms: int) -> float:
    return _STEP_MIN + _STEP_PER_TEN * math.log10(1 + gap_ms)


def text_width(text: str) -> float:
    """How wide a label is, in pixels."""
    return len(text) * _CHARACTER


def staggered(labels: Sequence[tuple[float, str]], rows: int) -> list[tuple[float, str, int]]:
    """Tick labels on the first of several rows in which they have room; those that have none are left out."""
    ends = [-math.inf] * rows
    placed = []
    for x, text in labels:
        row = next((row for row, end in enumerate(ends) if end <= x), None)
        if row is not None:
            ends[row] = x + text_width(text) + _AIR
            placed.append((x, text, row))
    return placed
