"""The notification: one key, until somebody accepts it, whatever becomes of the others."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.dispatcher import (
    AttemptResult,
    Delivered,
    Dispatcher,
    Dispatchers,
    Failed,
    OutboxRow,
)
from fanin.aggregator.fanin import ArrivalResult, Notification, Phase, notification_of
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import ATTEMPT_S
from fanin.aggregator.notify.port import NotDeliveredError, Notifier
from fanin.aggregator.notify.retry_record import RetryDecision
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import Retold, Tell, VariedEngine, vary

TRIES_MAX = 3
LEASE_S = 2.0


def _telling_as(change: Callable[[Notification], Notification]) -> Callable[[Tell, Clock], Tell]:
    """Tells something else than what was decided."""
    return lambda tell, _clock: lambda notify: tell(change(notify))


def _once(tell: Tell, _clock: Clock) -> Tell:
    """Posts it, and forgets it."""

    async def attempt(notify: Notification) -> None:
        with suppress(NotDeliveredError, TimeoutError):
            async with asyncio.timeout(ATTEMPT_S / 2):
                await tell(notify)

    return attempt


def _three_times(tell: Tell, _clock: Clock) -> Tell:
    """Three tries must do."""
    tries: dict[str, int] = {}

    async def attempt(notify: Notification) -> None:
        tries[notify.key] = tries.get(notify.key, 0) + 1
        try:
            await tell(notify)
        except NotDeliveredError:
            if tries[notify.key] < TRIES_MAX:
                raise

    return attempt


def _fresh_keys(tell: Tell, _clock: Clock) -> Tell:
    """Every attempt is a message, and every message has an id."""
    numbers = count(1)
    return lambda notify: tell(msgspec.structs.replace(notify, key=f"{notify.key}-{next(numbers)}"))


def _keys_of_a_life(tell: Tell, clock: Clock) -> Tell:
    """A process numbers its messages; its own name is part of the number."""
    born_ms = clock.now_ms()
    return lambda notify: tell(msgspec.structs.replace(notify, key=f"{notify.key}-{born_ms}"))


def _short_lease(tell: Tell, _clock: Clock) -> Tell:
    """Work that takes longer than its lease is given to somebody else."""

    async def attempt(notify: Notification) -> None:
        workers = [asyncio.create_task(_quietly(tell, notify))]
        done, _ = await asyncio.wait(workers, timeout=LEASE_S)
        if not done:
            workers.append(asyncio.create_task(_quietly(tell, notify)))
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        if trouble := next(iter(done)).result():
            raise trouble

    return attempt


async def _quietly(tell: Tell, notify: Notification) -> NotDeliveredError | None:
    try:
        await tell(notify)
    except NotDeliveredError as exc:
        return exc
    return None


def _decided_when_told(tell: Tell, clock: Clock) -> Tell:
    """An operation is done when somebody has heard of it. Until then its deadline can pass."""

    def attempt(notify: Notification) -> Awaitable[None]:
        if notify.outcome is Phase.COMPLETED and clock.now_ms() >= notify.deadline_ms:
            notify = msgspec.structs.replace(notify, outcome=Phase.TIMED_OUT)
        return tell(notify)

    return attempt


class _WrittenWhenSent(VariedEngine):
    """Looks at the operation again for every attempt, to say what is true now."""

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        retold = Retold(notifier, self._as_of_now, clock) if notifier else None
        super().__init__(settings, clock, metrics, retold)

    def _as_of_now(self, tell: Tell, _clock: Clock) -> Tell:
        async def attempt(notify: Notification) -> None:
            state = await self.inspect(notify.operation_id)
            if state and state.decided_ms is not None:
                now = msgspec.structs.replace(state, arrived={**state.arrived, **state.late})
                notify = notification_of(now, decided_ms=state.decided_ms)
            await tell(notify)

        return attempt


class _TwoPollers(VariedEngine):
    """Two workers look into one outbox."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        settings, clock, metrics, notifier = args
        self._second = (
            Dispatchers(self, notifier, settings, clock=clock, metrics=metrics) if notifier else None
        )

    async def open(self) -> None:
        await super().open()
        if self._second:
            self._second.start()

    async def close(self) -> None:
        if self._second:
            await self._second.stop(0)
        await super().close()

    def after_commit(self, transaction: Any) -> None:
        super().after_commit(transaction)
        if self._second:
            self._second.wake(transaction.enqueued)


class _InOrder(Dispatcher):
    """One after the other."""

    stubborn = True  # nothing overtakes what was refused

    def start(self) -> None:
        self._lanes = [asyncio.get_running_loop().create_task(self._lane())]

    async def _lane(self) -> None:
        while True:
            self._has_pending.clear()
            now_ms = self._clock.now_ms()
            target = self._target
            rows = [
                *self._outbox.due_retries(target=target, now_ms=now_ms, limit=1),
                *self._outbox.unattempted(target=target, after=0, limit=1),
            ]
            if rows:
                await self._attempt(rows[0])
                continue
            next_ms = self._outbox.next_retry_ms(target=target, now_ms=now_ms)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if next_ms is None else (next_ms - now_ms) / 1_000):
                    await self._has_pending.wait()

    async def _attempt(self, row: OutboxRow) -> None:
        record = row.record
        while True:
            error = await self._once(row, asyncio.timeout(ATTEMPT_S))
            if error is None:
                return await self._outbox.record(Delivered(row.n))
            now_ms, decision = self._clock.now_ms(), RetryDecision(error=str(error))
            record = record.after(decision, key=row.notification.key, now_ms=now_ms)
            if not self.stubborn or record.due_ms is None:
                return await self._outbox.record(Failed(row.n, record))
            await asyncio.sleep((record.due_ms - now_ms) / 1_000)


