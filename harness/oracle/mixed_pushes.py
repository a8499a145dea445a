"""How many outcomes the pushes of one image can have whose deliveries may have mixed.

After an outcome, the next operation begins with an id that is new to a region which has reported the one
before (contract, clause 1). Of an earlier push, such an id begins one as well, if its webhook comes after
that of a later push. So there may be more operations than pushes.

Rules of this file: pure. Each operation begins, and is decided, as early as it can.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fanin.harness.oracle.bounds import FOREVER, Bounds
from fanin.harness.oracle.evidence import Operation

# Of more pushes than this, each id but a region's first may have begun an operation.
_FOLLOWED_MAX = 20


class _Arrival(NamedTuple):
    """When a region's id may have come first."""

    since: int
    until: int

    def from_instant(self, at: int) -> int | None:
        """The earliest instant in it that is not before another one."""
        earliest = max(at, self.since)
        return earliest if earliest <= self.until else None


type _Arrivals = Mapping[str, Mapping[str, _Arrival]]  # by region and id


def outcomes_at_most(operation: Operation, bounds: Bounds, until: int) -> int:
    """How many outcomes an operation can have within one retention, by an instant.

    Args:
        operation: Of one push or of several.
        bounds: Of the first of them.
        until: What was sent later is left out.
    """
    if operation.pushes == 1:
        return 1
    windows = _windows(operation, until)
    if operation.pushes > _FOLLOWED_MAX:
        return max(operation.pushes, 1 + sum(len(ids) - 1 for ids in windows.values()))
    return max(operation.pushes, sum(1 for _ in _beginnings(windows, bounds)))


def _windows(operation: Operation, until: int) -> dict[str, dict[str, _Arrival]]:
    """What comes once more after it was acknowledged is no longer new."""
    ids_of = {event.op: event.ids for event in operation.events}
    found: dict[str, dict[str, _Arrival]] = {}
    for it in operation.attempts:
        id_ = ids_of.get(it.sent.op, {}).get(it.origin)
        if it.counts is False or id_ is None or it.sent.at > until:
            continue
        of_region = found.setdefault(it.origin, {})
        known = of_region.get(id_, _Arrival(it.sent.at, FOREVER))
        counted_by = it.ended_at if it.counts else FOREVER
        of_region[id_] = _Arrival(min(known.since, it.sent.at), min(known.until, counted_by))
    return found


def _beginnings(windows: _Arrivals, bounds: Bounds) -> Iterator[int]:
    """When each operation begins."""
    begun = min((it.since for ids in windows.values() for it in ids.values()), default=None)
    taken: set[tuple[str, str]] = set()  # ids that an earlier operation has
    opened: set[tuple[str, str]] = set()
    while begun is not None:
        yield begun
        completing = _completing(windows, begun, taken)
        completed_at = max((at for at, _ in completing), default=FOREVER)
        if len(completing) == len(bounds.regions) and completed_at <= begun + bounds.timeout:
            decided, ended = completed_at, taken | {it for _, it in completing}
        else:
            decided, ended = begun + bounds.timeout, taken
        following = min(_following(windows, begun, decided, taken, opened), default=None)
        taken = ended
        begun = None
        if following is not None:
            begun, opener = following
            opened.add(opener)


def _completing(
    windows: _Arrivals, begun: int, taken: set[tuple[str, str]]
) -> list[tuple[int, tuple[str, str]]]:
    """For each region that can report to the operation: when it does first, and with which id."""
    reports = (
        min(
            (
                (at, (region, id_))
                for id_, window in ids.items()
                if (region, id_) not in taken and (at := window.from_instant(begun)) is not None
            ),
            default=None,
        )
        for region, ids in windows.items()
    )
    return [it for it in reports if it is not None]


def _following(
    windows: _Arrivals,
    begun: int,
    decided: int,
    taken: set[tuple[str, str]],
    opened: set[tuple[str, str]],
) -> Iterator[tuple[int, tuple[str, str]]]:
    """When the next operation may begin, and with what: a new id of a region that has reported this one."""
    for region, ids in windows.items():
        reported = {
            id_: at
            for id_, window in ids.items()
            if (region, id_) not in taken and (at := window.from_instant(begun)) is not None
        }
        for id_, window in ids.items():
            others = (at for other, at in reported.items() if other != id_)
            if (region, id_) in opened or (reported_at := min(others, default=None)) is None:
                continue
            if (at := window.from_instant(max(decided, reported_at))) is not None:
                yield at, (region, id_)
