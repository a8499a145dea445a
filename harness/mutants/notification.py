"""The notification: one key, sent until it is accepted, whatever becomes of other notifications."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.dispatchers import Dispatchers
from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, Delivered, Failed, Outbox, OutboxRow
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import ArrivalResult, Notification, Phase, notification_of
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import ATTEMPT_S, attempt
from fanin.aggregator.notify.port import NotDeliveredError, Notifier
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.retry_record import RetryDecision
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import Send, SendVariation, VariedEngine, VariedNotifier, vary

ATTEMPTS_MAX = 3
LEASE_S = 2.0


def sending(change: Callable[[Notification], Notification]) -> SendVariation:
    """Sends another notification than the one that was decided."""
    return lambda send, _clock: lambda notification: send(change(notification))


def _send_once(send: Send, _clock: Clock) -> Send:
    async def attempt_once(notification: Notification) -> None:
        with suppress(NotDeliveredError, TimeoutError):
            async with asyncio.timeout(ATTEMPT_S / 2):
                await send(notification)

    return attempt_once


def _send_three_times(send: Send, _clock: Clock) -> Send:
    attempts: dict[str, int] = {}  # by key

    async def attempt_thrice(notification: Notification) -> None:
        attempts[notification.key] = attempts.get(notification.key, 0) + 1
        try:
            await send(notification)
        except NotDeliveredError:
            if attempts[notification.key] < ATTEMPTS_MAX:
                raise

    return attempt_thrice


def _key_per_attempt(send: Send, _clock: Clock) -> Send:
    numbers = count(1)
    return lambda notification: send(
        msgspec.structs.replace(notification, key=f"{notification.key}-{next(numbers)}")
    )


def _key_per_process(send: Send, clock: Clock) -> Send:
    started_ms = clock.now_ms()
    return sending(lambda it: msgspec.structs.replace(it, key=f"{it.key}-{started_ms}"))(send, clock)


def _short_lease(send: Send, _clock: Clock) -> Send:
    """Let a second worker send what takes longer than its lease."""

    async def attempt_leased(notification: Notification) -> None:
        workers = [asyncio.create_task(_error_of(send, notification))]
        done, _ = await asyncio.wait(workers, timeout=LEASE_S)
        if not done:
            workers.append(asyncio.create_task(_error_of(send, notification)))
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        if error := next(iter(done)).result():
            raise error

    return attempt_leased


async def _error_of(send: Send, notification: Notification) -> NotDeliveredError | None:
    try:
        await send(notification)
    except NotDeliveredError as exc:
        return exc
    return None


def _decide_at_delivery(send: Send, clock: Clock) -> Send:
    """Let the deadline pass until the completion has been accepted."""

    def attempt_deciding(notification: Notification) -> Awaitable[None]:
        if notification.outcome is Phase.COMPLETED and clock.now_ms() >= notification.deadline_ms:
            notification = msgspec.structs.replace(notification, outcome=Phase.TIMED_OUT)
        return send(notification)

    return attempt_deciding


class _RenderedAtDelivery(VariedEngine):
    """Reads the operation again for every attempt."""

    def __init__(
        self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None, **kwargs: Any
    ) -> None:
        varied = VariedNotifier(notifier, self._with_current_state, clock) if notifier else None
        super().__init__(settings, clock, metrics, varied, **kwargs)

    def _with_current_state(self, send: Send, _clock: Clock) -> Send:
        async def attempt_rendered(notification: Notification) -> None:
            state = await self.inspect(notification.operation_id)
            if state and state.decided_ms is not None:
                with_late = msgspec.structs.replace(state, arrived={**state.arrived, **state.late})
                notification = notification_of(with_late, decided_ms=state.decided_ms)
            await send(notification)

        return attempt_rendered


class _TwoOutboxPollers(VariedEngine):
    """Has a second worker that reads the same outbox."""

    def __init__(
        self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None, **kwargs: Any
    ) -> None:
        super().__init__(settings, clock, metrics, notifier, **kwargs)
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

    def after_commit(self, transaction: Transaction) -> None:
        if self._second:
            self._second.wake(transaction.enqueued)


class SerialDispatcher:
    """A dispatcher (`engines.sqlite.dispatchers.TargetDispatcher`) that attempts one notification at a time.

    A notification that failed is attempted again before any other one is.
    """

    strict = True  # whether the others wait while a notification that failed waits for its retry

    def __init__(
        self,
        outbox: Outbox,
        target: str,
        notifier: Notifier,
        /,
        *,
        retry_policy: RetryPolicy,  # noqa: ARG002 - it tries for ever
        clock: Clock,
        metrics: Metrics,  # noqa: ARG002 - and counts nothing
    ) -> None:
        self._outbox, self._target, self._clock = outbox, target, clock
        self._send = partial(notifier.send, target)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, rows: Sequence[OutboxRow]) -> None:  # noqa: ARG002 - it reads them one by one
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    def recheck(self) -> None:
        self._woken.set()

    def reread(self) -> None:
        """Rows are read one by one."""

    def set_paused(self, *, paused: bool) -> None:
        """It knows no pauses."""

    async def stop(self, grace_s: float) -> None:  # noqa: ARG002 - an attempt that runs is repeated
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            now_ms = self._clock.now_ms()
            rows = [
                *self._outbox.due_retries(target=self._target, now_ms=now_ms, limit=1),
                *self._outbox.unattempted(target=self._target, after=0, limit=1),
            ]
            if rows:
                await self._attempt(rows[0])
                continue
            next_ms = self._outbox.next_retry_ms(target=self._target, now_ms=now_ms)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if next_ms is None else (next_ms - now_ms) / 1_000):
                    await self._woken.wait()

    async def _attempt(self, row: OutboxRow) -> None:
        record = row.record
        while True:
            error = await attempt(partial(self._send, row.notification), asyncio.timeout(ATTEMPT_S))
            if error is None:
                return await self._outbox.record([Delivered(row.n)])
            now_ms, decision = self._clock.now_ms(), RetryDecision(error=str(error))
            record = record.after(decision, key=row.notification.key, now_ms=now_ms)
            if not self.strict or record.due_ms is None:
                return await self._outbox.record([Failed(row.n, record)])
            await asyncio.sleep((record.due_ms - now_ms) / 1_000)


class _OneAtATimeDispatcher(SerialDispatcher):
    """Attempts others while a notification that failed waits for its retry."""

    strict = False


class _NotifiesInStrictOrder(VariedEngine):
    dispatcher_type = SerialDispatcher


class _NotifiesOneAtATime(VariedEngine):
    dispatcher_type = _OneAtATimeDispatcher


class _NotifiesBeforeAnswering(VariedEngine):
    """Answers the webhook that completes an operation when no notification is pending any more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._recorded = asyncio.Event()

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        if receipt.result is ArrivalResult.COUNTED and receipt.state.phase is Phase.COMPLETED:
            while self.store.outbox.counts()[0]:
                self._recorded.clear()
                await self._recorded.wait()
        return receipt

    async def record(self, results: Sequence[AttemptResult]) -> None:
        await super().record(results)
        self._recorded.set()


