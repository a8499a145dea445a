"""The embedded engine: one SQLite file, one transaction for everything that waits to be written.

Rules of this file: what is acknowledged is committed; arrivals, deadlines and the results of attempts share
one write path (`writer`); nothing is kept in memory per waiting operation.

The store, the transaction, the dispatcher and the retention are constructor parameters, so that a variation
of the engine exchanges one of them and shares everything else.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from fanin.aggregator import log
from fanin.aggregator.clock import Clock, SteadyClock, SystemClock, watch
from fanin.aggregator.engine import Capabilities, OutboxPage, Page, Receipt, TargetState
from fanin.aggregator.engines.sqlite.commit_record import record_commit
from fanin.aggregator.engines.sqlite.dispatcher import Dispatcher
from fanin.aggregator.engines.sqlite.dispatchers import DispatcherFactory, Dispatchers
from fanin.aggregator.engines.sqlite.outbox import Selection
from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, OutboxRow
from fanin.aggregator.engines.sqlite.retention import Retention, purge
from fanin.aggregator.engines.sqlite.store import Store, store_error
from fanin.aggregator.engines.sqlite.store_thread import StoreThread
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.engines.sqlite.writer import (
    Discard,
    Request,
    Requeue,
    Result,
    Results,
    SetPaused,
    Writer,
)
from fanin.aggregator.errors import StoreBusyError, StoreError, StoreUnreadableError
from fanin.aggregator.fanin import FanIn, OperationId, Phase
from fanin.aggregator.metrics import Metrics, StoreFigures
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

# Room is proved no more often: anyone may ask for it, and it takes a third of a millisecond.
ROOM_S = 1.0
# A flush that takes longer makes the service unready. Disks that are overloaded take a second or two.
FLUSH_S = 5.0
# How long running attempts may take to end when the service stops.
STOP_S = 3.0


class TransactionFactory(Protocol):
    """`Transaction`, or what behaves like it."""

    def __call__(
        self, store: Store, settings: Settings, at_ms: int, /, *, notifier: Notifier | None
    ) -> Transaction: ...


def _nothing(_: Transaction) -> None:
    """Nothing follows from a commit but what the engine does itself."""


class SqliteEngine:
    """See `fanin.aggregator.engine.Engine`, whose promises it keeps."""

    capabilities = Capabilities(
        survives_kill=True,
        exclusive=True,
        has_retention=True,
        lists_outbox=True,
        controls_targets=True,
        virtual_time=True,
        reports_result=True,
        submits=True,
    )

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        notifier: Notifier | None,
        *,
        open_store: Callable[[Path], Store] = Store,
        transaction: TransactionFactory = Transaction,
        dispatcher: DispatcherFactory = Dispatcher,
        retention: Callable[[Store, int], Retention] = Retention,
        after_commit: Callable[[Transaction], None] = _nothing,
    ) -> None:
        """Prepare, without opening anything.

        Args:
            settings: The settings.
            clock: Says what is due.
            metrics: Where everything is counted.
            notifier: The notification targets; None without any.
            open_store: Opens the file in a folder, when the engine opens.
            transaction: Makes a batch's transaction.
            dispatcher: Makes a target's dispatcher.
            retention: Makes the deletion of outcomes, from the store and the retention in ms.
            after_commit: Called with each transaction that was committed.
        """
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._notifier = notifier
        self._open_store, self._transaction, self._retention_of = open_store, transaction, retention
        self._after_commit = after_commit
        self._has_decided = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._watcher: asyncio.Task[None] | None = None
        self._open = False
        self._checkpoints_failed = 0
        self._checkpoint: asyncio.Task[None] | None = None
        self._room_proved_s = -ROOM_S  # loop time
        # A machine's clock that is set back must not delay notifications; simulated worlds decide themselves.
        retry_clock = SteadyClock(clock) if isinstance(clock, SystemClock) else clock
        self._dispatchers = (
            Dispatchers(self, notifier, settings, clock=retry_clock, metrics=metrics, dispatcher=dispatcher)
            if notifier
            else None
        )

    # --- the port ---

    async def open(self) -> None:
        self._store = self._open_store(self._settings.data_dir)
        self._retention = self._retention_of(self._store, self._settings.retention_ms)
        is_real = isinstance(self._clock, SystemClock)
        self._thread = StoreThread(is_real=is_real)
        try:
            self._reader = self._store.reader() if is_real else self._store
            self._count_rows()
            self._begin_with_unreadable_rows()
            self._metrics.outbox_age_s, self._metrics.owns_store = self._outbox_age_s, True
            self._metrics.measure_store = self._measure_store
            self._warn_of_unknown_targets()
            if count := self._store.outbox.bring_forward(self._clock.now_ms()):
                log.event(logging.WARNING, "repetitions-brought-forward", notifications=count)
            for target in self._store.outbox.paused():
                self._set_paused(target, paused=True)
            self._writer = Writer(
                self._store,
                self._clock,
                self._metrics,
                thread=self._thread,
                begin=self._begin,
                committed=self._committed,
            )
        except sqlite3.Error as exc:
            self._store.close()
            raise store_error(exc, self._store.path) from exc
        loop = asyncio.get_running_loop()
        purging = purge(
            self._retention,
            self._store,
            thread=self._thread,
            clock=self._clock,
            has_decided=self._has_decided,
        )
        self._tasks = [loop.create_task(self._writer.run()), loop.create_task(purging)]
        if is_real:
            # Other clocks belong to simulated worlds, where no clock is set behind our back.
            self._watcher = loop.create_task(watch(self._clock, self.recheck))
        if self._dispatchers:
            self._dispatchers.start()
        self._open = True

    async def close(self) -> None:
        if not self._open:
            return
        try:
            if self._dispatchers:
                await self._dispatchers.stop(STOP_S)
            self._open = False
            self._writer.stop()
            writer, purger = self._tasks
            rest = [it for it in (purger, self._watcher, self._checkpoint) if it is not None]
            for task in rest:
                task.cancel()
            await asyncio.gather(writer, *rest, return_exceptions=True)
        finally:
            self._open = False
            self._thread.close()
            self._store.close()

    async def deliver(self, arrival: Arrival) -> Receipt:
        return await self.submit(arrival)

    def submit(self, arrival: Arrival) -> asyncio.Future[Receipt]:
        return self._submit(arrival)

    async def inspect(self, operation_id: OperationId) -> FanIn | None:
        known = self._read(lambda: self._reader.load((operation_id,))).get(operation_id)
        if isinstance(known, StoreUnreadableError):
            raise known
        return known[1] if known else None

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:
        return self._read(lambda: self._reader.page(phase, after, limit))

    async def latest(self, *, limit: int) -> list[FanIn]:
        return self._read(lambda: self._reader.latest(limit))

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:
        return self._read(lambda: self._reader.outbox.page(dead=dead, after=after, limit=limit))

    async def retry(self, *, target: str | None, operation: OperationId | None) -> int:
        ours = self._dispatchers.targets if self._dispatchers else ()
        targets = tuple(name for name in ours if target in (None, name))
        request = Requeue(targets, operation, self._read(self._reader.outbox.last_dead_letter))
        count = 0
        while requeued := await self._submit(request):
            count += requeued
        return count

    async def discard(self, *, target: str | None, operation: OperationId | None) -> int:
        outbox = self._reader.outbox
        request = Discard(
            Selection(target, operation),
            self._read(outbox.newest_number),
            self._read(outbox.last_dead_letter),
        )
        count = 0
        while discarded := await self._submit(request):
            count += discarded
            if self._dispatchers:
                self._dispatchers.reread()
        return count

    async def pause(self, *, target: str | None, operation: OperationId | None, paused: bool) -> int:
        count: int = await self._submit(SetPaused(Selection(target, operation), paused))
        if operation is None and target is not None:
            self._set_paused(target, paused=paused)
        elif self._dispatchers:
            self._dispatchers.reread()
            self._dispatchers.recheck()
        return count

    async def target_states(self) -> list[TargetState]:
        counts, paused = self._read(lambda: (self._reader.outbox.by_target(), self._reader.outbox.paused()))
        known = self._dispatchers.targets if self._dispatchers else ()
        return [
            TargetState(
                name,
                *counts.get(name, (0, 0)),
                state=self._metrics.breakers[name] if name in known else None,
                paused=name in paused,
            )
            for name in dict.fromkeys((*known, *counts, *sorted(paused)))
        ]

    async def check(self) -> None:
        now_s = asyncio.get_running_loop().time()
        room = now_s >= self._room_proved_s + ROOM_S
        self._read(lambda: self._reader.check(room=room))
        if room:
            self._room_proved_s = now_s
        if (busy_s := self._thread.busy_s()) < FLUSH_S:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._submit(None)
                return
            busy_s = self._thread.busy_s()
        raise StoreBusyError(f"the disk does not respond: a flush has taken {busy_s:.0f} s so far")

    # --- for variations of the engine ---

    @property
    def store(self) -> Store:
        """The open file. A writer begins and ends its transaction, then calls `recheck`."""
        return self._store

    def recheck(self) -> None:
        """Look again at what is due: the clock was set, or the file was written by other means."""
        self._writer.recheck()
        if self._dispatchers:
            self._dispatchers.wake(self._dispatchers.targets)
            self._dispatchers.recheck()

    # --- the outbox, as its dispatchers see it ---

    def unattempted(self, *, target: str, after: int, limit: int) -> list[OutboxRow]:
        return self._read(lambda: self._reader.outbox.unattempted(target=target, after=after, limit=limit))

    def newest_number(self) -> int:
        return self._read(self._reader.outbox.newest_number)

    def due_retries(self, *, target: str, now_ms: int, limit: int) -> list[OutboxRow]:
        return self._read(lambda: self._reader.outbox.due_retries(target=target, now_ms=now_ms, limit=limit))

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        return self._read(lambda: self._reader.outbox.next_retry_ms(target=target, now_ms=now_ms))

    async def record(self, results: Sequence[AttemptResult]) -> None:
        await self._submit(Results(results))

    def _warn_of_unknown_targets(self) -> None:
        """Log targets that have entries in the outbox and that the settings no longer name."""
        known = self._dispatchers.targets if self._dispatchers else ()
        for target, (pending, dead) in self._store.outbox.by_target().items():
            if target not in known:
                log.event(
                    logging.WARNING,
                    "target-not-configured",
                    target=target,
                    notifications=pending,
                    dead_letters=dead,
                    hint=f"configure it again, or run: fanin outbox discard --target {target}",
                )

    def _set_paused(self, target: str, *, paused: bool) -> None:
        self._metrics.paused[target] = paused
        if self._dispatchers:
            self._dispatchers.set_paused(target, paused=paused)

    # --- reading ---

    def _read[T](self, read: Callable[[], T]) -> T:
        if not self._open:
            raise StoreBusyError("the service is stopping")
        try:
            found = read()
            if self._store.unreadable.changed:
                self._count_rows()
        except sqlite3.Error as exc:
            raise store_error(exc, self._store.path) from exc
        return found

    def _count_rows(self) -> None:
        """Set the gauges from the file: at the start, and when rows were set aside."""
        self._metrics.waiting = self._reader.waiting_count()
        self._metrics.pending, self._metrics.dead = self._reader.outbox.counts()
        self._store.unreadable.changed = False

    def _begin_with_unreadable_rows(self) -> None:
        """Count operations that an earlier process set aside."""
        unreadable = self._store.unreadable
        unreadable.now_ms = self._clock.now_ms
        self._metrics.unreadable_rows = unreadable.counts
        if count := self._store.set_aside_count():
            unreadable.counts["operation"] += count
            log.event(logging.ERROR, "rows-set-aside", operations=count)

    # --- writing ---

    def _submit(self, request: Request) -> asyncio.Future[Any]:
        if not self._open:
            raise StoreBusyError("the service is stopping")
        return self._writer.submit(request)

    def _begin(self, at_ms: int) -> Transaction:
        return self._transaction(self._store, self._settings, at_ms, notifier=self._notifier)

    def _committed(
        self, transaction: Transaction, batch: Sequence[Request], results: Sequence[Result]
    ) -> None:
        """Wake the tasks that work on what was decided; count it, and log it."""
        if transaction.effects:
            self._has_decided.set()
        if self._dispatchers:
            if transaction.requeued:  # these are in the outbox alone
                self._dispatchers.wake(transaction.enqueued)
            else:
                self._dispatchers.add(transaction.rows)
        self._after_commit(transaction)
        record_commit(self._metrics, transaction, batch, results)
        if self._store.unreadable.changed:
            self._count_rows()

    def _measure_store(self) -> StoreFigures:
        if not self._open:
            return StoreFigures()
        if not self._thread.is_real:
            self._checkpoints_failed += not self._store.checkpoint()
        elif self._checkpoint is None or self._checkpoint.done():
            self._checkpoint = asyncio.get_running_loop().create_task(self._move_pages())
        return StoreFigures(
            log_bytes=self._store.log_bytes(),
            free_bytes=self._store.free_bytes(),
            checkpoints_failed=self._checkpoints_failed,
        )

    async def _move_pages(self) -> None:
        """Have SQLite move pages from its log to the file, and count whether that works."""
        async with self._thread.turn:
            self._checkpoints_failed += not await self._thread.run(self._store.checkpoint)

    def _outbox_age_s(self) -> float | None:
        try:
            oldest_ms = self._read(self._reader.outbox.oldest_decided_ms)
        except StoreError:
            return None
        return 0.0 if oldest_ms is None else max(0, self._clock.now_ms() - oldest_ms) / 1000
