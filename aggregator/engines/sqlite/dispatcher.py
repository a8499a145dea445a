"""Empties the outbox: every notification is attempted until it is accepted, none waits for another's trouble.

Each target has a dispatcher with two lanes of its own. A first attempt finds a slot of its own lane; when
all are taken, the attempt that has run longest gives way, provided it has had a fair while. Repeats have the
other lane, where none gives way. So a thousand hanging notifications delay neither the thousand-and-first nor
each other's repeats for ever, and no other target at all.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any, NamedTuple, Protocol

from fanin.aggregator import log
from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import NotDeliveredError, Notifier
from fanin.aggregator.errors import StoreError
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import (
    ATTEMPT_S,
    PREEMPT_AFTER_S,
    attempt,
    decide_retry,
    record_accepted,
    record_failure,
)
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.target import OUTCOMES
from fanin.aggregator.settings import Settings

FIRST_SLOTS = 64
RETRY_SLOTS = 32

# An accepted notification that cannot be marked, because the store is in trouble, is marked later.
MARK_AGAIN_S = 1.0
# How many rows are read at once, and how many accepted ones may wait for their mark.
CHUNK = 64
UNMARKED_MAX = 1_000
# What a clock that is set may at most make a repeat wait for.
NAP_S_MAX = 300.0


class Row(NamedTuple):
    """A notification in the outbox, for one target."""

    n: int
    notify: Notification
    attempts: int  # that failed
    tried_ms: int = 0  # the pauses between them, added up


class Told(NamedTuple):
    """The target has accepted it."""

    n: int


class Failed(NamedTuple):
    """It has not, or we cannot know."""

    n: int
    attempts: int
    due_ms: int
    error: str
    tried_ms: int = 0


class Dead(NamedTuple):
    """It has not, and will not be asked again by itself."""

    n: int
    attempts: int
    at_ms: int
    error: str


type Mark = Told | Failed | Dead


class Outbox(Protocol):
    """Where notifications lie until they are accepted."""

    def fresh(self, *, target: str, after: int, limit: int) -> list[Row]:
        """A target's rows that were never attempted, in order, from the one after row ``after``."""

    def newest(self) -> int:
        """The number of the newest row, 0 when there is none."""

    def retries(self, *, target: str, now_ms: int, limit: int) -> list[Row]:
        """A target's rows that failed and are due again."""

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        """When the target's next one falls due that is not due yet."""

    async def mark(self, mark: Mark) -> None:
        """Remember how an attempt ended. Durable when it returns.

        Raises:
            StoreError: not remembered; try again.
        """


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
        each: "type[Dispatcher] | None" = None,
    ) -> None:
        """Prepare, without beginning.

        Args:
            outbox: What is to be told.
            notifier: Who is told, and how.
            settings: For how long.
            clock: When attempts are due.
            metrics: Where attempts are counted.
            each: Another kind of dispatcher.
        """
        dispatcher = each or Dispatcher
        names = dict.fromkeys(name for outcome in OUTCOMES for name in notifier.targets_for(outcome))
        self._all = {
            name: dispatcher(
                outbox, name, notifier, retry_policy=settings.retry_policy(name), clock=clock, metrics=metrics
            )
            for name in names
        }

    @property
    def targets(self) -> tuple[str, ...]:
        """Whom they tell."""
        return tuple(self._all)

    def start(self) -> None:
        """Begin with what lies in the outbox."""
        for dispatcher in self._all.values():
            dispatcher.start()

    def wake(self, targets: Collection[str]) -> None:
        """There are new notifications for these."""
        for target in targets:
            if target in self._all:
                self._all[target].wake()

    def look_again(self) -> None:
        """What is due may be due at another time: the clock was set."""
        for dispatcher in self._all.values():
            dispatcher.look_again()

    async def stop(self, grace_s: float) -> None:
        """Begin nothing more; let attempts that run end within ``grace_s``. The rest is repeated one day."""
        await asyncio.gather(*(dispatcher.stop(grace_s) for dispatcher in self._all.values()))


class Dispatcher:
    """Runs the two lanes of one target."""

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
        self._tell = partial(notifier.send, target)
        self._clock, self._metrics = clock, metrics
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

    def look_again(self) -> None:
        """Repeats may be due."""
        self._retry.set()

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
            rows = await self._read(partial(self._outbox.fresh, target=self._target, after=last, limit=CHUNK))
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
            if loop.time() >= began + PREEMPT_AFTER_S:
                del self._first[oldest]
                scope.reschedule(loop.time())
            else:
                await _wait(self._freed, began + PREEMPT_AFTER_S - loop.time())

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
        limit = RETRY_SLOTS + len(self._retried)
        rows = self._outbox.retries(target=self._target, now_ms=now_ms, limit=limit)
        idle = [row for row in rows if row.n not in self._retried]
        return idle, self._outbox.next_retry_ms(target=self._target, now_ms=now_ms)

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

    async def _once(self, row: Row, scope: asyncio.Timeout) -> NotDeliveredError | None:
        return await attempt(partial(self._tell, row.notify), scope)

    async def _mark(self, row: Row, error: NotDeliveredError | None) -> None:
        mark = self._mark_of(row, error)
        while True:
            try:
                await self._outbox.mark(mark)
            except StoreError as exc:
                log.event(logging.WARNING, "mark-failed", operation=row.notify.operation_id, reason=exc)
                await asyncio.sleep(MARK_AGAIN_S)
            else:
                break
        if isinstance(mark, Failed):
            self._retry.set()

    def _mark_of(self, row: Row, error: NotDeliveredError | None) -> Mark:
        """How an attempt ended; counted, and logged."""
        if error is None:
            record_accepted(self._metrics, row.notify, self._target, attempt=row.attempts + 1)
            return Told(row.n)
        follows = decide_retry(
            row.notify, error, attempts=row.attempts, tried_ms=row.tried_ms, retry_policy=self._retry_policy
        )
        record_failure(self._metrics, row.notify, self._target, error=error, decision=follows)
        now_ms = self._clock.now_ms()
        if follows.dead:
            return Dead(row.n, follows.attempts, now_ms, str(error))
        return Failed(row.n, follows.attempts, now_ms + follows.pause_ms, str(error), follows.tried_ms)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event, or so long; never longer than a nap, because clocks are set."""
    try:
        async with asyncio.timeout(min(max(seconds, 0), NAP_S_MAX)):
            await event.wait()
    except TimeoutError:
        return