class _ReplaysActivities(VariedEngine):
    """Runs an operation from its start with every event, and its notification with it."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        state = receipt.state
        if receipt.result is not ArrivalResult.COUNTED and state.decided_ms is not None:
            self.enqueue(notification_of(state, decided_ms=state.decided_ms))
        return receipt


MUTANTS = (
    Mutant(
        "notifies-once",
        ("B51", "B58"),
        "Makes one attempt at a notification and ignores how it ends, so there is no notification of an"
        " outcome that falls while the sink is down.",
        "sink-down",
        vary(send=_send_once),
    ),
    Mutant(
        "gives-up-after-three-attempts",
        ("B58",),
        "Gives up after three attempts, so an outage of a few seconds loses the notification.",
        "sink-down",
        vary(send=_send_three_times),
    ),
    Mutant(
        "no-idempotency-key",
        ("B52",),
        "Sends no idempotency key, so a sink that receives a notification twice cannot recognise it.",
        "slow-region",
        vary(send=sending(lambda it: msgspec.structs.replace(it, key=""))),
    ),
    Mutant(
        "key-per-attempt",
        ("B52",),
        "Makes a new key for every attempt, so when the sink's response is lost, one notification becomes"
        " two.",
        "sink-response-lost",
        vary(send=_key_per_attempt),
    ),
    Mutant(
        "key-per-process",
        ("B52",),
        "Makes the start of the process a part of the key, so a notification that is sent again after a"
        " crash looks new to the sink.",
        "crash-at-notify",
        vary(send=_key_per_process),
    ),
    Mutant(
        "short-lease",
        ("B56",),
        "Leases a notification for two seconds without renewal, so a second worker sends it while a slow"
        " sink is still processing the first attempt.",
        "sink-stalls",
        vary(send=_short_lease),
    ),
    Mutant(
        "two-outbox-pollers",
        ("B43b",),
        "Has two workers that read the outbox before either has marked a row, so every notification is"
        " sent twice.",
        "slow-region",
        vary(engine=_TwoOutboxPollers),
    ),
    Mutant(
        "decides-at-delivery",
        ("B58",),
        "Decides an outcome when the notification is accepted, so an outage of the sink turns a completion"
        " into a timeout.",
        "sink-down",
        vary(send=_decide_at_delivery),
    ),
    Mutant(
        "rendered-at-delivery",
        ("B47",),
        "Writes the notification when it is sent instead of when the outcome is decided, so a timeout that"
        " was pending names a region as arrived that was late.",
        "late-before-notification",
        vary(engine=_RenderedAtDelivery),
    ),
    Mutant(
        "notifies-in-strict-order",
        ("B62",),
        "Sends notifications strictly in order, so one that the sink refuses for ever blocks all that"
        " follow.",
        "poisoned-sink",
        vary(engine=_NotifiesInStrictOrder),
    ),
    Mutant(
        "notifies-one-at-a-time",
        ("B62",),
        "Sends one notification at a time, so one that the sink processes for very long delays those of"
        " other operations.",
        "stuck-sink",
        vary(engine=_NotifiesOneAtATime),
    ),
    Mutant(
        "notifies-before-answering",
        ("B24",),
        "Sends the notification before it answers the webhook that completes the operation, so when the sink"
        " hangs, the registry gives up on a delivery that counted.",
        "sink-hangs",
        vary(engine=_NotifiesBeforeAnswering),
    ),
    Mutant(
        "replays-activities",
        ("B65",),
        "Runs an operation from its start with every event, side effects included, so every copy of a"
        " webhook sends the notification again.",
        "duplicate-after-done",
        vary(engine=_ReplaysActivities),
    ),
)
