"""The embedded engine: one SQLite file, one transaction for everything that waits to be written.

Rules of this file: what is acknowledged is committed; arrivals, deadlines and marks share one write path, so
the timer competes with arrivals inside the same transaction; nothing is kept in memory per waiting operation,
only the next deadline; everything runs in the event loop, so a transaction is never interrupted.

While a batch is committed, further requests gather and form the next batch (group commit).
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from fanin.aggregator import log
from fanin.aggregator.clock import Clock, SystemClock, stopwatch_s, watch
from fanin.aggregator.engine import Capabilities, Notifier, OutboxPage, Page, Receipt
from fanin.aggregator.engines.sqlite.dispatcher import Dead, Dispatchers, Failed, Mark, Row, Told
from fanin.aggregator.engines.sqlite.errors import translated
from fanin.aggregator.engines.sqlite.retention import Retention
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import AggregatorError, StoreBusyError, StoreError, StoreFailedError
from fanin.aggregator.fanin import ArrivalResult, FanIn, OperationId, Phase, Region
from fanin.aggregator.metrics import Metrics, record_outcome
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

# What may wait for one commit, and at all. Beyond that a sender is told to come back.
BATCH_MAX = 256
INBOX_MAX = 10_000
# How many turns of the event loop a batch may grow for.
GATHER_TURNS_MAX = 8
# Deadlines decided per transaction, and how soon after some the timer looks again: they come in crowds.
DUE_MAX = 500
TIMER_GRAIN_S = 0.02
# How long an accepted notification's mark waits for other work; a crash meanwhile repeats it, same key.
LINGER_S = 0.02
# A lock that somebody else holds is waited for so often, with a pause that leaves the event loop free.
BEGIN_TRIES = 20
BEGIN_PAUSE_S = 0.05
# Dead letters that are sent again per transaction.
REVIVE_MAX = 500
# After a failed transaction the timer holds back so long.
TROUBLE_S = 1.0
# A nap no longer than this, because the clock may be set meanwhile.
NAP_S_MAX = 300.0
# How long notifications under way may take to end when the service stops.
STOP_S = 3.0


class _Revive(NamedTuple):
    """Send dead letters again."""

    targets: tuple[str, ...]
    operation: OperationId | None
    upto: int


type _Work = Arrival | Mark | _Revive | None  # None proves that writing works
type _Answer = asyncio.Future[Any]
type _Result = Receipt | AggregatorError | int | None


class SqliteEngine:
    """See `fanin.aggregator.engine.Engine`, whose promises it keeps."""

    capabilities = Capabilities(
        survives_kill=True,
        exclusive=True,
        has_retention=True,
        lists_outbox=True,
        virtual_time=True,
        reports_result=True,
    )

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._inbox: list[tuple[_Work, _Answer]] = []
        self._wanted = asyncio.Event()
        self._decided = asyncio.Event()
        self._next_deadline_ms: int | None = None
        self._timer_rests_until_s = 0.0  # loop time
        self._lingering: asyncio.TimerHandle | None = None  # while marks wait for company
        self._tasks: list[asyncio.Task[None]] = []
        self._watcher: asyncio.Task[None] | None = None
        self._open = False
        self._notifier = notifier
        self._dispatchers = (
            Dispatchers(self, notifier, settings, clock=clock, metrics=metrics) if notifier else None
        )

    # --- the port ---

    async def open(self) -> None:
        self._store = Store(self._settings.data_dir)
        self._retention = Retention(self._store, self._settings.retention_ms)
        try:
            self._metrics.waiting = self._store.waiting_count()
            self._metrics.pending, self._metrics.dead = self._store.outbox.counts()
            self._metrics.outbox_age_s, self._metrics.owns_store = self._outbox_age_s, True
            self._warn_of_strangers()
            self._next_deadline_ms = self._store.next_deadline_ms()
        except sqlite3.Error as exc:
            self._store.close()
            raise translated(exc, self._store.path) from exc
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._write()), loop.create_task(self._forget())]
        if isinstance(self._clock, SystemClock):
            # Other clocks belong to simulated worlds, where nobody sets them behind our back.
            self._watcher = loop.create_task(watch(self._clock, self._clock_was_set))
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
            self._wanted.set()
            writer, forgetter = self._tasks
            forgetter.cancel()
            if self._watcher:
                self._watcher.cancel()
            await asyncio.gather(writer, forgetter, return_exceptions=True)
        finally:
            self._open = False
            self._store.close()

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt: Receipt = await self._submit(arrival)
        return receipt

    async def inspect(self, operation_id: OperationId) -> FanIn | None:
        known = self._read(lambda: self._store.load((operation_id,)))
        return known[operation_id][1] if known else None

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:
        rows = self._read(lambda: self._store.page(phase, after, limit))
        return Page([state for _, state in rows], rows[-1][0] if len(rows) == limit else None)

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:
        rows = self._read(lambda: self._store.outbox.page(dead=dead, after=after, limit=limit))
        return OutboxPage([letter for _, letter in rows], rows[-1][0] if len(rows) == limit else None)

    async def retry(self, *, target: str | None, operation: OperationId | None) -> int:
        ours = self._dispatchers.targets if self._dispatchers else ()
        targets = tuple(name for name in ours if target in (None, name))
        work = _Revive(targets, operation, self._read(self._store.outbox.last_dead))
        count = 0
        while revived := await self._submit(work):
            count += revived
        return count

    async def check(self) -> None:
        await self._submit(None)

    # --- the outbox, as its dispatcher sees it ---

    def fresh(self, *, target: str, after: int, limit: int) -> list[Row]:
        return self._read(lambda: self._store.outbox.fresh(target=target, after=after, limit=limit))

    def newest(self) -> int:
        return self._read(self._store.outbox.newest)

    def retries(self, *, target: str, now_ms: int, limit: int) -> list[Row]:
        return self._read(lambda: self._store.outbox.retries(target=target, now_ms=now_ms, limit=limit))

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        return self._read(lambda: self._store.outbox.next_retry_ms(target=target, now_ms=now_ms))

    async def mark(self, mark: Mark) -> None:
        await self._submit(mark)

    def _warn_of_strangers(self) -> None:
        """What waits for a target that the settings no longer name, waits until they do."""
        known = self._dispatchers.targets if self._dispatchers else ()
        for target, count in self._store.outbox.live_by_target().items():
            if target not in known:
                log.event(logging.WARNING, "target-not-configured", target=target, notifications=count)

    # --- reading, and asking for a write ---

    def _read[T](self, read: Callable[[], T]) -> T:
        if not self._open:
            raise StoreBusyError("the service is stopping")
        try:
            return read()
        except sqlite3.Error as exc:
            raise translated(exc, self._store.path) from exc
        except msgspec.MsgspecError as exc:
            raise StoreFailedError(f"{self._store.path.name} holds a row that cannot be read: {exc}") from exc

    def _submit(self, work: _Work) -> _Answer:
        if not self._open:
            raise StoreBusyError("the service is stopping")
        if len(self._inbox) >= INBOX_MAX:
            raise StoreBusyError(f"{INBOX_MAX} requests wait to be written already")
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._inbox.append((work, answer))
        if isinstance(work, Told):
            # Nobody waits for it: it may travel with the next batch, if there is one soon.
            if self._lingering is None:
                self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._wanted.set)
        else:
            self._wanted.set()
        return answer

    # --- the writer ---

    async def _write(self) -> None:
        while self._open or self._inbox:
            await self._until_wanted()
            await self._gather()
            await self._flush()

    def _clock_was_set(self) -> None:
        """Deadlines may have come, and repeats may be due."""
        self._wanted.set()
        if self._dispatchers:
            self._dispatchers.look_again()

    async def _gather(self) -> None:
        """Let requests that are in the sockets already join the batch: a commit for many costs as for one.

        Ends with the first turn of the event loop that brings none, so a lone request hardly waits.
        """
        for _ in range(GATHER_TURNS_MAX):
            before = len(self._inbox)
            await asyncio.sleep(0)
            if len(self._inbox) == before or before >= BATCH_MAX:
                return

    async def _until_wanted(self) -> None:
        """Return when something waits to be written, or the next deadline has come."""
        while not self._wanted.is_set():
            if self._next_deadline_ms is None:
                await self._wanted.wait()
                return
            loop = asyncio.get_running_loop()
            left_s = (self._next_deadline_ms - self._clock.now_ms()) / 1000
            left_s = max(left_s, self._timer_rests_until_s - loop.time())
            if left_s <= 0:
                return
            try:
                async with asyncio.timeout(min(left_s, NAP_S_MAX)):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _flush(self) -> None:
        """Write one batch in one transaction and answer everybody in it, one way or the other."""
        self._wanted.clear()
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        batch = self._inbox[:BATCH_MAX]
        del self._inbox[:BATCH_MAX]
        if self._inbox:
            self._wanted.set()
        results: Sequence[_Result]
        try:
            await self._begin()
            results = self._transact(batch)
        except Exception as exc:  # noqa: BLE001 - whatever it was, nobody may wait for an answer for ever
            error = self._failed(exc)
            log.event(logging.ERROR, "not-stored", requests=len(batch), reason=error)
            results = [error] * len(batch)
        for (_, answer), result in zip(batch, results, strict=True):
            if answer.done():  # whoever asked has gone
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    async def _begin(self) -> None:
        for _ in range(BEGIN_TRIES - 1):
            try:
                self._store.begin()
            except StoreBusyError:
                await asyncio.sleep(BEGIN_PAUSE_S)
            else:
                return
        self._store.begin()

    def _transact(self, batch: list[tuple[_Work, _Answer]]) -> list[_Result]:
        """Read, decide, write and commit; return what to answer, one for each of the batch."""
        now_ms = self._clock.now_ms()
        transaction = Transaction(self._store, self._settings, now_ms, notifier=self._notifier)
        transaction.load(work for work, _ in batch if isinstance(work, Arrival))
        results: list[_Result] = [
            transaction.deliver(work) if isinstance(work, Arrival) else None for work, _ in batch
        ]
        if self._next_deadline_ms is not None and now_ms >= self._next_deadline_ms:
            transaction.expire(DUE_MAX)
        transaction.write([work for work, _ in batch if isinstance(work, (Told, Failed, Dead))])
        for nth, (work, _) in enumerate(batch):
            if work is None:
                self._store.touch()
            elif isinstance(work, _Revive):
                results[nth] = transaction.revive(work.targets, work.operation, work.upto, REVIVE_MAX)
        began_s = stopwatch_s()
        try:
            self._store.commit()
        except sqlite3.Error as exc:
            raise StoreFailedError(f"{self._store.path.name}: the commit failed: {exc}") from exc
        self._metrics.commit_s.add(stopwatch_s() - began_s)
        self._committed(transaction)
        self._account(transaction, [work for work, _ in batch], results)
        return results

    def _committed(self, transaction: Transaction) -> None:
        """Remember the next deadline, and wake whoever waits for what was decided."""
        if transaction.expired is None:
            ours = transaction.next_deadline_ms()
            if ours is not None and (self._next_deadline_ms is None or ours < self._next_deadline_ms):
                self._next_deadline_ms = ours
        else:
            self._next_deadline_ms = self._store.next_deadline_ms()
            self._timer_rests_until_s = asyncio.get_running_loop().time() + TIMER_GRAIN_S
        if transaction.effects:
            self._decided.set()
        if self._dispatchers:
            self._dispatchers.wake(transaction.put)

    def _account(self, transaction: Transaction, batch: list[_Work], results: list[_Result]) -> None:
        """Count and log what was decided."""
        metrics = self._metrics
        metrics.batch.add(len(batch) + (transaction.expired or 0))
        metrics.waiting += transaction.started - len(transaction.effects)
        metrics.pending += transaction.put.total() - transaction.told - transaction.dead
        metrics.dead += transaction.dead - transaction.revived
        every = log.LOGGER.isEnabledFor(logging.DEBUG)
        lines = []
        for work, result in zip(batch, results, strict=True):
            if isinstance(work, Arrival) and isinstance(result, Receipt):
                standing = result.result
                metrics.arrivals[work.region, standing] += 1
                if standing is not ArrivalResult.DUPLICATE:
                    metrics.lag_s[work.region].add(_lag_s(result.state, work.region))
                if every or standing is not ArrivalResult.COUNTED:
                    lines.append(log.line(standing, operation=work.operation_id, region=work.region))
        lines += [record_outcome(metrics, effect) for effect in transaction.effects]
        log.lines(logging.INFO, lines)

    def _outbox_age_s(self) -> float | None:
        try:
            oldest_ms = self._read(self._store.outbox.oldest_decided_ms)
        except StoreError:
            return None
        return 0.0 if oldest_ms is None else max(0, self._clock.now_ms() - oldest_ms) / 1000

    def _failed(self, exc: Exception) -> StoreError:
        """Undo the transaction; return what to tell those who waited for it."""
        self._store.rollback()
        self._timer_rests_until_s = asyncio.get_running_loop().time() + TROUBLE_S
        # A commit that failed may have happened all the same, with deadlines that nobody has noted.
        self._next_deadline_ms = self._clock.now_ms()
        if isinstance(exc, StoreError):
            return exc
        if isinstance(exc, sqlite3.Error):
            return translated(exc, self._store.path)
        log.LOGGER.error("a transaction crashed", exc_info=exc)
        return StoreFailedError(f"internal error: {type(exc).__name__}")

    # --- retention ---

    async def _forget(self) -> None:
        """Forget outcomes whose retention is over, a few at a time."""
        while True:
            self._decided.clear()
            try:
                rest_s = self._retention.step(self._clock.now_ms())
            except (sqlite3.Error, StoreError) as exc:
                self._store.rollback()
                log.event(logging.WARNING, "not-purged", reason=exc)
                rest_s = TROUBLE_S
            if rest_s is None:
                await self._decided.wait()
            else:
                await asyncio.sleep(rest_s)


def _lag_s(state: FanIn, region: Region) -> float:
    """How long after its operation's first arrival a region reported."""
    at_ms = state.arrived.get(region) or state.late[region]
    return (at_ms - state.started_ms) / 1000
