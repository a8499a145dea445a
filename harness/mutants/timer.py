"""When the deadline passes: the timer fires once, and competes with arrivals for one outcome."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.store import StoredOperation
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import ArrivalResult, Arrived, DeadlineReached, FanIn, Phase, Step, step
from fanin.aggregator.notify.target import DEFAULT_NAME
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, VariedStore, finished, stepping, vary

DAY_MS = 86_400_000
# How early a reaper that looks every 20 ms counts an operation among those that are due, and when it acts.
PICKED_EARLY_S, ACTS_AFTER_S = 0.01, 0.02
# How long after the deadline an operation that was parked is decided.
PARKED_S = 0.3


def _any_wake_up(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Whatever wakes the instance is taken for its timer."""
    result = step(state, event)
    if result.state.phase is Phase.WAITING:
        return finished(result.state, Phase.TIMED_OUT, event.at_ms)
    return result


class _NeverDisarmed(VariedEngine):
    def after_commit(self, transaction: Transaction) -> None:
        super().after_commit(transaction)
        for effect in transaction.effects:
            if effect.outcome is Phase.COMPLETED:
                again = msgspec.structs.replace(effect, outcome=Phase.TIMED_OUT)
                left_s = (effect.deadline_ms - self._clock.now_ms()) / 1000
                asyncio.get_running_loop().call_later(left_s, self.tell_besides, again)


class _PicksEarly(VariedEngine):
    """A reaper collects what is due, and then decides it, whatever has come of it meanwhile."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        state = receipt.state
        if receipt.result is ArrivalResult.COUNTED and len(state.arrived) == 1:
            left_s = (state.deadline_ms - self._clock.now_ms()) / 1000
            loop = asyncio.get_running_loop()
            loop.call_later(
                left_s - PICKED_EARLY_S, partial(loop.create_task, self._reap(state.operation_id))
            )
        return receipt

    async def _reap(self, operation_id: str) -> None:
        picked = await self.inspect(operation_id)
        await asyncio.sleep(ACTS_AFTER_S)
        state = await self.inspect(operation_id)
        if picked and state and picked.phase is Phase.WAITING and state.phase is Phase.COMPLETED:
            self.tell_besides(*finished(picked, Phase.TIMED_OUT, self._clock.now_ms()).effects)


class _TimerWinsReplay(VariedEngine):
    """Replays what was not told: both the last event and the timer are in its history by now."""

    async def open(self) -> None:
        await super().open()
        now_ms = self._clock.now_ms()
        for row in self._store.outbox.unattempted(target=DEFAULT_NAME, after=0, limit=1_000):
            told = row.notification
            if told.outcome is Phase.COMPLETED and now_ms >= told.deadline_ms:
                last = told.arrived[-1:]
                other = msgspec.structs.replace(
                    told, outcome=Phase.TIMED_OUT, arrived=told.arrived[:-1], missing=last
                )
                self.tell_besides(other)
                self._store.outbox.delete_delivered([row.n])


def _deaf_after_three_days(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """From the second of its pieces on, a long timer is waited for alone."""
    long = state.deadline_ms - state.started_ms > 3 * DAY_MS
    if isinstance(event, Arrived) and long and event.at_ms > state.started_ms + 3 * DAY_MS:
        return Step(state, (), ArrivalResult.DUPLICATE)
    return step(state, event)


class _TimersOfThisLife(VariedStore):
    """Knows the deadlines of what has started since the file was opened."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._born = self._integer("SELECT max(n) FROM operation") or 0

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return [(n, state) for n, state in super().due(now_ms, limit) if n > self._born]

    def next_deadline_ms(self) -> int | None:
        return min((state.deadline_ms for n, state in self.waiting() if n > self._born), default=None)


class _ArmedOnce(VariedStore):
    """Says when the next deadline is when it is opened. After that, only what starts arms the timer."""

    _told = False

    def next_deadline_ms(self) -> int | None:
        told, self._told = self._told, True
        return None if told else super().next_deadline_ms()


class _ParkingStore(VariedStore):
    """Can take an operation out of those that wait, and put it back."""

    def park(self, numbers: Sequence[int], outcome: str | None) -> None:
        self._db.executemany("UPDATE operation SET outcome = ? WHERE n = ?", [(outcome, n) for n in numbers])


class _Parks(Transaction):
    """What is due is marked as expired here, and decided by a job that runs a little later."""

    store: _ParkingStore

    def expire(self, limit: int) -> None:
        due = self.store.due(self.at_ms, limit)
        self.parked = [n for n, _ in due]
        self.store.park(self.parked, "expired")
        self.expired = len(due)


class _ExpiresInTwoSteps(VariedEngine):
    store_type = _ParkingStore
    transaction_type = _Parks
    _store: _ParkingStore

    def after_commit(self, transaction: Transaction) -> None:
        super().after_commit(transaction)
        if isinstance(transaction, _Parks) and transaction.expired:
            asyncio.get_running_loop().call_later(PARKED_S, self._decide, transaction.parked)

    def _decide(self, parked: Sequence[int]) -> None:
        self._store.begin()
        self._store.park(parked, None)
        deciding = Transaction(self._store, self._settings, self._clock.now_ms(), notifier=self._notifier)
        deciding.expire(len(parked))
        deciding.write(())
        self._store.commit()
        self.recheck()


