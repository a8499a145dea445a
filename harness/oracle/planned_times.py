"""When what a scenario plans happens: later than planned where the aggregator took time to start again.

A scenario that went on meanwhile would be played without the aggregator that it is about. So its clock, by
which webhooks leave, crashes come, and the sink fails and recovers, stands still while a start is under way.
In virtual time most starts take none.

Rules of this file: pure; all instants are in ms.
"""

from collections.abc import Iterable

from fanin.harness.history import TargetState


class PlannedTimes:
    """The instants at which the plan of one scenario was carried out in one run.

    Args:
        changes: When the aggregator came up and went down, in their order.
    """

    def __init__(self, changes: Iterable[TargetState]) -> None:
        # From when to when a start was under way: disjoint, in their order.
        self._starts: list[tuple[int, int]] = []
        # Time begins when it is up for the first time.
        for since, until in sorted((it.at - it.took, it.at) for it in changes if it.took and it.at > 0):
            if self._starts and since <= self._starts[-1][1]:
                first, last = self._starts.pop()
                self._starts.append((first, max(last, until)))
            else:
                self._starts.append((since, until))

    def happens_at(self, planned: int) -> int:
        """The instant in the history at which something planned happens."""
        at = planned
        for since, until in self._starts:
            if at <= since:
                break
            at += until - since
        return at