class _OneAtATime(_InOrder):
    """What was refused comes again later; but while one is under way, the others wait."""

    stubborn = False


class _TellsInOrder(VariedEngine):
    dispatcher_type = _InOrder


class _TellsOneAtATime(_TellsInOrder):
    dispatcher_type = _OneAtATime


class _TellsBeforeAnswering(VariedEngine):
    """Whoever brings the last region is answered when nothing is left to tell."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._told = asyncio.Event()

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        if receipt.result is ArrivalResult.COUNTED and receipt.state.phase is Phase.COMPLETED:
            while self._store.outbox.counts()[0]:
                self._told.clear()
                await self._told.wait()
        return receipt

    async def record(self, result: AttemptResult) -> None:
        await super().record(result)
        self._told.set()


class _ReplaysActivities(VariedEngine):
    """Every event replays its operation from the start, and with it what was told."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        state = receipt.state
        if receipt.result is not ArrivalResult.COUNTED and state.decided_ms is not None:
            self.tell_besides(notification_of(state, decided_ms=state.decided_ms))
        return receipt


MUTANTS = (
    Mutant(
        "notifies-once",
        ("B51", "B58"),
        "Posts a notification and forgets it, so an outcome that falls while the sink is down is never"
        " heard of.",
        "sink-down",
        vary(telling=_once),
    ),
    Mutant(
        "gives-up-after-three-attempts",
        ("B58",),
        "Gives a notification up after three tries, so an outage of a few seconds swallows the outcome.",
        "sink-down",
        vary(telling=_three_times),
    ),
    Mutant(
        "no-idempotency-key",
        ("B52",),
        "Tells without an idempotency key, so a sink that hears of an outcome twice cannot know that it is"
        " one.",
        "slow-region",
        vary(telling=_telling_as(lambda notify: msgspec.structs.replace(notify, key=""))),
    ),
    Mutant(
        "key-per-attempt",
        ("B52",),
        "Draws a new key for every attempt, so when the sink's answer is lost, one outcome becomes two.",
        "sink-answer-lost",
        vary(telling=_fresh_keys),
    ),
    Mutant(
        "key-per-process",
        ("B52",),
        "Makes the process's start a part of the key, so what is told again after a crash looks new to the"
        " sink.",
        "crash-at-notify",
        vary(telling=_keys_of_a_life),
    ),
    Mutant(
        "short-lease",
        ("B56",),
        "Leases a notification for two seconds and does not renew, so a second worker sends it while a"
        " slow sink is still answering the first.",
        "sink-stalls",
        vary(telling=_short_lease),
    ),
    Mutant(
        "two-outbox-pollers",
        ("B43b",),
        "Has two workers that read the outbox before either has marked a row, so every notification is"
        " sent twice.",
        "slow-region",
        vary(engine=_TwoPollers),
    ),
    Mutant(
        "decides-at-delivery",
        ("B58",),
        "Takes an operation for done when its outcome is delivered, so an outage of the sink turns a"
        " completion into a timeout.",
        "sink-down",
        vary(telling=_decided_when_told),
    ),
    Mutant(
        "rendered-at-delivery",
        ("B47",),
        "Writes the notification when it is sent instead of when the outcome falls, so a timeout that"
        " could not be told names a region as arrived that came too late.",
        "late-while-untold",
        vary(engine=_WrittenWhenSent),
    ),
    Mutant(
        "notifies-in-strict-order",
        ("B62",),
        "Sends notifications strictly in order, so one that the sink refuses for ever holds up all that"
        " follow.",
        "poisoned-sink",
        vary(engine=_TellsInOrder),
    ),
    Mutant(
        "notifies-one-at-a-time",
        ("B62",),
        "Sends one notification at a time, so one for which the sink takes very long holds up those of"
        " other operations.",
        "stuck-sink",
        vary(engine=_TellsOneAtATime),
    ),
    Mutant(
        "notifies-before-answering",
        ("B24",),
        "Tells the outcome before it answers the webhook that completes it, so a sink that hangs makes the"
        " registry give up on a delivery that was counted.",
        "sink-hangs",
        vary(engine=_TellsBeforeAnswering),
    ),
    Mutant(
        "replays-activities",
        ("B65",),
        "Runs an operation from its start at every event, side effects included, so every copy of a"
        " webhook tells the outcome again.",
        "duplicate-after-done",
        vary(engine=_ReplaysActivities),
    ),
)
