"""What may keep a correct aggregator from acting in time: its own outages, and faults of the sink.

Rules of this file: instants are in ms since the scenario's start; an interval's ends both belong to it, so
that what happens at the instant of a crash is excused.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain
from typing import NamedTuple

from harness.judge.bounds import FOREVER
from harness.judge.evidence import Attempt, Case, Evidence
from simulator.scenario import (
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


class Window(NamedTuple):
    """An interval and how long after it a correct aggregator may still be late."""

    since: int
    until: int  # FOREVER when it never ends
    allowance: int


class Excuses:
    """The outages and faults of one run."""

    def __init__(self, evidence: Evidence) -> None:
        self._run = evidence.run
        self._downs = _downs(evidence)
        self._falls = [window.since for window in self._downs]
        self._returns = [window.until for window in self._downs]
        self._sink: dict[str, list[Window]] = {}  # by the operation that a fault is about; "" for all
        for fault in evidence.scenario.faults:
            if isinstance(fault, _HOLDING):
                about = "" if isinstance(fault, SinkDown) else fault.operation
                until = FOREVER if fault.until is None else fault.until
                self._sink.setdefault(about, []).append(Window(fault.since, until, evidence.run.patience))
        self._silenced_attempts: set[int] = set()
        self._silenced_deliveries: set[tuple[str | None, str | None]] = set()
        for bit in evidence.bits:
            if isinstance(_fault_at(evidence, bit.fault), _SILENCING):
                if bit.attempt is None:
                    self._silenced_deliveries.add((bit.op, bit.region))
                else:
                    self._silenced_attempts.add(bit.attempt)

    @property
    def ever_up(self) -> bool:
        """Whether the aggregator ever came up."""
        return self._returns[0] < FOREVER

    def fell(self, since: int, until: int) -> bool:
        """Whether the aggregator went down in this interval."""
        return bisect_left(self._falls, since) < bisect_right(self._falls, until)

    def was_down(self, since: int, until: int) -> bool:
        """Whether the aggregator was down at any instant of this interval."""
        return bisect_left(self._returns, since) < bisect_right(self._falls, until)

    def silenced(self, attempt: Attempt) -> bool:
        """Whether a fault of the scenario explains that this attempt had no answer."""
        sent = attempt.sent
        return sent.attempt in self._silenced_attempts or (sent.op, sent.region) in self._silenced_deliveries

    def sink_held(self, case: Case, since: int, until: int) -> bool:
        """Whether a fault that is about this operation, or about all, held the sink in this interval."""
        return _overlaps(self._sink_windows(case), since, until)

    def given_up(self, case: Case, since: int, until: int) -> bool:
        """Whether faults held the sink for so much of this interval that a correct aggregator may give up.

        It need not begin a pause that would end too late for another attempt.
        """
        held, end = 0, since
        for window in sorted(self._sink_windows(case)):
            begin = max(window.since, end)
            end = max(end, min(window.until, until))
            held += max(0, end - begin)
        return held >= GIVEN_UP_AFTER_MS - self._run.patience

    def sink_held_others(self, case: Case, since: int, until: int) -> bool:
        """Whether a fault held the sink in this interval, but not for this operation."""
        return _overlaps(chain.from_iterable(self._sink.values()), since, until) and not self.sink_held(
            case, since, until
        )

    def sink_held_anyone(self, since: int, until: int) -> bool:
        """Whether any fault held the sink in this interval."""
        return _overlaps(chain.from_iterable(self._sink.values()), since, until)

    def latest(
        self, case: Case, pending_from: int, due: int, grace: int, *, tried_from: int | None = None
    ) -> int:
        """Until when something that was due may legally be late.

        Args:
            case: Whose notification it is.
            pending_from: The earliest instant at which it can have been pending.
            due: When it was due.
            grace: How late a correct aggregator may be when nothing goes wrong.
            tried_from: When it was attempted first, if that was before.

        Returns:
            FOREVER when an outage or a fault that held it never ended, or when it may have been given up.
        """
        latest = due + grace
        windows = [window for window in self._sink_windows(case) if window.until >= pending_from]
        for window in merge(self._starts_after(pending_from), sorted(windows)):
            if window.since > latest:
                break
            latest = max(latest, min(FOREVER, window.until + window.allowance))
        tried_from = pending_from if tried_from is None else tried_from
        return FOREVER if self.given_up(case, tried_from, latest) else latest

    def _starts_after(self, since: int) -> Iterator[Window]:
        """Outages that were not over at this instant, or not long enough to have started in full."""
        first = bisect_left(self._returns, since - self._run.start_grace)
        return (self._downs[index] for index in range(first, len(self._downs)))

    def _sink_windows(self, case: Case) -> list[Window]:
        if not self._sink:
            return []
        names = dict.fromkeys(name for it in case.occurrences for name in (it.op, it.op.partition("/")[0]))
        return [window for name in ("", *names) for window in self._sink.get(name, [])]


def _overlaps(windows: Iterable[Window], since: int, until: int) -> bool:
    return any(window.since <= until and window.until >= since for window in windows)


def _fault_at(evidence: Evidence, index: int) -> object:
    faults = evidence.scenario.faults
    return faults[index] if 0 <= index < len(faults) else None


def _downs(evidence: Evidence) -> list[Window]:
    """The aggregator's outages in order. The first ends with its first start, which has no work waiting."""
    downs, fell_at, grace = [], -FOREVER, 0
    up = False
    for _, turn in evidence.turns:
        if turn.state == "up" and not up:
            downs.append(Window(fell_at, turn.at, grace))
        elif turn.state == "down" and up:
            fell_at, grace = turn.at, evidence.run.start_grace
        up = turn.state == "up"
    if not up:
        downs.append(Window(fell_at, FOREVER, grace))
    return downs
