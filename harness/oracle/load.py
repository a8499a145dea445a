"""When an aggregator may have been too busy to take a delivery, and whether it says so properly (clause 5).

Rules of this file: pure; load is what can be seen from outside. A request that is answered 503 while nothing
else goes on was not refused for load, whatever the aggregator says.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from email.utils import parsedate_tz

from fanin.harness.history import TargetState
from fanin.harness.oracle.evidence import Attempt, Evidence
from fanin.simulator.delivery import parse_retry_after

# So many deliveries within a second may fill a queue that is still full when none is open any more.
BURST, BURST_MS = 20, 1_000


def says_when(retry_after: str | None) -> bool:
    """Whether a ``Retry-After`` can be followed: a number of seconds, or a date (RFC 9110, 10.2.3)."""
    return parse_retry_after(retry_after) is not None or parsedate_tz((retry_after or "").strip()) is not None


class DeliveryLoad:
    """The deliveries of one run by time, to tell how many were open when."""

    def __init__(self, evidence: Evidence) -> None:
        requests = {(it.sent.envelope or -it.sent.attempt): it for it in evidence.attempts}.values()
        self._sent = sorted(it.sent.at for it in requests)
        self._deliveries_sent = sorted(it.sent.at for it in evidence.attempts)
        self._together = Counter(it.sent.envelope for it in evidence.attempts if it.sent.envelope)
        self._ended = sorted(it.ended_at for it in requests)
        self._acknowledged: dict[int, list[int]] = {}  # by replica: when, in order
        for attempt in sorted((it for it in evidence.attempts if it.counts), key=lambda it: it.ended_at):
            self._acknowledged.setdefault(attempt.sent.replica, []).append(attempt.ended_at)
        self._came_up = _came_up(change for _, change in evidence.lifecycle)
        self._start_grace = evidence.run.start_grace

    def may_be_busy(self, attempt: Attempt) -> bool:
        """Whether another request was open during this one, many came just before, or it has just started."""
        since, until = attempt.sent.at, attempt.ended_at
        open_then = bisect_right(self._sent, until) - bisect_left(self._ended, since)
        sent = self._deliveries_sent
        sent_by_then = bisect_right(sent, since) - bisect_left(sent, since - BURST_MS)
        # What it came together with is not put off because of itself: a request counts for one.
        others = max(0, self._together[attempt.sent.envelope] - 1)
        return open_then > 1 or sent_by_then - others > BURST or self._may_be_starting(attempt)

    def _may_be_starting(self, attempt: Attempt) -> bool:
        """Whether it came up a short while ago and has acknowledged nothing since: it then still starts."""
        at, replica = attempt.sent.at, attempt.sent.replica
        ups = self._came_up.get(replica, [])
        nth = bisect_right(ups, at) - 1
        if nth < 0 or at > ups[nth] + self._start_grace:
            return False
        known = self._acknowledged.get(replica, [])
        return bisect_left(known, ups[nth]) == bisect_right(known, at)


def _came_up(changes: Iterable[TargetState]) -> dict[int, list[int]]:
    """When each replica came up or went on, by its number, in order."""
    found: dict[int, list[int]] = {}
    for change in changes:
        if change.state == "up":
            found.setdefault(change.replica, []).append(change.at)
    return found
