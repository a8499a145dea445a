"""The timer at the deadline: it fires once, and competes with arrivals for the one outcome."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.store import StoredOperation
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import ArrivalResult, Arrived, DeadlineReached, FanIn, Phase, Step, step
from fanin.aggregator.notify.target import DEFAULT_NAME
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import ALL, VariedEngine, VariedStore, decide, vary

DAY_MS = 86_400_000
# A reaper that looks every 20 ms counts an operation as due so early, and decides it so much later.
PICKED_EARLY_S, DECIDES_AFTER_S = 0.01, 0.02
# How long after its deadline an expired operation is decided.
DECIDED_LATER_S = 0.3
# How long an arrival waits in a queue before it is processed.
QUEUE_S = 0.3


def _step_any_wake_up(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Time out with whatever event comes while the operation waits."""
    result = step(state, event)
    if result.state.phase is Phase.WAITING:
        return decide(result.state, Phase.TIMED_OUT, event.at_ms)
    return result


class _TimerNeverCancelled(VariedEngine):
    def after_commit(self, transaction: Transaction) -> None:
        for effect in transaction.effects:
            if effect.outcome is Phase.COMPLETED:
                timeout = msgspec.structs.replace(effect, outcome=Phase.TIMED_OUT)
                left_s = (effect.deadline_ms - self.clock.now_ms()) / 1000
                asyncio.get_running_loop().call_later(left_s, self.enqueue, timeout)


class _StaleReaper(VariedEngine):
    """Collects what is due, and decides it later from the state that it collected."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        state = receipt.state
        if receipt.result is ArrivalResult.COUNTED and len(state.arrived) == 1:
            left_s = (state.deadline_ms - self.clock.now_ms()) / 1000
            loop = asyncio.get_running_loop()
            loop.call_later(
                left_s - PICKED_EARLY_S, partial(loop.create_task, self._reap(state.operation_id))
            )
        return receipt

    async def _reap(self, operation_id: str) -> None:
        picked = await self.inspect(operation_id)
        await asyncio.sleep(DECIDES_AFTER_S)
        state = await self.inspect(operation_id)
        if picked and state and picked.phase is Phase.WAITING and state.phase is Phase.COMPLETED:
            self.enqueue(*decide(picked, Phase.TIMED_OUT, self.clock.now_ms()).effects)


class _TimerWinsReplay(VariedEngine):
    """Decides pending completions again at its start: the timer has fired in the history by now."""

    async def open(self) -> None:
        await super().open()
        now_ms = self.clock.now_ms()
        for row in self.store.outbox.unattempted(target=DEFAULT_NAME, after=0, limit=ALL):
            pending = row.notification
            if pending.outcome is Phase.COMPLETED and now_ms >= pending.deadline_ms:
                timeout = msgspec.structs.replace(
                    pending,
                    outcome=Phase.TIMED_OUT,
                    arrived=pending.arrived[:-1],
                    missing=pending.arrived[-1:],
                )
                self.enqueue(timeout)
                self.store.outbox.delete_delivered([row.n])


def _step_three_days(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Ignore arrivals from the second piece of a long timer on."""
    long = state.deadline_ms - state.started_ms > 3 * DAY_MS
    if isinstance(event, Arrived) and long and event.at_ms > state.started_ms + 3 * DAY_MS:
        return Step(state, (), ArrivalResult.DUPLICATE)
    return step(state, event)


class _StoreWithTimersInMemory(VariedStore):
    """Knows only the deadlines of operations that have started since the file was opened."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._without_timer = {n for n, _ in self.waiting()}

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return [it for it in super().due(now_ms, limit) if it[0] not in self._without_timer]

    def next_deadline_ms(self) -> int | None:
        deadlines = (state.deadline_ms for n, state in self.waiting() if n not in self._without_timer)
        return min(deadlines, default=None)


class _StoreWithOneDeadline(VariedStore):
    """Returns the next deadline only once, when it is opened."""

    _returned = False

    def next_deadline_ms(self) -> int | None:
        returned, self._returned = self._returned, True
        return None if returned else super().next_deadline_ms()


class _SleepsOn(Transaction):
    """Sets the timer only if none is set."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._was_set = self.store.next_deadline_ms() is not None

    def next_deadline_ms(self) -> int | None:
        return None if self._was_set else super().next_deadline_ms()


