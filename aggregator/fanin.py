"""Fan-in state machine: many regional arrivals in, one notification out.

Rule 1: every decision about an operation is taken here and nowhere else.
Rule 2: no I/O, clock, randomness or logging. Time arrives on the event, as ``at_ms``.

    phase      Arrived, some missing  Arrived, none missing  Arrived late        DeadlineReached
    (none)     WAITING                COMPLETED, notify      -                   -
    WAITING    WAITING                COMPLETED, notify      TIMED_OUT, notify   TIMED_OUT, notify
    COMPLETED  -                      -                      COMPLETED           COMPLETED
    TIMED_OUT  -                      -                      TIMED_OUT           TIMED_OUT

The window is open at its end: an arrival stamped before ``deadline_ms`` counts, one stamped at that very
millisecond is late. So the timer may fire at the deadline itself, and what it decides then is final.
"""

import hashlib
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

import msgspec

from fanin.aggregator.errors import UnexpectedRegionError, UnknownRegionError

type OperationId = str
type Region = str  # trimmed and case-folded


class Phase(StrEnum):
    """The phase of an operation: waiting, or one of the two outcomes."""

    WAITING = "waiting"
    COMPLETED = "completed"
    TIMED_OUT = "timed_out"


class ArrivalResult(StrEnum):
    """The result of one arrival."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"  # this region has arrived before, in time or late
    LATE = "late"  # the first of its region, but the operation had its outcome


class Subject(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The image and the action of an operation, from its first arrival. None: the payload lacks the field."""

    action: str
    host: str | None = None
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    name: str | None = None  # of a chart
    version: str | None = None  # of a chart


class Arrived(msgspec.Struct, frozen=True):
    """A region's webhook. ``at_ms`` is the time of the aggregator's commit, never the payload's."""

    region: Region
    at_ms: int  # Unix epoch


class DeadlineReached(msgspec.Struct, frozen=True):
    """The timer fired. It may be early or late; the deadline decides."""

    at_ms: int  # Unix epoch


class FanIn(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The state of one operation. Immutable; `start` makes the first state, `step` the next one."""

    operation_id: OperationId
    subject: Subject
    expected: tuple[Region, ...]  # sorted; frozen when the operation starts
    started_ms: int  # Unix epoch, when the first arrival was committed
    deadline_ms: int  # Unix epoch
    arrived: dict[Region, int] = {}  # when each that counted was committed, in that order
    late: dict[Region, int] = {}  # the same for those that came after the outcome
    duplicates: int = 0
    phase: Phase = Phase.WAITING
    decided_ms: int | None = None  # Unix epoch

    @property
    def missing(self) -> tuple[Region, ...]:
        """Expected regions whose arrival has not counted, sorted. Fixed once there is an outcome."""
        return tuple(region for region in self.expected if region not in self.arrived)

    @property
    def key(self) -> str:
        """The idempotency key of this operation's notification: the same in every process that computes it.

        The deadline is part of it, so that an id that is used again after the retention has another key.
        """
        identity = f"{self.deadline_ms}/{self.operation_id}".encode()
        return hashlib.blake2b(identity, digest_size=16).hexdigest()


class Notification(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The notification of an outcome, with everything that a format needs."""

    key: str
    operation_id: OperationId
    outcome: Phase
    subject: Subject
    arrived: tuple[Region, ...]  # sorted: a set has no order that a history could reproduce
    missing: tuple[Region, ...]  # sorted
    started_ms: int
    deadline_ms: int
    decided_ms: int


class Step(NamedTuple):
    """The result of one event. The engine stores ``state`` and ``effects`` in one transaction."""

    state: FanIn
    effects: tuple[Notification, ...] = ()
    result: ArrivalResult | None = None  # of the arrival; None for a timer


def start(
    operation_id: OperationId,
    subject: Subject,
    event: Arrived,
    *,
    expected: Collection[Region],
    timeout_ms: int,
) -> Step:
    """Start an operation with its first arrival. The deadline is set here and never changes.

    Raises:
        UnknownRegionError: ``event.region`` is not in ``expected``; the operation does not start.
    """
    if event.region not in expected:
        raise UnknownRegionError(event.region, expected)
    state = FanIn(
        operation_id=operation_id,
        subject=subject,
        expected=tuple(sorted(expected)),
        started_ms=event.at_ms,
        deadline_ms=event.at_ms + timeout_ms,
    )
    return _count(state, event)


def step(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Apply one event to an operation that has started.

    Raises:
        UnexpectedRegionError: the operation does not wait for ``event.region``.
    """
    if isinstance(event, Arrived):
        return _arrive(state, event)
    return _expire(state, event.at_ms)


def _arrive(state: FanIn, event: Arrived) -> Step:
    region, at_ms = event.region, event.at_ms
    if region not in state.expected:
        raise UnexpectedRegionError(state.operation_id, region, state.expected)
    # The timer may be late; the deadline is not.
    state, effects, _ = _expire(state, at_ms)
    if region in state.arrived or region in state.late:
        again = msgspec.structs.replace(state, duplicates=state.duplicates + 1)
        return Step(again, effects, ArrivalResult.DUPLICATE)
    if state.phase is not Phase.WAITING:
        late = msgspec.structs.replace(state, late={**state.late, region: at_ms})
        return Step(late, effects, ArrivalResult.LATE)
    return _count(state, event)


def _count(state: FanIn, event: Arrived) -> Step:
    state = msgspec.structs.replace(state, arrived={**state.arrived, event.region: event.at_ms})
    if state.missing:
        return Step(state, (), ArrivalResult.COUNTED)
    return _finish(state, Phase.COMPLETED, event.at_ms)._replace(result=ArrivalResult.COUNTED)


def _expire(state: FanIn, at_ms: int) -> Step:
    if state.phase is Phase.WAITING and at_ms >= state.deadline_ms:
        return _finish(state, Phase.TIMED_OUT, at_ms)
    return Step(state)


def _finish(state: FanIn, outcome: Phase, at_ms: int) -> Step:
    state = msgspec.structs.replace(state, phase=outcome, decided_ms=at_ms)
    return Step(state, (notification_of(state, decided_ms=at_ms),))


def notification_of(state: FanIn, *, decided_ms: int) -> Notification:
    """The notification of an operation that was decided at ``decided_ms``."""
    return Notification(
        key=state.key,
        operation_id=state.operation_id,
        outcome=state.phase,
        subject=state.subject,
        arrived=tuple(sorted(state.arrived)),
        missing=state.missing,
        started_ms=state.started_ms,
        deadline_ms=state.deadline_ms,
        decided_ms=decided_ms,
    )
