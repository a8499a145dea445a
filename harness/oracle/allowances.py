"""What may keep a correct aggregator from acting in time: its own outages, and faults of the sink.

Rules of this file: instants are in ms since the scenario's start; an interval's ends both belong to it, so
that what happens at the instant of a crash is excused.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from heapq import merge
from itertools import chain, pairwise

from fanin.harness.history import TargetState
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Attempt, Evidence, Operation
from fanin.harness.oracle.outages import Outages, Window, lives_of, outages_of, shared
from fanin.simulator.language.scenario import (
    LoseAnswer,
    LoseRequest,
    SinkDown,
    SinkHangs,
    SinkRefuses,
    SinkStalls,
    SlowClient,
)

# Faults that can hold a notification back. One that loses the sink's answer cannot: the sink has read it.
_HOLDING = (SinkDown, SinkRefuses, SinkStalls, SinkHangs)
# A notification that nobody took for so long may be given up (contract, clause 7).
GIVEN_UP_AFTER_MS = 3 * 86_400_000
# Faults that explain an attempt without an answer.
_SILENCING = (LoseRequest, LoseAnswer, SlowClient)


class Allowances:
    """The outages and faults of one run."""

    def __init__(self, evidence: Evidence) -> None:
        self._run = evidence.run
        lives = lives_of(evidence.lifecycle) or {0: []}
        each = {replica: outages_of(lifecycle, evidence.run) for replica, lifecycle in lives.items()}
        self._of = {replica: Outages(windows) for replica, windows in each.items()}
        self._downs = Outages(shared(list(each.values()), evidence.run))
        self._deaths = sorted(change.at for _, change in evidence.lifecycle if _is_death(change))
        self._interruptions = sorted(change.at for _, change in evidence.lifecycle if change.state == "down")
        self._wakings = _ended(lives, "pause")
        # When an orderly stop is over, nobody outside can tell; it is when the next start is.
        self._stops = Outages(Window(since, until, 0) for since, until in _ended(lives, "stop"))
        self._sink: dict[str, list[Window]] = {}  # by the operation that a fault is about; "" for all
        for fault in evidence.scenario.faults:
            if isinstance(fault, _HOLDING):
                about = "" if isinstance(fault, SinkDown) else fault.operation
                until = FOREVER if fault.until is None else fault.until
                self._sink.setdefault(about, []).append(
                    Window(fault.since, until, evidence.run.redelivery_grace)
                )
        self._silenced_attempts: set[int] = set()
        self._silenced_deliveries: set[tuple[str | None, str | None]] = set()
        for bit in evidence.faults_applied:
            if isinstance(_fault_at(evidence, bit.fault), _SILENCING):
                if bit.attempt is None:
                    self._silenced_deliveries.add((bit.op, bit.region))
                else:
                    self._silenced_attempts.add(bit.attempt)

    @property
    def ever_up(self) -> bool:
        """Whether the aggregator ever came up."""
        return any(outages.windows[0].until < FOREVER for outages in self._of.values())

    def fell(self, since: int, until: int) -> bool:
        """Whether the aggregator, or one of its replicas, died in this interval."""
        return bisect_left(self._deaths, since) < bisect_right(self._deaths, until)

    def interrupted(self, since: int, until: int) -> bool:
        """Whether it died, was made to stand still, or was on its way to an orderly stop in this interval."""
        struck = bisect_left(self._interruptions, since) < bisect_right(self._interruptions, until)
        return struck or self._stops.met(since, until)

    def away(self, at: int) -> bool:
        """Whether nobody was up at this instant, after somebody had been.

        Whoever sent what the sink read at that instant cannot have read the answer; but what was read at the
        instant of a start may be the first thing that the new life has sent.
        """
        return all(
            any(-FOREVER < window.since <= at < window.until for window in outages.windows)
            for outages in self._of.values()
        )

    def woke(self, since: int, until: int, within: int) -> bool:
        """Whether somebody was stopped after ``since``, and had woken no longer than so before ``until``.

        What it had begun when it was stopped it may still do when it wakes, and nobody can hold it back.
        """
        return any(since <= stopped and woke <= until <= woke + within for stopped, woke in self._wakings)

    def was_down(self, attempt: Attempt) -> bool:
        """Whether whoever the attempt went to was down at any instant of it."""
        outages = self._of.get(attempt.sent.replica, self._downs)
        return outages.met(attempt.sent.at, attempt.ended_at)

    def silenced(self, attempt: Attempt) -> bool:
        """Whether a fault of the scenario explains that this attempt had no answer."""
        sent = attempt.sent
        return sent.attempt in self._silenced_attempts or (sent.op, sent.region) in self._silenced_deliveries

    def sink_held(self, operation: Operation, since: int, until: int) -> bool:
        """Whether a fault that is about this operation, or about all, held the sink in this interval."""
        return _overlaps(self._sink_windows(operation), since, until)

    def given_up(self, operation: Operation, since: int, until: int) -> bool:
        """Whether faults held the sink for so much of this interval that a correct aggregator may give up.

        It need not begin a pause that would end too late for another attempt.
        """
        held, end = 0, since
        for window in sorted(self._sink_windows(operation)):
            begin = max(window.since, end)
            end = max(end, min(window.until, until))
            held += max(0, end - begin)
        return held >= GIVEN_UP_AFTER_MS - self._run.redelivery_grace

    def sink_held_others(self, operation: Operation, since: int, until: int) -> bool:
        """Whether a fault held the sink in this interval, but not for this operation."""
        return _overlaps(chain.from_iterable(self._sink.values()), since, until) and not self.sink_held(
            operation, since, until
        )

    def sink_held_anyone(self, since: int, until: int) -> bool:
        """Whether any fault held the sink in this interval."""
        return _overlaps(chain.from_iterable(self._sink.values()), since, until)

    def latest(
        self, operation: Operation, pending_from: int, due: int, grace: int, *, tried_from: int | None = None
    ) -> int:
        """Until when something that was due may legally be late.

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
        windows = [window for window in self._sink_windows(operation) if window.until >= pending_from]
        outages = self._downs.ending_from(pending_from - self._run.start_grace)
        for window in merge(outages, sorted(windows)):
            if window.since > latest:
                break
            latest = max(latest, min(FOREVER, window.until + window.allowance))
        tried_from = pending_from if tried_from is None else tried_from
        return FOREVER if self.given_up(operation, tried_from, latest) else latest

    def _sink_windows(self, operation: Operation) -> list[Window]:
        if not self._sink:
            return []
        names = dict.fromkeys(name for it in operation.events for name in (it.op, it.op.partition("/")[0]))
        return [window for name in ("", *names) for window in self._sink.get(name, [])]


def _overlaps(windows: Iterable[Window], since: int, until: int) -> bool:
    return any(window.since <= until and window.until >= since for window in windows)


def _fault_at(evidence: Evidence, index: int) -> object:
    faults = evidence.scenario.faults
    return faults[index] if 0 <= index < len(faults) else None


def _is_death(change: TargetState) -> bool:
    return change.state == "down" and change.reason != "pause"


def _ended(lives: Mapping[int, Sequence[TargetState]], why: str) -> list[tuple[int, int]]:
    """When each outage of this kind began and ended, of those that ended."""
    return [
        (before.at, change.at)
        for lifecycle in lives.values()
        for before, change in pairwise(lifecycle)
        if before.reason == why and change.state == "up"
    ]
