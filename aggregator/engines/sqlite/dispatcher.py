"""Empties the outbox: every notification is attempted until it is accepted or becomes a dead letter.

Each target has a dispatcher with two lanes. First attempts have slots of their own, and may pre-empt each
other. Retries have the slots of the other lane, where none is pre-empted. So a thousand notifications that
hang delay neither the thousand-and-first nor each other's retries for ever, and no other target at all.

A breaker (`fanin.aggregator.notify.breaker`) stops both lanes while the target is down, but for probes.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, NamedTuple, Protocol

from fanin.aggregator import log
from fanin.aggregator.clock import Clock
from fanin.aggregator.engines.attempt_slots import AttemptSlot, AttemptSlots
from fanin.aggregator.errors import StoreError
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import (
    ATTEMPT_S,
    attempt,
    record_accepted,
    record_breaker,
    record_failure,
)
from fanin.aggregator.notify.breaker import Breaker
from fanin.aggregator.notify.port import NotDeliveredError, Notifier
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.retry_record import RetryRecord, decide_retry
from fanin.aggregator.notify.target import OUTCOMES
from fanin.aggregator.settings import Settings

FIRST_SLOTS = 64
RETRY_SLOTS = 32

# The pause before a result that the store could not record is recorded again, or a read is repeated.
STORE_RETRY_S = 1.0
# How many rows are read at once, and how many attempts may run or wait to be recorded.
CHUNK = 64
UNRECORDED_MAX = 1_000
# How long a retry may wait at most because the clock was set.
SLEEP_S_MAX = 300.0


class OutboxRow(NamedTuple):
    """A pending notification to one target."""

    n: int
    notification: Notification
    record: RetryRecord = RetryRecord()


class Delivered(NamedTuple):
    """The target has accepted the notification."""

    n: int


class Failed(NamedTuple):
    """The target has not accepted the notification, or we cannot know; there will be another attempt."""

    n: int
    record: RetryRecord


class DeadLettered(NamedTuple):
    """The target has not accepted the notification, and there will be no further attempt."""

    n: int
    record: RetryRecord


type AttemptResult = Delivered | Failed | DeadLettered


class Outbox(Protocol):
    """Where notifications are stored until they are accepted."""

    def unattempted(self, *, target: str, after: int, limit: int) -> list[OutboxRow]:
        """A target's rows that were never attempted, in order, from the one after row ``after``."""

    def newest_number(self) -> int:
        """The number of the newest row, 0 when there is none."""

    def due_retries(self, *, target: str, now_ms: int, limit: int) -> list[OutboxRow]:
        """A target's rows that failed and are due again."""

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        """When the target's next row that is not due yet will be due."""

    async def record(self, result: AttemptResult) -> None:
        """Store how an attempt ended. Durable when it returns.

        Raises:
            StoreError: not stored; try again.
        """


class DispatcherFactory(Protocol):
    """`Dispatcher`, or what behaves like it."""

    def __call__(
        self,
        outbox: Outbox,
        target: str,
        notifier: Notifier,
        /,
        *,
        retry_policy: RetryPolicy,
        clock: Clock,
        metrics: Metrics,
    ) -> "TargetDispatcher": ...


class TargetDispatcher(Protocol):
    """Sends one target's notifications; see `Dispatcher`."""

    def start(self) -> None: ...
    def wake(self) -> None: ...
    def recheck(self) -> None: ...
    def reread(self) -> None: ...
    def set_paused(self, *, paused: bool) -> None: ...
    async def stop(self, grace_s: float) -> None: ...


