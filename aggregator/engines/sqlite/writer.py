"""Group commit: requests gather while a batch is committed, and form the next batch.

Rules of this file: a request gets its response after the commit that it was in; the timer is one more reason
to write a batch, so deadlines compete with arrivals inside the same transaction; it runs in the event loop,
and only its commit, which waits for the disk, in a thread; nothing else uses its connection meanwhile.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fanin.aggregator import log
from fanin.aggregator.clock import Clock, longest_sleep_s, stopwatch_s
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.outbox import Selection
from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, Delivered
from fanin.aggregator.engines.sqlite.store import Store, store_error
from fanin.aggregator.engines.sqlite.store_thread import StoreThread
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import AggregatorError, StoreBusyError, StoreError, StoreFailedError
from fanin.aggregator.fanin import OperationId
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.wire import Arrival

# How many requests share one commit, and how many may wait in all. Beyond that, senders are answered 503.
BATCH_MAX = 256
INBOX_MAX = 10_000
# How many turns of the event loop a batch may grow for.
GATHER_TURNS_MAX = 8
# Deadlines decided per transaction, and how soon after some the timer looks again: they come in crowds.
DUE_MAX = 500
TIMER_GRAIN_S = 0.02
# How long the record of an accepted notification waits for other writes. After a crash in that time the
# notification is sent again, with the same key.
LINGER_S = 0.02
# How often a lock that another program holds is tried, with a pause that leaves the event loop free.
BEGIN_TRIES = 20
BEGIN_PAUSE_S = 0.05
# Entries of the outbox that are sent again, or discarded, per transaction.
REQUEUE_MAX = 500
# How long the timer rests after a failed transaction.
TROUBLE_S = 1.0


class Requeue(NamedTuple):
    """Send dead letters again."""

    targets: tuple[str, ...]
    operation: OperationId | None
    upto: int  # the number of the newest one


class Discard(NamedTuple):
    """Delete entries of the outbox."""

    selection: Selection
    pending_upto: int  # the number of the newest pending one
    dead_upto: int  # the number of the newest dead letter


class SetPaused(NamedTuple):
    """Pause a target, or what waits of an operation; or resume it."""

    selection: Selection
    paused: bool


class Results(NamedTuple):
    """Record how attempts ended."""

    results: Sequence[AttemptResult]


type Request = Arrival | Results | Requeue | Discard | SetPaused | None  # None proves that writing works
type Result = Receipt | AggregatorError | int | None


class Writer:
    """Writes requests and deadlines, batch by batch, from `run` to `stop`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        *,
        thread: StoreThread,
        begin: Callable[[int], Transaction],
        committed: Callable[[Transaction, Sequence[Request], Sequence[Result]], None],
    ) -> None:
        """Prepare, and read the first deadline.

        Args:
            store: The open file.
            clock: Says what is due.
            metrics: Where commits are timed.
            thread: Where they wait for the disk.
            begin: Makes a transaction of an instant, Unix epoch in ms.
            committed: Called after each commit, with the requests of the batch and their results.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        self._store, self._clock, self._metrics, self._thread = store, clock, metrics, thread
        self._sleep_s_max = longest_sleep_s(clock)
        self._transaction_at, self._committed = begin, committed
        self._inbox: list[tuple[Request, asyncio.Future[Any]]] = []
        self._has_work = asyncio.Event()
        self._next_deadline_ms = store.next_deadline_ms()
        self._timer_rests_until_s = 0.0  # loop time
        self._linger: asyncio.TimerHandle | None = None  # while only `Delivered` results wait
        self._open = True

    def submit(self, request: Request) -> asyncio.Future[Any]:
        """Have a request written; the future holds its result, or raises what `Engine.deliver` raises.

        Raises:
            StoreBusyError: too many requests wait, or the service is stopping.
        """
        if not self._open:
            raise StoreBusyError("the service is stopping")
        if len(self._inbox) >= INBOX_MAX:
            raise StoreBusyError(f"{INBOX_MAX} requests wait to be written already")
        response: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._inbox.append((request, response))
        if isinstance(request, Results) and all(isinstance(it, Delivered) for it in request.results):
            # It is not urgent: it may share the next commit, if there is one soon.
            if self._linger is None:
                self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._has_work.set)
        else:
            self._has_work.set()
        return response

    def recheck(self) -> None:
        """Read what is due again: the clock was set, or the file was written by other means."""
        self._next_deadline_ms = 0  # in the past, so that the next transaction looks
        self._has_work.set()

    def stop(self) -> None:
        """Take no more requests; `run` returns when those that wait are written."""
        self._open = False
        self._has_work.set()

    async def run(self) -> None:
        """Write until `stop`."""
        while self._open or self._inbox:
            await self._wait_for_work()
            await self._gather()
            if self._open or self._inbox:  # deadlines that have come are decided after the next start
                await self._flush()

    async def _wait_for_work(self) -> None:
        """Return when something waits to be written, or the next deadline has come."""
        while not self._has_work.is_set():
            if self._next_deadline_ms is None:
                await self._has_work.wait()
                return
            loop = asyncio.get_running_loop()
            left_s = (self._next_deadline_ms - self._clock.now_ms()) / 1000
            left_s = max(left_s, self._timer_rests_until_s - loop.time())
            if left_s <= 0:
                return
            try:
                async with asyncio.timeout(min(left_s, self._sleep_s_max)):
                    await self._has_work.wait()
            except TimeoutError:
                continue

    async def _gather(self) -> None:
        """Let requests that are in the sockets already join the batch: a commit for many costs as for one.

        Ends with the first turn of the event loop that brings none, so a lone request hardly waits.
        """
        for _ in range(GATHER_TURNS_MAX):
            before = len(self._inbox)
            await asyncio.sleep(0)
            if len(self._inbox) == before or before >= BATCH_MAX:
                return

    async def _flush(self) -> None:
        """Write one batch in one transaction and respond to every request in it, one way or the other."""
        self._has_work.clear()
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        batch = self._inbox[:BATCH_MAX]
        del self._inbox[:BATCH_MAX]
        if self._inbox:
            self._has_work.set()
        results: Sequence[Result]
        try:
            async with self._thread.turn:
                await self._begin()
                results = await self._transact([request for request, _ in batch])
        except Exception as exc:  # noqa: BLE001 - whatever it was, every request must get its response
            error = self._failed(exc)
            if batch:
                log.event(logging.ERROR, "not-stored", requests=len(batch), reason=error)
            else:
                log.event(logging.ERROR, "deadlines-not-read", reason=error)
            results = [error] * len(batch)
        for (_, response), result in zip(batch, results, strict=True):
            if response.done():  # the caller was cancelled
                continue
            if isinstance(result, Exception):
                response.set_exception(result)
            else:
                response.set_result(result)

    async def _begin(self) -> None:
        for _ in range(BEGIN_TRIES - 1):
            try:
                self._store.begin()
            except StoreBusyError:
                await asyncio.sleep(BEGIN_PAUSE_S)
            else:
                return
        self._store.begin()

    async def _transact(self, batch: Sequence[Request]) -> list[Result]:
        """Read, decide, write and commit; return the results, one for each request."""
        now_ms = self._clock.now_ms()
        transaction = self._transaction_at(now_ms)
        transaction.load(request for request in batch if isinstance(request, Arrival))
        results: list[Result] = [
            transaction.deliver(request) if isinstance(request, Arrival) else None for request in batch
        ]
        if self._next_deadline_ms is not None and now_ms >= self._next_deadline_ms:
            transaction.expire(DUE_MAX)
        transaction.write([it for request in batch if isinstance(request, Results) for it in request.results])
        for nth, it in enumerate(batch):
            if it is None:
                self._store.touch()
            elif isinstance(it, Requeue):
                results[nth] = transaction.requeue(it.targets, it.operation, it.upto, REQUEUE_MAX)
            elif isinstance(it, Discard):
                results[nth] = transaction.discard(
                    it.selection, pending_upto=it.pending_upto, dead_upto=it.dead_upto, limit=REQUEUE_MAX
                )
            elif isinstance(it, SetPaused):
                results[nth] = transaction.set_paused(it.selection, paused=it.paused)
        began_s = stopwatch_s()
        try:
            await self._thread.run(self._store.commit)
        except sqlite3.Error as exc:
            raise StoreFailedError(f"{self._store.path.name}: the commit failed: {exc}") from exc
        self._metrics.commit_s.observe(stopwatch_s() - began_s)
        self._set_timer(transaction)
        self._committed(transaction, batch, results)
        return results

    def _set_timer(self, transaction: Transaction) -> None:
        """Remember the next deadline, after a commit."""
        if transaction.expired is None:
            earliest = transaction.next_deadline_ms()
            known = self._next_deadline_ms
            if earliest is not None and (known is None or earliest < known):
                self._next_deadline_ms = earliest
        else:
            self._next_deadline_ms = self._store.next_deadline_ms()
            self._timer_rests_until_s = asyncio.get_running_loop().time() + TIMER_GRAIN_S

    def _failed(self, exc: Exception) -> StoreError:
        """Undo the transaction; return the error for the requests that were in it."""
        self._store.rollback()
        self._timer_rests_until_s = asyncio.get_running_loop().time() + TROUBLE_S
        # A commit that failed may have happened all the same, with deadlines that were not noted here.
        self._next_deadline_ms = self._clock.now_ms()
        if isinstance(exc, StoreError):
            return exc
        if isinstance(exc, sqlite3.Error):
            return store_error(exc, self._store.path)
        log.LOGGER.error("a transaction crashed", exc_info=exc)
        return StoreFailedError(f"internal error: {type(exc).__name__}")
