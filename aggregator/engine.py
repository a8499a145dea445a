"""The port behind which operations wait durably. What an engine must promise, and how it may differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fanin.aggregator.clock import Clock
from fanin.aggregator.fanin import ArrivalResult, FanIn, Notification, OperationId, Phase
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.notify.retry_record import RetryRecord
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What differs between engines. Tests skip by this, never by an engine's name."""

    survives_kill: bool  # what was acknowledged is there after ``kill -9`` of the process
    exclusive: bool  # a second process on the same data is refused
    has_retention: bool  # an outcome is forgotten after the retention, and its id may be used again
    lists_outbox: bool = False  # what is untold can be listed, and dead letters sent again
    virtual_time: bool = False  # needs nothing but an event loop, so it runs in a simulated world
    reports_result: bool = False  # `deliver` says what became of the arrival, not only that it is kept


class Receipt(NamedTuple):
    """What became of one arrival, and the operation as it stands after it."""

    state: FanIn
    result: ArrivalResult


class Page(NamedTuple):
    """A part of a list, and the token that asks for the next part; None at the end."""

    states: list[FanIn]
    next: str | None


class OutboxEntry(NamedTuple):
    """One notification to one target that has not accepted it."""

    operation_id: OperationId
    target: str
    outcome: Phase
    key: str
    attempts: int  # that failed
    due_ms: int | None  # Unix epoch, of the next attempt; None before the first one, and for a dead letter
    error: str | None  # why the last attempt failed
    dead_ms: int | None  # Unix epoch, when it was given up; None while it is tried

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
    """A part of the outbox, and the token that asks for the next part; None at the end."""

    entries: list[OutboxEntry]
    next: str | None


class Engine(Protocol):
    """Runs fan-in operations durably. All decisions are `fanin.aggregator.fanin`'s.

    Each promise is a test in ``tests/conformance``:

    * `deliver` returns only once the arrival is durable, so a 2xx may follow it; when it raises a definite
      error, nothing was stored.
    * Delivering the same arrival again is harmless.
    * First arrivals that come together start one operation; none of them is lost.
    * The deadline is the first commit plus the timeout, absolute; restarts and later arrivals do not move it.
    * The expected regions are those that were configured when the operation started.
    * Each operation reaches exactly one outcome; its `Notification` is sent to every target of that outcome
      at least once, with one key, or becomes a dead letter of that target.
    * A deadline that passed while no process ran still fires, late, after the next start.
    * An arrival after the outcome changes nothing and starts nothing for as long as the retention lasts.
    * A notification that is refused, or hangs, delays neither arrivals nor deadlines nor other
      notifications, be they other operations' or other targets'.
    """

    capabilities: Capabilities

    async def open(self) -> None:
        """Start working: what is due, or was left untold, goes on.

        Raises:
            StoreUnusableError: it cannot; the message says why and what to do.
        """

    async def close(self) -> None:
        """Stop in order: what was taken is committed, notifications under way get a moment to end."""

    async def deliver(self, arrival: Arrival) -> Receipt | None:
        """Take one arrival. None: it is kept, and what becomes of it is settled later.

        Raises:
            UnknownRegionError: it would start an operation, and nobody expects its region.
            UnexpectedRegionError: its operation does not wait for its region. An engine that settles later
                may pass over such an arrival instead, if newer settings expect the region.
            StoreError: not stored, or (`StoreFailedError`) perhaps stored; the sender should try again.
        """

    async def inspect(self, operation_id: OperationId) -> FanIn | None:
        """One operation, or None if it is not known, or no longer."""

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:
        """A page of operations, the older ones first. It may hold fewer than ``limit`` and not be the last.

        Raises:
            MalformedError: ``after`` is no token that a page of the same kind has returned.
        """

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:
        """A page of the outbox, in the order of the decisions.

        Args:
            dead: Only dead letters, or only what is pending; None: what is pending, and after all of it, on
                whichever page, dead letters.
            after: The token of the page before; None for the first one.
            limit: How many entries, or operations with entries. A page may have fewer, and not be the last.

        Asked only of engines whose `capabilities` say so, like `retry`.

        Raises:
            MalformedError: ``after`` is no token that such a page has returned.
        """

    async def retry(self, *, target: str | None, operation: OperationId | None) -> int:
        """Send dead letters again, all or those of one target or operation; return how many.

        They start from the beginning, under the key they had. Those of a target that is no longer configured
        stay where they are.
        """

    async def check(self) -> None:
        """Prove that an arrival could be stored now.

        Raises:
            StoreError: it could not.
        """


type EngineFactory = Callable[[Settings, Clock, Metrics, Notifier | None], Engine]
