"""The engine port: what an engine that keeps operations durably must do, and in what engines may differ."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import ArrivalResult, FanIn, Notification, OperationId, Phase
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.notify.retry_record import RetryRecord
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """In what engines differ. Tests skip by capability, never by an engine's name.

    Attributes:
        survives_kill: Acknowledged arrivals are there after ``kill -9`` of the process.
        exclusive: A second process on the same data is refused.
        has_retention: An operation is deleted after the retention, and its id may be used again.
        lists_outbox: Pending notifications can be listed, and dead letters sent again.
        controls_targets: Targets have breakers, can be paused and resumed, and their entries discarded.
        virtual_time: It needs nothing but an event loop, so it runs in a simulated world.
        reports_result: `Engine.deliver` returns the arrival's result, not only that it is stored.
        submits: Arrivals can be delivered without a task that waits: it is a `SubmittingEngine`.
    """

    survives_kill: bool
    exclusive: bool
    has_retention: bool
    lists_outbox: bool = False
    controls_targets: bool = False
    virtual_time: bool = False
    reports_result: bool = False
    submits: bool = False


class Receipt(msgspec.Struct, frozen=True):
    """The result of one arrival, and the operation's state after it."""

    state: FanIn
    result: ArrivalResult


class Page(NamedTuple):
    """One page of operations, and the token of the next page; None on the last one."""

    states: list[FanIn]
    next: str | None


class OutboxEntry(NamedTuple):
    """One notification that one target has not accepted."""

    operation_id: OperationId
    target: str
    outcome: Phase
    key: str
    attempts: int  # that failed
    due_ms: int | None  # Unix epoch, of the next attempt; None before the first one, and for a dead letter
    error: str | None  # why the last attempt failed
    dead_ms: int | None  # Unix epoch, when it became a dead letter; None while it is tried
    paused: bool = False  # not tried until it is resumed

    @classmethod
    def of(cls, target: str, notification: Notification, record: RetryRecord) -> "OutboxEntry":
        """The entry of a notification with the attempts so far."""
        return cls(
            operation_id=notification.operation_id,
            target=target,
            outcome=notification.outcome,
            key=notification.key,
            attempts=record.attempts,
            due_ms=record.due_ms,
            error=record.error,
            dead_ms=record.dead_ms,
        )


class OutboxPage(NamedTuple):
    """One page of the outbox, and the token of the next page; None on the last one."""

    entries: list[OutboxEntry]
    next: str | None


class TargetState(NamedTuple):
    """What waits for one target, and whether it is sent."""

    target: str
    pending: int
    dead: int
    state: str | None  # of its breaker (`fanin.aggregator.notify.breaker`); None: it is not configured
    paused: bool


class Engine(Protocol):
    """Keeps fan-in operations durably. `fanin.aggregator.fanin` makes all decisions.

    Each promise is a test in ``tests/conformance``:

    * `deliver` returns once the arrival is durable, so that a 2xx may follow; after a definite error nothing
      was stored.
    * Delivering the same arrival again is harmless.
    * Concurrent first arrivals start one operation; none of them is lost.
    * The deadline is the first commit plus the timeout; restarts and later arrivals do not move it.
    * The expected regions are those that were configured when the operation started.
    * Each operation reaches exactly one outcome; its `Notification` is sent to every target of that outcome
      at least once, with one key, or becomes a dead letter of that target.
    * A deadline that passed while no process ran fires after the next start.
    * An arrival after the outcome changes nothing and starts nothing until the retention is over.
    * A notification that is refused, or hangs, delays no arrival, no deadline and no other notification, be
      it another operation's or another target's.
    """

    capabilities: Capabilities

    async def open(self) -> None:
        """Open the store and start working: deadlines that passed fire, pending notifications are sent.

        Raises:
            StoreUnusableError: the store cannot be opened; the message says why and what to do.
        """

    async def close(self) -> None:
        """Stop in order: commit what was accepted, and give notifications in progress a moment to end."""

    async def deliver(self, arrival: Arrival) -> Receipt | None:
        """Store one arrival. None: it is stored, and its result will be known later.

        Raises:
            UnknownRegionError: it would start an operation, and its region is not configured.
            UnexpectedRegionError: its operation does not wait for its region. An engine that does not report
                results may ignore such an arrival instead, if newer settings expect the region.
            StoreError: not stored, or (`StoreFailedError`) perhaps stored; the sender should try again.
        """

    async def inspect(self, operation_id: OperationId) -> FanIn | None:
        """Return one operation, or None if there is none, or its retention is over."""

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:
        """Return a page of operations, oldest first. It may have fewer than ``limit`` and not be the last.

        Raises:
            MalformedError: ``after`` is not a token of a page with the same ``phase``.
        """

    async def latest(self, *, limit: int) -> list[FanIn]:
        """Return up to ``limit`` operations with an outcome, those decided last first.

        For people who look: an engine may look only at operations that began lately, so an outcome of a long
        wait can be missing.
        """

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:
        """Return a page of the outbox, in the order of the decisions.

        Args:
            dead: True for dead letters only, False for pending notifications only; None for all pending ones,
                and after all of them the dead letters.
            after: The token of the previous page; None for the first page.
            limit: The number of entries, or of operations with entries. A page may have fewer, and not be the
                last one.

        Called only if `Capabilities.lists_outbox`, like `retry`.

        Raises:
            MalformedError: ``after`` is not a token of such a page.
        """

    async def retry(self, *, target: str | None, operation: OperationId | None) -> int:
        """Send dead letters again: all, or those of one target or operation; return how many.

        Their attempts count from zero; their keys stay. Dead letters of a target that is not configured any
        more stay dead letters.
        """

    async def check(self) -> None:
        """Check that an arrival could be stored now.

        Raises:
            StoreError: it could not.
        """


class TargetControl(Protocol):
    """What an engine with `Capabilities.controls_targets` has besides."""

    async def discard(self, *, target: str | None, operation: OperationId | None) -> int:
        """Delete pending notifications and dead letters of a target, an operation or both; return how many.

        At least one is given. The target need not be configured. An attempt that runs is not ended.
        """

    async def pause(self, *, target: str | None, operation: OperationId | None, paused: bool) -> int:
        """Begin no attempts until resumed, over restarts too; or resume.

        With an operation, for its pending notifications, or the one to ``target``: returns how many changed.
        Otherwise for all of a target, those that are still to come, too: returns 0.
        """

    async def target_states(self) -> list[TargetState]:
        """The configured targets, and those that have entries or are paused without being configured."""


class SubmittingEngine(Protocol):
    """What an engine with `Capabilities.submits` has besides."""

    def submit(self, arrival: Arrival) -> asyncio.Future[Receipt]:
        """Store one arrival, as `Engine.deliver`; the future holds what that returns or raises.

        Raises:
            StoreError: not stored, known at once.
        """


type EngineFactory = Callable[[Settings, Clock, Metrics, Notifier | None], Engine]
