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

from fanin.harness.oracle.bounds import FOREVER, bounds_of, longest_ms
from fanin.harness.oracle.evidence import Evidence, Notification, Operation
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.scenario import Scenario

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


def _apparent(notifications: Iterable[Notification], grace: int, apart: int) -> Iterator[SinkOutage]:
    """When the sink looked down, whomever it failed for: from many failures in a row to the next success.

    Others may be held back then for as long as a pause between two attempts, and not for longer. Of responses
    that are hardly ``apart``, the aggregator may have read the success first.
    """
    ends = sorted((given_up_at(it, grace), it.maybe_accepted) for it in notifications)
    failed: list[int] = []  # when, since the latest success
    for at, accepted in ends:
        if not accepted:
            failed.append(at)
            continue
        if len(failed) >= FAILURES_IN_A_ROW:
            yield SinkOutage(failed[FAILURES_IN_A_ROW - 1], at, Attempts((), grace))
        failed = failed[bisect_left(failed, at - apart) :]
    if len(failed) >= FAILURES_IN_A_ROW:
        yield SinkOutage(failed[FAILURES_IN_A_ROW - 1], FOREVER, Attempts((), grace))


def _apparent_after(
    fault: SinkOutage, operations: Iterable[Operation], scenario: Scenario, grace: int
) -> Iterator[SinkOutage]:
    """How long the sink may look down after a fault during which no attempt could be seen.

    The aggregator has noticed only if a notification was pending; the next success shows that it is over.
    """
    pending = [it for it in operations if bounds_of(it.attempts, scenario).decided_from <= fault.until]
    told = [_accepted_from(it, fault.since) for it in pending]
    if first := min((at for at in told if at is not None), default=None):
        yield SinkOutage(fault.until, max(first, fault.until), Attempts((), grace))


def _accepted_from(operation: Operation, since: int) -> int | None:
    """When a notification was accepted; FOREVER: never; None: before this instant."""
    ends = [it.response.at for it in operation.notifications if it.maybe_accepted and it.response]
    return None if min(ends, default=since) < since else min(ends, default=FOREVER)


class SinkOutages:
    """The faults of the sink in one run, by the operation that they are about."""

    def __init__(self, evidence: Evidence) -> None:
        self._by_name: dict[str, list[SinkOutage]] = {}  # by the scenario's operation name; "" for all
        faults = [it for it in evidence.scenario.faults if isinstance(it, SinkFault)]
        happens_at = evidence.planned_times.happens_at
        for fault in faults:
            if fault.delays_notifications:
                since = happens_at(fault.since)
                until = FOREVER if fault.until is None else happens_at(fault.until)
                seen = None if fault.refuses_connections else _attempts(evidence, fault.about)
                self._by_name.setdefault(fault.about, []).append(SinkOutage(since, until, seen))
        apart, grace = longest_ms(evidence.scenario.latency), evidence.run.redelivery_grace
        self._apparent = list(_apparent(evidence.notifications, grace, apart))
        for unseen in [it for it in self._by_name.get("", ()) if it.attempts is None and it.until < FOREVER]:
            self._apparent += _apparent_after(unseen, evidence.operations, evidence.scenario, grace)

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
