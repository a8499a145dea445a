"""What may keep a correct aggregator from acting in time: its own outages, and faults of the sink.

Rules of this file: instants are in ms since the scenario's start; both ends of an interval are in, so that
what happens at the instant of a crash is allowed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from heapq import merge
from itertools import pairwise

from fanin.harness.history import TargetState
from fanin.harness.oracle.bounds import FOREVER, longest_ms
from fanin.harness.oracle.evidence import Attempt, Evidence, Operation
from fanin.harness.oracle.outages import Outage, Outages, by_replica, combined, outages_of
from fanin.harness.oracle.sink_outages import SinkOutages, overlap
from fanin.simulator.faults.delivery import DeliveryFault

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
        ups = ((index, change) for index, change in evidence.lifecycle if change.state == "up")
        self._came_up = {(change.replica, change.at): index for index, change in ups}
        downs = [change for _, change in evidence.lifecycle if change.state == "down"]
        self._deaths = sorted(change.at for change in downs if change.reason != "pause")
        self._interruptions = sorted(change.at for change in downs)
        self._pauses = sorted(_completed(replicas, "pause"))
        # When an orderly stop is over cannot be seen from outside; it is when the next start is.
        self._stops = Outages(Outage(since, until, 0) for since, until in _completed(replicas, "stop"))
        self._sink = SinkOutages(evidence)
        self._silenced_attempts: set[int] = set()
        self._slowed: dict[tuple[str | None, str | None], int] = {}  # by operation and region: for how long
        for applied in evidence.faults_applied:
            fault = _fault_at(evidence, applied.fault)
            if isinstance(fault, DeliveryFault) and fault.silences:
                if applied.attempt is None:
                    delivery = (applied.op, applied.region)
                    self._slowed[delivery] = max(self._slowed.get(delivery, -1), fault.slow_for_ms)
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

    def resumed(self, since: int, begun_by: int, until: int, within: int) -> bool:
        """Whether a process was paused from ``since`` to ``begun_by``, and resumed shortly before ``until``.

        What it had begun before the pause it may still do when it resumes, and nothing can prevent that; so
        it may after another pause that follows at once.

        Args:
            since: When what it does can have begun.
            begun_by: When it had certainly ended, if it was not paused.
            until: When it is seen to be done.
            within: How long it may take after the pause.
        """
        for paused, back in self._pauses:
            if since <= paused <= begun_by:
                if back <= until <= back + within:
                    return True
                begun_by = max(begun_by, back + within)
        return False

    def stood_still_until(self, since: int, until: int) -> int:
        """When the last pause ended that began in this interval; its end if none did."""
        return max((back for paused, back in self._pauses if since <= paused <= until), default=until)

    def was_down(self, attempt: Attempt) -> bool:
        """Whether the replica that the attempt went to was down at any instant of it."""
        replica, sent_at = attempt.sent.replica, attempt.sent.at
        outages = self._of_replica.get(replica, self._of_all)
        # What was sent at the instant of a start, but after it, met a process that was up.
        came_up_before = self._came_up.get((replica, sent_at), attempt.index) < attempt.index
        ended = sent_at if came_up_before else None
        return any(it.until != ended for it in outages.overlapping(sent_at, attempt.ended_at))

    def silenced(self, attempt: Attempt) -> bool:
        """Whether a fault of the scenario explains that this attempt had no response by its end.

        What makes a request slow explains it only until the request was there, and a little longer.
        """
        sent = attempt.sent
        slowed = self._slowed.get((sent.op, sent.region), -1)
        lasted = attempt.ended_at - sent.at
        longest = slowed + self._run.tolerance + 2 * longest_ms(self._run.scenario.latency)
        return sent.attempt in self._silenced_attempts or (slowed >= 0 and lasted <= longest)

    def sink_blocked(self, operation: Operation, since: int, until: int) -> bool:
        """Whether a fault that is about this operation, or about all, blocked the sink in this interval."""
        return overlap(self._sink.about(operation), since, until)

    def sink_blocked_for_others(self, operation: Operation, since: int, until: int) -> bool:
        """Whether a fault blocked the sink in this interval, but not for this operation."""
        return self.sink_blocked_for_any(since, until) and not self.sink_blocked(operation, since, until)

    def sink_blocked_for_any(self, since: int, until: int) -> bool:
        """Whether any fault blocked the sink in this interval."""
        return overlap(self._sink, since, until)

    def may_give_up(self, operation: Operation, since: int, until: int, *, failed_at: int = FOREVER) -> bool:
        """Whether faults blocked the sink for so much of this interval that the notification may be given up.

        The aggregator need not begin a pause that would end too late for another attempt. Days during which
        it is down itself count as well, once the sink has failed: by a fault that holds it, or an attempt.
        """
        of_sink = [(it.since, it.until) for it in self._sink.about(operation) if it.until >= since]
        failed = min([failed_at, *(begins for begins, _ in of_sink)])
        if failed == FOREVER:
            return False
        own = ((it.since, it.until) for it in self._of_all.merged if it.since > failed)
        blocked, end = 0, since
        for begins, ends in sorted((*of_sink, *own)):
            begin = max(begins, end)
            end = max(end, min(ends, until))
            blocked += max(0, end - begin)
        return blocked >= GIVEN_UP_AFTER_MS - self._run.redelivery_grace

    def tried_from(self, operation: Operation, pending_from: int, read_at: int) -> int:
        """Since when a notification may have been attempted that the sink read first at an instant.

        Attempts at a sink that refuses connections cannot be seen.

        Args:
            operation: Whose notification it is.
            pending_from: The earliest instant at which it can have been pending.
            read_at: When the sink read it first.
        """
        unseen = (it for it in self._sink.about(operation) if it.attempts is None and it.since < read_at)
        return min([read_at, *(max(pending_from, it.since) for it in unseen if it.until >= pending_from)])

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
        latest, between = due + grace, self._run.redelivery_grace
        of_sink = [
            Outage(outage.since, outage.silent_until(due, between), between)
            for outage in self._sink.about(operation)
            if outage.until >= pending_from
        ]
        of_aggregator = self._of_all.ending_from(pending_from - self._run.start_grace)
        for outage in merge(of_aggregator, sorted(of_sink)):
            if outage.since > latest:
                break
            latest = max(latest, min(FOREVER, outage.until + outage.grace))
        since, failed_at = (pending_from, FOREVER) if tried_from is None else (tried_from, tried_from)
        return FOREVER if self.may_give_up(operation, since, latest, failed_at=failed_at) else latest


def _fault_at(evidence: Evidence, index: int) -> object:
    """The scenario's fault of this index; None when there is none."""
    faults = evidence.scenario.faults
    return faults[index] if 0 <= index < len(faults) else None


def _completed(replicas: Mapping[int, Sequence[TargetState]], reason: str) -> list[tuple[int, int]]:
    """When each outage of this kind began and ended, of those that ended: a start may fail at first."""
    return [
        (down.at, after.at)
        for changes in replicas.values()
        for down, after in pairwise(changes)
        if down.reason == reason and (after.state == "up" or after.reason == "failed")
    ]
