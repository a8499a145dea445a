"""Fan-in state machine: many regional arrivals in, one notification out.

Rule 1: every decision about an operation is taken here and nowhere else.
Rule 2: no I/O, clock, randomness or logging. Time arrives on the event, as ``at_ms``.

    phase      Arrived, some missing  Arrived, none missing  Arrived late        DeadlineReached
    (none)     WAITING                COMPLETED, notify      -                   -
    WAITING    WAITING                COMPLETED, notify      TIMED_OUT, notify   TIMED_OUT, notify
    COMPLETED  -                      -                      COMPLETED           COMPLETED
    TIMED_OUT  -                      -                      TIMED_OUT, notify*  TIMED_OUT

* Once, if no region is missing any more: a message of its own, for those who asked for it.

The window is open at its end: an arrival stamped before ``deadline_ms`` counts, one stamped at that very
millisecond is late. So the timer may fire at the deadline itself, and what it decides then is final.

An image may be pushed again, and then has the same operation. Where arrivals have the payload's id besides,
the operation goes through generations: after an outcome, an arrival of another push begins the next one,
which waits for every region anew. Which push an arrival belongs to is `fanin.aggregator.generations`'s.
"""

import hashlib
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

import msgspec

from fanin.aggregator.errors import UnexpectedRegionError, UnknownRegionError
from fanin.aggregator.generations import NONE, Place, Pushes

type OperationId = str
type Region = str  # trimmed and case-folded


class Phase(StrEnum):
    """The phase of an operation: waiting, or one of the two outcomes."""

    WAITING = "waiting"
    COMPLETED = "completed"
    TIMED_OUT = "timed_out"
    # Of a notification alone, never of an operation: it had timed out, and every region has reported since.
    COMPLETED_LATE = "completed_late"


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
    media_type: str | None = None  # of the manifest or the chart
    request_id: str | None = None  # the registry's own, of the request that pushed or deleted


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    """What a generation begins with, should an arrival begin one: the settings of that moment."""

    subject: Subject
    expected: tuple[Region, ...]
    timeout_ms: int
    retention_ms: int  # for how long the ids of earlier pushes are remembered


class Arrived(msgspec.Struct, frozen=True, omit_defaults=True):
    """A region's webhook. ``at_ms`` is the time of the aggregator's commit, never the payload's."""

    region: Region
    at_ms: int  # Unix epoch
    event_id: str = ""  # the payload's id; empty where the operation is what that names
    renewal: Renewal | None = None  # there if ``event_id`` is


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
    generation: int = 1
    pushes: Pushes = NONE

    @property
    def missing(self) -> tuple[Region, ...]:
        """Expected regions whose arrival has not counted, sorted. Fixed once there is an outcome."""
        arrived = self.arrived
        return tuple([region for region in self.expected if region not in arrived])

    @property
    def key(self) -> str:
        """The idempotency key of this operation's notification: the same in every process that computes it.

        The deadline is part of it, so that an id that is used again after the retention has another key.
        """
        later = f"#{self.generation}" if self.generation > 1 else ""
        identity = f"{self.deadline_ms}/{self.operation_id}{later}".encode()
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
    test: bool = False  # a test message, which is about no operation


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
        pushes=NONE.with_event(event.region, event.event_id, event.at_ms),
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
    effects: tuple[Notification, ...] = ()
    if state.phase is Phase.WAITING and at_ms >= state.deadline_ms:
        # The timer may be late; the deadline is not.
        state, effects, _ = _finish(state, Phase.TIMED_OUT, at_ms)
    is_decided, place = state.phase is not Phase.WAITING, Place.CURRENT
    if event.event_id:
        place = state.pushes.place_of(
            region, event.event_id, is_decided=is_decided, generation=state.generation
        )
    # One that came before the outcome, and is processed now, is of a later push and begins none by itself.
    begins = is_decided and at_ms >= (state.decided_ms or 0)
    if place is Place.NEXT and begins and event.renewal is not None:
        renewed = _renew(state, event, event.renewal)
        return renewed._replace(effects=effects + renewed.effects)
    if region not in state.expected:
        raise UnexpectedRegionError(state.operation_id, region, state.expected)
    if event.event_id:
        state = msgspec.structs.replace(
            state, pushes=state.pushes.with_event(region, event.event_id, at_ms, place)
        )
        if place is not Place.CURRENT:
            again = msgspec.structs.replace(state, duplicates=state.duplicates + 1)
            return Step(again, effects, ArrivalResult.DUPLICATE)
    if region in state.arrived or region in state.late:
        again = msgspec.structs.replace(state, duplicates=state.duplicates + 1)
        return Step(again, effects, ArrivalResult.DUPLICATE)
    if state.phase is not Phase.WAITING:
        late = msgspec.structs.replace(state, late={**state.late, region: at_ms})
        return Step(late, effects + _late_completion(late, at_ms), ArrivalResult.LATE)
    return _count(state, event)


def _renew(state: FanIn, event: Arrived, renewal: Renewal) -> Step:
    """Begin the next generation. What regions have sent of it before the outcome counts with its start."""
    if event.region not in renewal.expected:
        raise UnknownRegionError(event.region, renewal.expected)
    at_ms = event.at_ms
    pushes = state.pushes.with_event(event.region, event.event_id, at_ms, Place.NEXT)
    pushes = pushes.renewed(renewal.expected, forgotten_ms=at_ms - renewal.retention_ms)
    earlier = sorted(set(pushes.current) - {event.region})
    renewed = FanIn(
        operation_id=state.operation_id,
        subject=renewal.subject,
        expected=tuple(sorted(renewal.expected)),
        started_ms=at_ms,
        deadline_ms=at_ms + renewal.timeout_ms,
        arrived=dict.fromkeys(earlier, at_ms),
        generation=state.generation + 1,
        pushes=pushes,
    )
    return _count(renewed, event)


def _count(state: FanIn, event: Arrived) -> Step:
    state = msgspec.structs.replace(state, arrived={**state.arrived, event.region: event.at_ms})
    if state.missing:
        return Step(state, (), ArrivalResult.COUNTED)
    return _finish(state, Phase.COMPLETED, event.at_ms, ArrivalResult.COUNTED)


def _expire(state: FanIn, at_ms: int) -> Step:
    if state.phase is Phase.WAITING and at_ms >= state.deadline_ms:
        return _finish(state, Phase.TIMED_OUT, at_ms)
    return Step(state)


def _finish(state: FanIn, outcome: Phase, at_ms: int, result: ArrivalResult | None = None) -> Step:
    state = msgspec.structs.replace(state, phase=outcome, decided_ms=at_ms)
    return Step(state, (notification_of(state, decided_ms=at_ms),), result)


def _late_completion(state: FanIn, at_ms: int) -> tuple[Notification, ...]:
    """The message that the last of the missing regions has reported, after the operation had timed out."""
    if any(region not in state.late for region in state.missing):
        return ()
    outcome = notification_of(state, decided_ms=at_ms)
    key = hashlib.blake2b(f"{state.key}/late".encode(), digest_size=16).hexdigest()
    late = msgspec.structs.replace(
        outcome, key=key, outcome=Phase.COMPLETED_LATE, arrived=state.expected, missing=()
    )
    return (late,)


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
