"""What may keep a correct aggregator from acting in time: its own outages, and faults of the sink.

Rules of this file: instants are in ms since the scenario's start; both ends of an interval are in, so that
what happens at the instant of a crash is allowed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from heapq import merge
from itertools import chain, pairwise

from fanin.harness.history import TargetState
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Attempt, Evidence, Operation
from fanin.harness.oracle.outages import Outage, Outages, by_replica, combined, outages_of
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.sink import SinkFault

# A notification that the sink did not accept for so long may be given up (contract, clause 7).
GIVEN_UP_AFTER_MS = 3 * 86_400_000


class Allowances:
    """What the outages and faults of one run allow."""

    def __init__(self, evidence: Evidence) -> None:
        self._run = evidence.run
        replicas = by_replica(evidence.lifecycle) or {0: []}
        each = {replica: outages_of(changes, evidence.run) for replica, changes in replicas.items()}
        self._of_replica = {replica: Outages(outages) for replica, outages in each.items()}
        self._of_all = Outages(combined(list(each.values()), evidence.run))
        downs = [change for _, change in evidence.lifecycle if change.state == "down"]
        self._deaths = sorted(change.at for change in downs if change.reason != "pause")
        self._interruptions = sorted(change.at for change in downs)
        self._pauses = _completed(replicas, "pause")
        # When an orderly stop is over cannot be seen from outside; it is when the next start is.
        self._stops = Outages(Outage(since, until, 0) for since, until in _completed(replicas, "stop"))
        self._sink: dict[str, list[Outage]] = {}  # by the operation that a fault is about; "" for all
        for fault in evidence.scenario.faults:
            if isinstance(fault, SinkFault) and fault.delays_notifications:
                until = FOREVER if fault.until is None else fault.until
                outage = Outage(fault.since, until, evidence.run.redelivery_grace)
                self._sink.setdefault(fault.about, []).append(outage)
        self._silenced_attempts: set[int] = set()
        self._silenced_deliveries: set[tuple[str | None, str | None]] = set()
        for applied in evidence.faults_applied:
            if _silences(evidence, applied.fault):
                if applied.attempt is None:
                    self._silenced_deliveries.add((applied.op, applied.region))
                else:
                    self._silenced_attempts.add(applied.attempt)

    @property
    def ever_up(self) -> bool:
        """Whether the aggregator ever came up."""
        return any(outages.merged[0].until < FOREVER for outages in self._of_replica.values())

    def died(self, since: int, until: int) -> bool:
        """Whether the aggregator, or one of its replicas, was killed or stopped in this interval."""
        return bisect_left(self._deaths, since) < bisect_right(self._deaths, until)

    def interrupted(self, since: int, until: int) -> bool:
        """Whether it died, was paused, or was in the middle of an orderly stop in this interval."""
        began = bisect_left(self._interruptions, since) < bisect_right(self._interruptions, until)
        return began or self._stops.overlap(since, until)

    def all_down(self, at: int) -> bool:
        """Whether every replica was down at this instant, after it had been up.

        Then the sender of what the sink read at that instant cannot have read the response. At the instant of
        a start, what the sink reads may be the first notification of the new process: that is not down.
        """
        return all(
            any(-FOREVER < outage.since <= at < outage.until for outage in outages.merged)
            for outages in self._of_replica.values()
        )

    def resumed(self, since: int, until: int, within: int) -> bool:
        """Whether a process was paused after ``since``, and resumed at most ``within`` before ``until``.

        What it had begun before the pause it may still do when it resumes, and nothing can prevent that.
        """
        return any(since <= paused and back <= until <= back + within for paused, back in self._pauses)

    def was_down(self, attempt: Attempt) -> bool:
        """Whether the replica that the attempt went to was down at any instant of it."""
        outages = self._of_replica.get(attempt.sent.replica, self._of_all)
        return outages.overlap(attempt.sent.at, attempt.ended_at)

    def silenced(self, attempt: Attempt) -> bool:
        """Whether a fault of the scenario explains that this attempt had no response."""
        sent = attempt.sent
        return sent.attempt in self._silenced_attempts or (sent.op, sent.region) in self._silenced_deliveries

    def sink_blocked(self, operation: Operation, since: int, until: int) -> bool:
        """Whether a fault that is about this operation, or about all, blocked the sink in this interval."""
        return _overlap(self._sink_outages(operation), since, until)

    def sink_blocked_for_others(self, operation: Operation, since: int, until: int) -> bool:
        """Whether a fault blocked the sink in this interval, but not for this operation."""
        return self.sink_blocked_for_any(since, until) and not self.sink_blocked(operation, since, until)

    def sink_blocked_for_any(self, since: int, until: int) -> bool:
        """Whether any fault blocked the sink in this interval."""
        return _overlap(chain.from_iterable(self._sink.values()), since, until)

    def may_give_up(self, operation: Operation, since: int, until: int) -> bool:
        """Whether faults blocked the sink for so much of this interval that the notification may be given up.

        The aggregator need not begin a pause that would end too late for another attempt.
        """
        blocked, end = 0, since
        for outage in sorted(self._sink_outages(operation)):
            begin = max(outage.since, end)
            end = max(end, min(outage.until, until))
            blocked += max(0, end - begin)
        return blocked >= GIVEN_UP_AFTER_MS - self._run.redelivery_grace

    def allowed_until(
        self, operation: Operation, pending_from: int, due: int, grace: int, *, tried_from: int | None = None
    ) -> int:
        """Until when a notification that was due may legally come.

        Args:
            operation: Whose notification it is.
            pending_from: The earliest instant at which it can have been pending.
            due: When it was due.
            grace: How late a correct aggregator may be when nothing goes wrong.
            tried_from: When it was attempted first, if that was before.

        Returns:
            FOREVER when an outage or a fault that held it never ended, or when it may have been given up.
        """
        latest = due + grace
        of_sink = [outage for outage in self._sink_outages(operation) if outage.until >= pending_from]
        of_aggregator = self._of_all.ending_from(pending_from - self._run.start_grace)
        for outage in merge(of_aggregator, sorted(of_sink)):
            if outage.since > latest:
                break
            latest = max(latest, min(FOREVER, outage.until + outage.grace))
        tried_from = pending_from if tried_from is None else tried_from
        return FOREVER if self.may_give_up(operation, tried_from, latest) else latest

    def _sink_outages(self, operation: Operation) -> list[Outage]:
        names = dict.fromkeys(name for it in operation.events for name in (it.op, it.op.partition("/")[0]))
        return [outage for name in ("", *names) for outage in self._sink.get(name, [])]


def _overlap(outages: Iterable[Outage], since: int, until: int) -> bool:
    return any(outage.since <= until and outage.until >= since for outage in outages)


def _silences(evidence: Evidence, index: int) -> bool:
    """Whether the scenario's fault of this index explains an attempt without a response."""
    faults = evidence.scenario.faults
    fault = faults[index] if 0 <= index < len(faults) else None
    return isinstance(fault, DeliveryFault) and fault.silences


def _completed(replicas: Mapping[int, Sequence[TargetState]], reason: str) -> list[tuple[int, int]]:
    """When each outage of this kind began and ended, of those that ended."""
    return [
        (down.at, up.at)
        for changes in replicas.values()
        for down, up in pairwise(changes)
        if down.reason == reason and up.state == "up"
    ]
