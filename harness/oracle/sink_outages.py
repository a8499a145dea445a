"""When faults of the sink excuse that a notification does not come (contract, clauses 7 and 8).

Rules of this file: pure; instants are in ms since the scenario's start, and both ends of an interval are in.
A sink that fails excuses silence only for as long as the aggregator goes on trying: where a fault lets the
sink read what it then refuses or does not answer, attempts can be seen, and the longest gap between two of
them is limited. Where it refuses connections, they cannot.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Evidence, Notification, Operation
from fanin.simulator.faults.sink import SinkFault

# After so many attempts in a row that failed, a sink may be taken for down.
FAILURES_IN_A_ROW = 10


class SinkOutage(NamedTuple):
    """One fault of the sink that keeps notifications from being accepted."""

    since: int
    until: int  # FOREVER when it never ends
    attempts: "Attempts | None"  # None: they cannot be seen

    def silent_until(self, since: int, grace: int) -> int:
        """Until when it excuses silence from ``since`` on, the last gap not included."""
        begun = max(self.since, since)
        return self.until if self.attempts is None else min(self.until, self.attempts.last(begun, grace))


class Attempts:
    """When the sink read notifications, and until when each attempt lasted."""

    def __init__(self, notifications: Iterable[Notification], grace: int) -> None:
        ordered = sorted(notifications, key=lambda it: it.at)
        self._begins = [it.at for it in ordered]
        # For each attempt: the end of the last one that follows it without too long a gap.
        self._lasts = [given_up_at(it, grace) for it in ordered]
        for n in range(len(ordered) - 2, -1, -1):
            if self._begins[n + 1] <= self._lasts[n] + grace:
                self._lasts[n] = max(self._lasts[n], self._lasts[n + 1])

    def last(self, since: int, grace: int) -> int:
        """The end of the last attempt before a gap longer than ``grace``; ``since`` when there is none."""
        n = bisect_left(self._begins, since)
        if n == len(self._begins) or self._begins[n] > since + grace:
            return since
        return self._lasts[n]


def given_up_at(notification: Notification, grace: int) -> int:
    """When an attempt ended: with its response, or when waiting for one has lasted too long."""
    response = notification.response
    if response is None:
        return notification.at
    return min(response.at, notification.at + grace) if response.status is None else response.at


def _apparent(notifications: Iterable[Notification], grace: int) -> Iterator[SinkOutage]:
    """When the sink looked down, whomever it failed for: from many failures in a row to the next success.

    Others may be held back then for as long as a pause between two attempts, and not for longer.
    """
    ends = sorted((given_up_at(it, grace), it.maybe_accepted) for it in notifications)
    failed, since = 0, 0
    for at, accepted in ends:
        if accepted:
            if failed >= FAILURES_IN_A_ROW:
                yield SinkOutage(since, at, Attempts((), grace))
            failed = 0
        else:
            failed += 1
            since = at if failed == FAILURES_IN_A_ROW else since
    if failed >= FAILURES_IN_A_ROW:
        yield SinkOutage(since, FOREVER, Attempts((), grace))


class SinkOutages:
    """The faults of the sink in one run, by the operation that they are about."""

    def __init__(self, evidence: Evidence) -> None:
        self._by_name: dict[str, list[SinkOutage]] = {}  # by the scenario's operation name; "" for all
        faults = [it for it in evidence.scenario.faults if isinstance(it, SinkFault)]
        for fault in faults:
            if fault.delays_notifications:
                until = FOREVER if fault.until is None else fault.until
                seen = None if fault.refuses_connections else _attempts(evidence, fault.about)
                self._by_name.setdefault(fault.about, []).append(SinkOutage(fault.since, until, seen))
        self._apparent = list(_apparent(evidence.notifications, evidence.run.redelivery_grace))

    def about(self, operation: Operation) -> Sequence[SinkOutage]:
        """Those that are about this operation, or about all."""
        found = (self._by_name.get(name, []) for name in ("", *_names(operation)))
        return [*chain.from_iterable(found), *self._apparent]

    def __iter__(self) -> Iterator[SinkOutage]:
        return chain.from_iterable(self._by_name.values())


def overlap(outages: Iterable[SinkOutage], since: int, until: int) -> bool:
    """Whether one of them has an instant of this interval."""
    return any(outage.since <= until and outage.until >= since for outage in outages)


def _attempts(evidence: Evidence, about: str) -> Attempts:
    """The attempts at notifications that a fault is about; an aggregator may try with one for all."""
    notifications = (
        evidence.notifications
        if not about
        else chain.from_iterable(it.notifications for it in evidence.operations if about in _names(it))
    )
    return Attempts(notifications, evidence.run.redelivery_grace)


def _names(operation: Operation) -> dict[str, None]:
    """The scenario's names of an operation: with the number of its repetition, and without."""
    return dict.fromkeys(name for it in operation.events for name in (it.op, it.op.partition("/")[0]))
