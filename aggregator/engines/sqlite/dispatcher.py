"""Empties the outbox: every notification is attempted until it is accepted or becomes a dead letter.

Each target has a dispatcher with two lanes. First attempts have slots of their own, and may pre-empt each
other. Retries have the slots of the other lane, where none is pre-empted; those of notifications that got no
response in time have half of them, and when these are taken they are put off, so that the others do not wait
in line behind them. So a thousand notifications that hang delay neither the thousand-and-first nor the
retries of others, and no other target at all.

A breaker (`fanin.aggregator.notify.breaker`) stops both lanes while the target is down, but for probes.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Any

import msgspec

from fanin.aggregator import log
from fanin.aggregator.clock import Clock, longest_sleep_s
from fanin.aggregator.engines.attempt_slots import FIRST_SLOTS, AttemptSlot, AttemptSlots
from fanin.aggregator.engines.sqlite.outbox_port import (
    AttemptResult,
    DeadLettered,
    Delivered,
    Failed,
    Outbox,
    OutboxRow,
)
from fanin.aggregator.engines.sqlite.result_recorder import STORE_RETRY_S, ResultRecorder
from fanin.aggregator.engines.sqlite.unattempted import UnattemptedRows
from fanin.aggregator.errors import StoreError
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import (
    ATTEMPT_S,
    attempt,
    count_accepted,
    record_breaker,
    record_failure,
)
from fanin.aggregator.notify.breaker import Breaker, BreakerState
from fanin.aggregator.notify.port import BeginningNotifier, BegunAttempt, NotDeliveredError, Notifier
from fanin.aggregator.notify.retry_policy import RetryPolicy, backoff_ms
from fanin.aggregator.notify.retry_record import decide_retry

RETRY_SLOTS = 32
# How many of them notifications may have whose last attempt timed out, and for how long one without a slot
# is put off.
SLOW_SLOTS = 16
PUT_OFF_MS = 30_000
# While one of them has begun less than this ago, it may end soon, and the others wait for its slot.
BEGUN_S = 1.0
# For so long the target must not have responded to anything before attempts without a response count as
# failed: time for several hundred others to be tried.
SILENT_S = 10.0

# How many attempts may run or wait to be recorded.
UNRECORDED_MAX = 1_000


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
        self._begin_open = (
            partial(notifier.begin, target) if isinstance(notifier, BeginningNotifier) else None
        )
        self._clock, self._metrics = clock, metrics
        self._has_pending = asyncio.Event()
        self._retries_changed = asyncio.Event()
        self._attempt_ended = asyncio.Event()
        self._breaker = Breaker(target=target)
        self._breaker_changed = asyncio.Event()  # or the pause
        self._paused = False
        self._readings = 0  # retries that were read before this one are not begun any more
        metrics.breakers[target] = self._breaker.state
        self._first_slots = AttemptSlots(FIRST_SLOTS, preempts=True)
        self._unattempted = UnattemptedRows(outbox, target)
        self._recorder = ResultRecorder(outbox, self._recorded)
        self._retried: set[int] = set()  # rows that are being attempted again, until that is recorded
        self._slow: dict[
            int, float
        ] = {}  # those whose last attempt timed out, and when they began, loop time
        self._silent_since_s: float | None = None  # loop time of the first attempt since the last response
        self._attempts: set[asyncio.Task[None] | BegunAttempt] = set()
        self._lanes: list[asyncio.Task[None]] = []
        self._lines: list[str] = []  # of the log, which many attempts share

    def start(self) -> None:
        """Begin with what is in the outbox."""
        loop = asyncio.get_running_loop()
        self._lanes = [loop.create_task(self._first_lane()), loop.create_task(self._retry_lane())]

    def add(self, rows: Sequence[OutboxRow]) -> None:
        """Begin with notifications that have just been committed."""
        self._unattempted.add(rows)
        self._has_pending.set()

    def wake(self) -> None:
        """There may be new notifications in the outbox."""
        self._unattempted.look()
        self._has_pending.set()

    def recheck(self) -> None:
        """Retries may be due."""
        self._retries_changed.set()

    def reread(self) -> None:
        """Forget rows that were read, and read them again."""
        self._readings += 1
        self._unattempted.forget()
        self._has_pending.set()

    def set_paused(self, *, paused: bool) -> None:
        """Begin no attempts, or do again."""
        self._paused = paused
        self._breaker_changed.set()

    async def stop(self, grace_s: float) -> None:
        """Begin no attempt; let those that run end within ``grace_s``. The next start repeats the rest."""
        for lane in self._lanes:
            lane.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._attempts:
                    self._attempt_ended.clear()
                    await self._attempt_ended.wait()
                await self._recorder.drain()
        rest = [*self._lanes, *self._attempts]
        for it in rest:
            it.cancel()
        tasks = [it for it in rest if isinstance(it, asyncio.Task)]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._recorder.stop()
        self._log()

    # --- lanes ---

    async def _first_lane(self) -> None:
        rows = self._unattempted
        while True:
            if not rows:
                self._has_pending.clear()
                await self._read(rows.read)
                if not rows:
                    await self._has_pending.wait()
                    continue
            slot = self._free_slot() or await self._first_slot()
            if not self._is_open_to_all():
                await self._admission()
            if rows:
                self._begin_first(rows.take(), slot)
            else:  # they are to be read again
                self._first_slots.release(slot)

    def _free_slot(self) -> AttemptSlot | None:
        if len(self._attempts) + self._recorder.unrecorded >= UNRECORDED_MAX:
            return None
        return self._first_slots.take_free()

    async def _first_slot(self) -> AttemptSlot:
        while True:
            while len(self._attempts) + self._recorder.unrecorded >= UNRECORDED_MAX:
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
            crowd: list[OutboxRow] = []
            for row in rows:
                if len(self._retried) >= RETRY_SLOTS:
                    break
                if row.record.timed_out and len(self._slow) >= SLOW_SLOTS:
                    crowd.append(row)
                    continue
                await self._admission()
                if reading != self._readings:
                    next_ms = now_ms
                    break
                self._retried.add(row.n)
                if row.record.timed_out:
                    self._slow[row.n] = asyncio.get_running_loop().time()
                self._begin(row, asyncio.timeout(ATTEMPT_S))
            if crowd and (wait_s := self._slow_slot_s()) > 0:
                await self._wait(self._retries_changed, wait_s)
            elif crowd:
                await self._put_off(crowd)
            elif next_ms is None:
                await self._retries_changed.wait()
            else:
                await self._wait(self._retries_changed, (next_ms - now_ms) / 1000)

    def _slow_slot_s(self) -> float:
        """How long a slot for a slow notification may still become free soon."""
        latest_s = max(self._slow.values(), default=0.0)
        return latest_s + BEGUN_S - asyncio.get_running_loop().time()

    async def _put_off(self, rows: list[OutboxRow]) -> None:
        """Let slow notifications wait longer, so that those behind them are seen."""
        now_ms = self._clock.now_ms()
        results: list[AttemptResult] = []
        for n, notification, record in rows:
            due_ms = now_ms + max(PUT_OFF_MS, backoff_ms(notification.key, record.attempts))
            results.append(Failed(n, msgspec.structs.replace(record, due_ms=due_ms)))
        await self._recorder.record(results)

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

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for the event, or so long; less if the clock may be set meanwhile."""
        try:
            async with asyncio.timeout(min(max(seconds, 0), longest_sleep_s(self._clock))):
                await event.wait()
        except TimeoutError:
            return

    def _is_open_to_all(self) -> bool:
        return not self._paused and self._breaker.state is BreakerState.CLOSED

    async def _admission(self) -> None:
        """Wait until an attempt is admitted; the caller begins it at once."""
        while self._paused or not self._breaker.admits(now_ms := _loop_ms()):
            self._breaker_changed.clear()
            if self._paused:
                await self._breaker_changed.wait()
            elif self._breaker.probe_at_ms > now_ms:
                await self._wait(self._breaker_changed, (self._breaker.probe_at_ms - now_ms) / 1000)
            else:
                await self._breaker_changed.wait()

    def _set_breaker(self, breaker: Breaker) -> None:
        before, self._breaker = self._breaker, breaker
        if breaker.state is not before.state:
            record_breaker(self._metrics, breaker, now_ms=_loop_ms())
            self._breaker_changed.set()

    def _count(self, row: OutboxRow, error: NotDeliveredError | None, began_s: float) -> None:
        """Let the breaker know how an attempt ended."""
        key = row.notification.key
        if error is None or not error.timed_out:
            self._silent_since_s = None
        elif key != self._breaker.probe and (row.record.timed_out or not self._is_silent(began_s)):
            return  # the notification is slow; the target has responded to others, or there were none
        if error is None or error.final:
            self._set_breaker(self._breaker.responded())
        else:
            after_ms, now_ms = error.retry_after_ms, _loop_ms()
            self._set_breaker(
                self._breaker.refused(key, now_ms, retry_after_ms=after_ms, timed_out=error.timed_out)
            )

    def _is_silent(self, began_s: float) -> bool:
        """Whether there was no response to anything since an attempt began, and for `SILENT_S` at least."""
        since_s, now_s = self._silent_since_s, asyncio.get_running_loop().time()
        return since_s is not None and since_s <= began_s and now_s - since_s >= SILENT_S

    # --- attempts ---

    def _log_soon(self, line: str) -> None:
        """Log a line with those of the same turn of the event loop."""
        self._lines.append(line)
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_soon(self._log)

    def _log(self) -> None:
        log.lines(logging.INFO, self._lines)
        self._lines = []

    def _begin_first(self, row: OutboxRow, slot: AttemptSlot) -> None:
        """Begin a first attempt: over an open connection, if there is one, and otherwise in a task."""
        begun = None
        if self._begin_open is not None:
            with suppress(Exception):  # a bug with this notification, which the task will log
                begun = self._begin_open(row.notification, partial(self._open_ended, row, slot))
        if begun is None:
            self._begin(row, slot)
            return
        slot.hold(begun)
        self._began(row, begun.began_s)
        self._attempts.add(begun)

    def _open_ended(
        self, row: OutboxRow, slot: AttemptSlot, attempt: BegunAttempt, error: NotDeliveredError | None
    ) -> None:
        slot.ended(attempt, accepted=error is None)
        self._attempts.discard(attempt)
        self._attempt_ended.set()
        self._ended(row, error, attempt.began_s)

    def _begin(self, row: OutboxRow, limit: AbstractAsyncContextManager[Any]) -> None:
        self._began(row, asyncio.get_running_loop().time())
        self._attempts.add(asyncio.get_running_loop().create_task(self._attempt(row, limit)))

    async def _attempt(self, row: OutboxRow, limit: AbstractAsyncContextManager[Any]) -> None:
        began_s = asyncio.get_running_loop().time()
        try:
            error = await attempt(partial(self._send, row.notification), limit)
            self._ended(row, error, began_s)
        finally:  # here and not in a callback, which costs as much as a step of the task
            if (task := asyncio.current_task()) is not None:
                self._attempts.discard(task)
            self._attempt_ended.set()

    def _began(self, row: OutboxRow, began_s: float) -> None:
        self._set_breaker(self._breaker.began(row.notification.key))
        if self._silent_since_s is None:
            self._silent_since_s = began_s

    def _ended(self, row: OutboxRow, error: NotDeliveredError | None, began_s: float) -> None:
        self._count(row, error, began_s)
        self._recorder.add(self._result(row, error))

    def _recorded(self, results: Sequence[AttemptResult]) -> None:
        """Results are stored: attempts that failed can be repeated, and others begun."""
        retried = [it.n for it in results if it.n in self._retried]
        for n in retried:
            self._retried.discard(n)
            self._slow.pop(n, None)
        if retried or any(isinstance(it, Failed) for it in results):
            self._retries_changed.set()
        self._attempt_ended.set()

    def _result(self, row: OutboxRow, error: NotDeliveredError | None) -> AttemptResult:
        """How an attempt ended; counted, and logged."""
        n, notification, before = row
        if error is None:
            line = count_accepted(self._metrics, notification, self._target, attempt=before.attempts + 1)
            self._log_soon(line)
            return Delivered(n)
        decision = decide_retry(before, error, key=notification.key, retry_policy=self._retry_policy)
        record = before.after(decision, key=notification.key, now_ms=self._clock.now_ms())
        record_failure(self._metrics, notification, self._target, attempts=record.attempts, decision=decision)
        return DeadLettered(n, record) if decision.dead else Failed(n, record)


def _loop_ms() -> int:
    return round(asyncio.get_running_loop().time() * 1000)
