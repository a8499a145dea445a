"""Empties the outbox: every notification is attempted until it is accepted, none waits for another's trouble.

Two lanes. A first attempt finds a slot of its own lane; when all are taken, the attempt that has run longest
gives way, provided it has had a fair while. Repeats have the other lane, where none gives way. So a thousand
hanging notifications delay neither the thousand-and-first nor each other's repeats for ever.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, Protocol

from aggregator import log
from aggregator.clock import Clock
from aggregator.engine import NotDeliveredError, Tell
from aggregator.errors import StoreError
from aggregator.fanin import Notify
from aggregator.metrics import Metrics

FIRST_SLOTS = 64
RETRY_SLOTS = 32
ATTEMPT_S = 10.0
# After so long a first attempt may be cut short by others that wait. Healthy receivers answer well within it.
FAIR_S = 1.0

BACKOFF_MS = 1_000
BACKOFF_MS_MAX = 300_000
# An accepted notification that cannot be marked, because the store is in trouble, is marked later.
MARK_AGAIN_S = 1.0
# How many rows are read at once, and how many accepted ones may wait for their mark.
CHUNK = 64
UNMARKED_MAX = 1_000
# What a clock that is set may at most make a repeat wait for.
NAP_S_MAX = 300.0


class Row(NamedTuple):
    """A notification in the outbox."""

    n: int
    notify: Notify
    attempts: int  # that failed


class Told(NamedTuple):
    """The subscriber has accepted it."""

    n: int


class Failed(NamedTuple):
    """It has not, or we cannot know."""

    n: int
    attempts: int
    due_ms: int
    error: str


class Outbox(Protocol):
    """Where notifications lie until they are accepted."""

    def fresh(self, *, after: int, limit: int) -> list[Row]:
        """Those never attempted, in order, from the one after row ``after``."""

    def newest(self) -> int:
        """The number of the newest row, 0 when there is none."""

    def retries(self, *, now_ms: int, limit: int) -> list[Row]:
        """Those that failed and are due again."""

    def next_retry_ms(self, *, now_ms: int) -> int | None:
        """When the next one falls due that is not due yet."""

    async def mark(self, mark: Told | Failed) -> None:
        """Remember how an attempt ended. Durable when it returns.

        Raises:
            StoreError: not remembered; try again.
        """


def backoff_ms(key: str, attempts: int) -> int:
    """How long to wait after the ``attempts``-th failure: doubling from a second to five minutes, ±20 %.

    The spread comes from the key, so that repeats do not come in step and yet the same run repeats itself.
    """
    plain = min(BACKOFF_MS_MAX, BACKOFF_MS << min(attempts - 1, 20))
    draw = hashlib.blake2b(f"{key}/{attempts}".encode(), digest_size=2).digest()
    return plain * 8 // 10 + plain * 4 * int.from_bytes(draw) // (10 * 0xFFFF)


class Dispatcher:
    """Runs the two lanes over one outbox."""

    def __init__(self, outbox: Outbox, tell: Tell, clock: Clock, metrics: Metrics) -> None:
        self._outbox, self._tell, self._clock, self._metrics = outbox, tell, clock, metrics
        self._fresh = asyncio.Event()
        self._retry = asyncio.Event()
        self._freed = asyncio.Event()
        self._first: dict[int, tuple[float, asyncio.Timeout]] = {}  # running first attempts, oldest first
        self._retried: set[int] = set()  # rows that are being attempted again, until they are marked
        self._attempts: set[asyncio.Task[None]] = set()
        self._lanes: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin with what lies in the outbox."""
        loop = asyncio.get_running_loop()
        self._lanes = [loop.create_task(self._first_lane()), loop.create_task(self._retry_lane())]

    def wake(self) -> None:
        """There are new notifications."""
        self._fresh.set()

    async def stop(self, grace_s: float) -> None:
        """Begin nothing more; let attempts that run end within ``grace_s``. The rest is repeated one day."""
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
        loop = asyncio.get_running_loop()
        last = 0
        while True:
            self._fresh.clear()
            rows = await self._read(partial(self._outbox.fresh, after=last, limit=CHUNK))
            for row in rows:
                await self._room()
                last = row.n
                scope = asyncio.timeout(ATTEMPT_S)
                self._first[row.n] = (loop.time(), scope)
                self._begin(self._first_attempt(row, scope))
            if not rows:
                # Failed rows are not looked through again: a long outage leaves many.
                last = max(last, await self._read(self._outbox.newest))
                await self._fresh.wait()

    async def _room(self) -> None:
        """Wait for a slot of the first lane, and take the oldest attempt's when its fair while is over."""
        loop = asyncio.get_running_loop()
        while len(self._first) >= FIRST_SLOTS or len(self._attempts) >= UNMARKED_MAX:
            self._freed.clear()
            oldest = next(iter(self._first), None)
            if oldest is None:
                await self._freed.wait()
                continue
            began, scope = self._first[oldest]
            if loop.time() >= began + FAIR_S:
                del self._first[oldest]
                scope.reschedule(loop.time())
            else:
                await _wait(self._freed, began + FAIR_S - loop.time())

    async def _retry_lane(self) -> None:
        while True:
            self._retry.clear()
            now_ms = self._clock.now_ms()
            rows, next_ms = await self._read(partial(self._due, now_ms))
            for row in rows[: RETRY_SLOTS - len(self._retried)]:
                self._retried.add(row.n)
                self._begin(self._repeat(row))
            if next_ms is None:
                await self._retry.wait()
            else:
                await _wait(self._retry, (next_ms - now_ms) / 1000)

    def _due(self, now_ms: int) -> tuple[list[Row], int | None]:
        """Rows to attempt again that are not being attempted, and when the next one will be due."""
        rows = self._outbox.retries(now_ms=now_ms, limit=RETRY_SLOTS + len(self._retried))
        idle = [row for row in rows if row.n not in self._retried]
        return idle, self._outbox.next_retry_ms(now_ms=now_ms)

    async def _read[T](self, read: Callable[[], T]) -> T:
        while True:
            try:
                return read()
            except StoreError as exc:
                log.event(logging.WARNING, "outbox-unreadable", reason=exc)
                await asyncio.sleep(MARK_AGAIN_S)

    # --- attempts ---

    def _begin(self, attempt: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(attempt)
        self._attempts.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self._freed.set()

    async def _first_attempt(self, row: Row, scope: asyncio.Timeout) -> None:
        try:
            error = await self._once(row, scope)
        finally:
            self._first.pop(row.n, None)
            self._freed.set()
        await self._mark(row, error)

    async def _repeat(self, row: Row) -> None:
        try:
            await self._mark(row, await self._once(row, asyncio.timeout(ATTEMPT_S)))
        finally:
            self._retried.discard(row.n)
            self._retry.set()

    async def _once(self, row: Row, scope: asyncio.Timeout) -> str | None:
        """None when it was accepted, otherwise why not."""
        try:
            async with scope:
                await self._tell(row.notify)
        except NotDeliveredError as exc:
            return str(exc)
        except TimeoutError:
            return "no answer in time"
        except Exception as exc:  # noqa: BLE001 - a bug that one notification meets must not silence the others
            log.LOGGER.exception("notify-crashed")
            return f"internal error: {type(exc).__name__}"
        return None

    async def _mark(self, row: Row, error: str | None) -> None:
        told = row.notify
        attempts = row.attempts + 1
        mark: Told | Failed = Told(row.n)
        if error is None:
            self._metrics.attempts["ok"] += 1
            log.event(logging.INFO, "notified", operation=told.operation_id, attempt=attempts)
        else:
            wait_ms = backoff_ms(told.key, attempts)
            mark = Failed(row.n, attempts, self._clock.now_ms() + wait_ms, error)
            self._metrics.attempts["failed"] += 1
            log.event(
                logging.WARNING,
                "not-notified",
                operation=told.operation_id,
                attempt=attempts,
                reason=error,
                again_in_s=wait_ms / 1000,
            )
        while True:
            try:
                await self._outbox.mark(mark)
            except StoreError as exc:
                log.event(logging.WARNING, "mark-failed", operation=told.operation_id, reason=exc)
                await asyncio.sleep(MARK_AGAIN_S)
            else:
                break
        if error is not None:
            self._retry.set()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event, or so long; never longer than a nap, because clocks are set."""
    try:
        async with asyncio.timeout(min(max(seconds, 0), NAP_S_MAX)):
            await event.wait()
    except TimeoutError:
        return