class _StoreWithExpired(VariedStore):
    """Marks operations as expired, durably. Those that are marked are no longer due."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._file = folder / "expired.json"
        self._expired: set[int] = (
            msgspec.json.decode(self._file.read_bytes(), type=set[int]) if self._file.exists() else set()
        )

    def mark_expired(self, numbers: Iterable[int]) -> None:
        self._expired.update(numbers)
        self._file.write_bytes(msgspec.json.encode(self._expired))

    def unmark_expired(self, numbers: Iterable[int]) -> None:
        self._expired.difference_update(numbers)
        self._file.write_bytes(msgspec.json.encode(self._expired))

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return [it for it in super().due(now_ms, limit) if it[0] not in self._expired]

    def next_deadline_ms(self) -> int | None:
        return min((state.deadline_ms for n, state in self.waiting() if n not in self._expired), default=None)


class _MarksExpired(Transaction):
    """Marks what is due as expired, and leaves the decision to a later transaction."""

    numbers: Sequence[int] = ()

    def expire(self, limit: int) -> None:
        assert isinstance(self.store, _StoreWithExpired)  # noqa: S101 - they belong together
        self.numbers = [n for n, _ in self.store.due(self.at_ms, limit)]
        self.store.mark_expired(self.numbers)
        self.expired = len(self.numbers)


class _ExpiresInTwoTransactions(VariedEngine):
    store_type = _StoreWithExpired
    transaction_type = _MarksExpired

    def after_commit(self, transaction: Transaction) -> None:
        if isinstance(transaction, _MarksExpired) and transaction.numbers:
            asyncio.get_running_loop().call_later(DECIDED_LATER_S, self._decide, transaction.numbers)

    def _decide(self, numbers: Sequence[int]) -> None:
        store = self.store
        assert isinstance(store, _StoreWithExpired)  # noqa: S101 - they belong together
        store.begin()
        store.unmark_expired(numbers)
        transaction = Transaction(store, self.settings, self.clock.now_ms(), notifier=self.notifier)
        transaction.expire(len(numbers))
        transaction.write(())
        store.commit()
        self.recheck()


class _TwoTimers(VariedEngine):
    """Has two pollers that find the same deadline."""

    def after_commit(self, transaction: Transaction) -> None:
        for effect in transaction.effects:
            if effect.outcome is Phase.TIMED_OUT:
                self.enqueue(msgspec.structs.replace(effect, key=f"{effect.key}-2"))


class _StoreWithMortalTimer(VariedStore):
    """Finds no deadlines once its timer is dead."""

    timer_dead = False

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return [] if self.timer_dead else super().due(now_ms, limit)

    def next_deadline_ms(self) -> int | None:
        return None if self.timer_dead else super().next_deadline_ms()


class _ClosedTimerEndsLoop(VariedEngine):
    """A timer that fires for a closed operation raises an error in the loop that fires all timers."""

    store_type = _StoreWithMortalTimer

    def after_commit(self, transaction: Transaction) -> None:
        for effect in transaction.effects:
            if effect.outcome is Phase.COMPLETED:
                left_s = (effect.deadline_ms - self.clock.now_ms()) / 1000
                asyncio.get_running_loop().call_later(left_s, self._end_loop)

    def _end_loop(self) -> None:
        assert isinstance(self.store, _StoreWithMortalTimer)  # noqa: S101 - they belong together
        self.store.timer_dead = True


class _LateByProcessingTime(VariedEngine):
    """Starts an operation at once. Later arrivals are put into a durable queue, answered, and processed."""

    async def open(self) -> None:
        self._queue = self.settings.data_dir / "queue.jsonl"
        await super().open()
        if self._queue.exists():
            for line in self._queue.read_bytes().splitlines():
                self._process_later(msgspec.json.decode(line, type=Arrival))

    async def deliver(self, arrival: Arrival) -> Receipt:
        state = await self.inspect(arrival.operation_id)
        if state is None or arrival.region not in state.expected:
            return await super().deliver(arrival)
        with self._queue.open("ab") as file:
            file.write(msgspec.json.encode(arrival) + b"\n")
        self._process_later(arrival)
        return Receipt(state, ArrivalResult.COUNTED)

    def _process_later(self, arrival: Arrival) -> None:
        loop = asyncio.get_running_loop()
        deliver: Any = super().deliver
        loop.call_later(QUEUE_S, lambda: loop.create_task(deliver(arrival)))


MUTANTS = (
    Mutant(
        "any-wake-up-is-timeout",
        ("B34",),
        "Treats every event that wakes an operation as its timer, so the second webhook times it out.",
        "slow-region",
        vary(step=_step_any_wake_up),
    ),
    Mutant(
        "timer-never-cancelled",
        ("B36",),
        "Does not cancel the timer when an operation completes, so a completion is followed by a timeout at"
        " the deadline.",
        "slow-region",
        vary(engine=_TimerNeverCancelled),
    ),
    Mutant(
        "stale-reaper",
        ("B36",),
        "Collects the operations that are due and decides them a moment later without a second look, so"
        " one that completes in between gets both outcomes.",
        "photo-finish",
        vary(engine=_StaleReaper),
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
        "Splits timers of more than three days and receives events only during the first piece, so a region"
        " that reports on day four never counts.",
        "thirty-days",
        vary(step=_step_three_days),
    ),
    Mutant(
        "timer-in-memory",
        ("B38", "B40"),
        "Keeps its timers in memory, so an operation that waits when the process dies is never decided.",
        "down-over-the-deadline",
        vary(store=_StoreWithTimersInMemory),
    ),
    Mutant(
        "timer-armed-once",
        ("B40",),
        "Does not set the timer again after it has fired, so of several operations that wait only the first"
        " ever times out.",
        "forgotten-webhook",
        vary(store=_StoreWithOneDeadline),
    ),
    Mutant(
        "wakes-at-the-old-deadline",
        ("B40",),
        "Has its timer sleep until the earliest deadline that there was, so one that comes later and is"
        " earlier passes unnoticed.",
        "timeout-changed",
        vary(transaction=_SleepsOn),
    ),
    Mutant(
        "late-by-processing-time",
        ("B43",),
        "Compares the deadline with the time of processing, not of acceptance, so a webhook that waits in a"
        " queue while the deadline passes is late.",
        "photo-finish",
        vary(engine=_LateByProcessingTime),
    ),
    Mutant(
        "two-timers",
        ("B43b",),
        "Has two pollers that find the same deadline, so every timeout is sent twice, under two keys.",
        "dropped-region",
        vary(engine=_TwoTimers),
    ),
    Mutant(
        "expires-in-two-transactions",
        ("B43c",),
        "Marks an operation as expired in one transaction and decides it in another, so after a crash in"
        " between it is never decided.",
        "crash-at-the-deadline",
        vary(engine=_ExpiresInTwoTransactions),
    ),
    Mutant(
        "closed-timer-ends-loop",
        ("B43d",),
        "Leaves timers of completed operations armed and does not handle their errors, so the first that"
        " fires ends the loop that fires all timers.",
        "done-then-lost",
        vary(engine=_ClosedTimerEndsLoop),
    ),
)