class _TwoTimers(VariedEngine):
    """Two pollers find the same deadline, and each takes it for its own."""

    def after_commit(self, transaction: Transaction) -> None:
        super().after_commit(transaction)
        for effect in transaction.effects:
            if effect.outcome is Phase.TIMED_OUT:
                self.tell_besides(msgspec.structs.replace(effect, key=f"{effect.key}-2"))


class _MortalStore(VariedStore):
    """Its timer can die."""

    timer_dead = False

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return [] if self.timer_dead else super().due(now_ms, limit)

    def next_deadline_ms(self) -> int | None:
        return None if self.timer_dead else super().next_deadline_ms()


class _DiesOfAClosedOne(VariedEngine):
    """A timer that fires for a closed operation raises an error in the loop that fires all of them."""

    store_type = _MortalStore

    def after_commit(self, transaction: Transaction) -> None:
        super().after_commit(transaction)
        for effect in transaction.effects:
            if effect.outcome is Phase.COMPLETED:
                left_s = (effect.deadline_ms - self._clock.now_ms()) / 1000
                asyncio.get_running_loop().call_later(left_s, self._die)

    def _die(self) -> None:
        assert isinstance(self._store, _MortalStore)  # noqa: S101 - they belong together
        self._store.timer_dead = True


class _JudgedWhenProcessed(VariedEngine):
    """Starts an operation at once. Everything later is put into a durable queue, answered, and worked off."""

    QUEUE_S = 0.3

    async def open(self) -> None:
        self._queue = self._settings.data_dir / "queue.jsonl"
        await super().open()
        if self._queue.exists():
            for line in self._queue.read_bytes().splitlines():
                self._work_off_later(msgspec.json.decode(line, type=Arrival))

    async def deliver(self, arrival: Arrival) -> Receipt:
        state = await self.inspect(arrival.operation_id)
        if state is None or arrival.region not in state.expected:
            return await super().deliver(arrival)
        with self._queue.open("ab") as file:
            file.write(msgspec.json.encode(arrival) + b"\n")
        self._work_off_later(arrival)
        return Receipt(state, ArrivalResult.COUNTED)

    def _work_off_later(self, arrival: Arrival) -> None:
        loop = asyncio.get_running_loop()
        work = super().deliver
        loop.call_later(self.QUEUE_S, lambda: loop.create_task(work(arrival)))


MUTANTS = (
    Mutant(
        "any-wake-up-is-timeout",
        ("B34",),
        "Takes whatever wakes an operation for its timer, so the second webhook times it out.",
        "slow-region",
        vary(transaction=stepping(step=_any_wake_up)),
    ),
    Mutant(
        "timer-never-cancelled",
        ("B36",),
        "Leaves the timer armed when an operation completes, so it is told completed, and timed out when"
        " the deadline passes.",
        "slow-region",
        vary(engine=_NeverDisarmed),
    ),
    Mutant(
        "stale-reaper",
        ("B36",),
        "Collects the operations that are due and decides them a moment later without looking again, so"
        " one that completes in between is told both outcomes.",
        "photo-finish",
        vary(engine=_PicksEarly),
    ),
    Mutant(
        "timer-wins-replay",
        ("B35", "B66"),
        "Decides again after a restart, by the clock of that moment, so an operation that was complete"
        " before the crash has timed out after it.",
        "crash-at-the-finish",
        vary(engine=_TimerWinsReplay),
    ),
    Mutant(
        "ignores-events-after-three-days",
        ("B37",),
        "Splits timers of more than three days and listens to events only during the first piece, so a"
        " region that reports on day four is never counted.",
        "thirty-days",
        vary(transaction=stepping(step=_deaf_after_three_days)),
    ),
    Mutant(
        "timer-in-memory",
        ("B38", "B40"),
        "Keeps its timers in memory, so an operation that waits when the process dies is never decided.",
        "down-over-the-deadline",
        vary(store=_TimersOfThisLife),
    ),
    Mutant(
        "timer-armed-once",
        ("B40",),
        "Does not look for the next deadline when one has fired, so of several operations that wait only"
        " the first is ever timed out.",
        "forgotten-webhook",
        vary(store=_ArmedOnce),
    ),
    Mutant(
        "late-by-processing-time",
        ("B43",),
        "Judges a webhook by when it is worked on and not by when it was accepted, so one that waits in a"
        " queue while the deadline passes is late.",
        "photo-finish",
        vary(engine=_JudgedWhenProcessed),
    ),
    Mutant(
        "two-timers",
        ("B43b",),
        "Has two pollers that find the same deadline, so every timeout is told twice, under two keys.",
        "dropped-region",
        vary(engine=_TwoTimers),
    ),
    Mutant(
        "expires-in-two-transactions",
        ("B43c",),
        "Marks an operation as expired in one transaction and decides it in another, so a crash in between"
        " leaves it parked for ever.",
        "crash-at-the-deadline",
        vary(engine=_ExpiresInTwoSteps),
    ),
    Mutant(
        "closed-timer-ends-loop",
        ("B43d",),
        "Leaves timers of completed operations armed and lets their errors through, so the first that fires"
        " ends the loop that fires them all.",
        "done-then-lost",
        vary(engine=_DiesOfAClosedOne),
    ),
)