class Dispatchers:
    """One dispatcher for each target."""

    def __init__(
        self,
        outbox: Outbox,
        notifier: Notifier,
        settings: Settings,
        *,
        clock: Clock,
        metrics: Metrics,
        dispatcher: DispatcherFactory | None = None,
    ) -> None:
        """Prepare, without beginning.

        Args:
            outbox: The pending notifications.
            notifier: Makes attempts.
            settings: Say for how long a target is tried.
            clock: Says when retries are due.
            metrics: Where attempts are counted.
            dispatcher: Makes a target's dispatcher; `Dispatcher` if not given.
        """
        dispatcher = dispatcher or Dispatcher
        names = dict.fromkeys(name for outcome in OUTCOMES for name in notifier.targets_for(outcome))
        self._all = {
            name: dispatcher(
                outbox, name, notifier, retry_policy=settings.retry_policy(name), clock=clock, metrics=metrics
            )
            for name in names
        }

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of their targets."""
        return tuple(self._all)

    def start(self) -> None:
        """Begin with what is in the outbox."""
        for dispatcher in self._all.values():
            dispatcher.start()

    def wake(self, targets: Collection[str]) -> None:
        """There are new notifications for these targets."""
        for target in targets:
            if target in self._all:
                self._all[target].wake()

    def recheck(self) -> None:
        """Look again at what is due: the clock was set."""
        for dispatcher in self._all.values():
            dispatcher.recheck()

    def reread(self) -> None:
        """Forget rows that were read: some are being discarded."""
        for dispatcher in self._all.values():
            dispatcher.reread()

    def set_paused(self, target: str, *, paused: bool) -> None:
        """Begin no attempts for a target, or do again."""
        if target in self._all:
            self._all[target].set_paused(paused=paused)

    async def stop(self, grace_s: float) -> None:
        """Begin no attempt; let those that run end within ``grace_s``. The next start repeats the rest."""
        await asyncio.gather(*(dispatcher.stop(grace_s) for dispatcher in self._all.values()))


class Dispatcher:
    """Runs the two lanes of one target: first attempts, and retries."""

    def __init__(
        self,
        outbox: Outbox,
        target: str,
        notifier: Notifier,
        *,
        retry_policy: RetryPolicy,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._outbox, self._target, self._retry_policy = outbox, target, retry_policy
        self._send = partial(notifier.send, target)
        self._clock, self._metrics = clock, metrics
        self._has_pending = asyncio.Event()
        self._retries_changed = asyncio.Event()
        self._attempt_ended = asyncio.Event()
        self._breaker = Breaker(target=target)
        self._breaker_changed = asyncio.Event()  # or the pause
        self._paused = False
        self._readings = 0  # rows that were read before this one are not begun any more
        metrics.breakers[target] = self._breaker.state
        self._first_slots = AttemptSlots(FIRST_SLOTS, preempts=True)
        self._retried: set[int] = set()  # rows that are being attempted again, until that is recorded
        self._attempts: set[asyncio.Task[None]] = set()
        self._lanes: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin with what is in the outbox."""
        loop = asyncio.get_running_loop()
        self._lanes = [loop.create_task(self._first_lane()), loop.create_task(self._retry_lane())]

    def wake(self) -> None:
        """There are new notifications."""
        self._has_pending.set()

    def recheck(self) -> None:
        """Retries may be due."""
        self._retries_changed.set()

    def reread(self) -> None:
        """Forget rows that were read, and read them again."""
        self._readings += 1

    def set_paused(self, *, paused: bool) -> None:
        """Begin no attempts, or do again."""
        self._paused = paused
        self._breaker_changed.set()

    async def stop(self, grace_s: float) -> None:
        """Begin no attempt; let those that run end within ``grace_s``. The next start repeats the rest."""
        for lane in self._lanes:
            lane.cancel()
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=grace_s)
        rest = [*self._lanes, *self._attempts]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    # --- lanes ---

    async def _first_lane(self) -> None:
        last = 0
        while True:
            self._has_pending.clear()
            read = partial(self._outbox.unattempted, target=self._target, after=last, limit=CHUNK)
            rows = await self._read(read)
            reading = self._readings
            for row in rows:
                slot = await self._first_slot()
                await self._admission()
                if reading != self._readings:
                    self._first_slots.release(slot)
                    break
                last = row.n
                self._begin(row, self._first_attempt(row, slot))
            if not rows:
                # Rows that failed are not read again here: a long outage leaves many.
                last = max(last, await self._read(self._outbox.newest_number))
                await self._has_pending.wait()

    async def _first_slot(self) -> AttemptSlot:
        while True:
            while len(self._attempts) >= UNRECORDED_MAX:
                self._attempt_ended.clear()
                await self._attempt_ended.wait()
            if (slot := await self._first_slots.acquire()) is not None:
                return slot

    async def _retry_lane(self) -> None:
        while True:
            await self._admission()
            self._retries_changed.clear()
            now_ms = self._clock.now_ms()
            rows, next_ms = await self._read(partial(self._due, now_ms))
            reading = self._readings
            for row in rows[: RETRY_SLOTS - len(self._retried)]:
                await self._admission()
                if reading != self._readings:
                    next_ms = now_ms
                    break
                self._retried.add(row.n)
                self._begin(row, self._retry_attempt(row))
            if next_ms is None:
                await self._retries_changed.wait()
            else:
                await _wait(self._retries_changed, (next_ms - now_ms) / 1000)

    def _due(self, now_ms: int) -> tuple[list[OutboxRow], int | None]:
        """Rows to attempt again that are not being attempted, and when the next one will be due."""
        limit = RETRY_SLOTS + len(self._retried)
        rows = self._outbox.due_retries(target=self._target, now_ms=now_ms, limit=limit)
        idle = [row for row in rows if row.n not in self._retried]
        return idle, self._outbox.next_retry_ms(target=self._target, now_ms=now_ms)

    async def _read[T](self, read: Callable[[], T]) -> T:
        while True:
            try:
                return read()
            except StoreError as exc:
                log.event(logging.WARNING, "outbox-unreadable", reason=exc)
                await asyncio.sleep(STORE_RETRY_S)

    # --- the breaker ---

    async def _admission(self) -> None:
        """Wait until an attempt is admitted; the caller begins it at once."""
        while self._paused or not self._breaker.admits(now_ms := _loop_ms()):
            self._breaker_changed.clear()
            if self._paused:
                await self._breaker_changed.wait()
            elif self._breaker.probe_at_ms > now_ms:
                await _wait(self._breaker_changed, (self._breaker.probe_at_ms - now_ms) / 1000)
            else:
                await self._breaker_changed.wait()

    def _set_breaker(self, breaker: Breaker) -> None:
        before, self._breaker = self._breaker, breaker
        if breaker.state is not before.state:
            record_breaker(self._metrics, breaker, now_ms=_loop_ms())
            self._breaker_changed.set()

    def _count(self, notification: Notification, error: NotDeliveredError | None) -> None:
        """Let the breaker know how an attempt ended."""
        if error is None or error.final:
            self._set_breaker(self._breaker.responded())
        else:
            self._set_breaker(
                self._breaker.refused(notification.key, _loop_ms(), retry_after_ms=error.retry_after_ms)
            )

    # --- attempts ---

    def _begin(self, row: OutboxRow, attempt: Coroutine[Any, Any, None]) -> None:
        self._set_breaker(self._breaker.began(row.notification.key))
        task = asyncio.get_running_loop().create_task(attempt)
        self._attempts.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self._attempt_ended.set()

    async def _first_attempt(self, row: OutboxRow, slot: AttemptSlot) -> None:
        error = await self._once(row, slot)
        if not slot.preempted or row.notification.key == self._breaker.probe:
            self._count(row.notification, error)
        await self._record(row, error)

    async def _retry_attempt(self, row: OutboxRow) -> None:
        try:
            error = await self._once(row, asyncio.timeout(ATTEMPT_S))
            self._count(row.notification, error)
            await self._record(row, error)
        finally:
            self._retried.discard(row.n)
            self._retries_changed.set()

    async def _once(
        self, row: OutboxRow, limit: AbstractAsyncContextManager[Any]
    ) -> NotDeliveredError | None:
        return await attempt(partial(self._send, row.notification), limit)

    async def _record(self, row: OutboxRow, error: NotDeliveredError | None) -> None:
        result = self._result(row, error)
        while True:
            try:
                await self._outbox.record(result)
            except StoreError as exc:
                operation_id = row.notification.operation_id
                log.event(logging.WARNING, "result-not-recorded", operation=operation_id, reason=exc)
                await asyncio.sleep(STORE_RETRY_S)
            else:
                break
        if isinstance(result, Failed):
            self._retries_changed.set()

    def _result(self, row: OutboxRow, error: NotDeliveredError | None) -> AttemptResult:
        """How an attempt ended; counted, and logged."""
        n, notification, before = row
        if error is None:
            record_accepted(self._metrics, notification, self._target, attempt=before.attempts + 1)
            return Delivered(n)
        decision = decide_retry(before, error, key=notification.key, retry_policy=self._retry_policy)
        record = before.after(decision, key=notification.key, now_ms=self._clock.now_ms())
        record_failure(self._metrics, notification, self._target, attempts=record.attempts, decision=decision)
        return DeadLettered(n, record) if decision.dead else Failed(n, record)


def _loop_ms() -> int:
    return round(asyncio.get_running_loop().time() * 1000)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, or so long; not longer than `SLEEP_S_MAX`, because the clock may be set."""
    try:
        async with asyncio.timeout(min(max(seconds, 0), SLEEP_S_MAX)):
            await event.wait()
    except TimeoutError:
        return
