"""The deadline: when it is, what it is measured by, and that it passes whatever happens."""

import asyncio
from functools import partial
from typing import Any

import msgspec

from aggregator.engine import Receipt
from aggregator.engines.sqlite_store import Known
from aggregator.engines.transaction import Transaction
from aggregator.fanin import Arrived, DeadlineReached, FanIn, Phase, Standing, Step, start, step
from aggregator.wire import Arrival
from harness.bugs.bug import Bug
from harness.bugs.variation import VariedEngine, VariedStore, finished, stepping, vary

DAY_MS = 86_400_000
TEN_YEARS_MS = 3_650 * DAY_MS
# How early a reaper that looks every 20 ms counts an operation among those that are due, and when it acts.
PICKED_EARLY_S, ACTS_AFTER_S = 0.01, 0.02
# How long after the deadline an operation that was parked is decided.
PARKED_S = 0.3
# When central Europe's clocks are put forward in the year in which scenarios play, and by how much.
SPRING_MS, HOUR_MS = 1_774_746_000_000, 3_600_000  # 2026-03-29T01:00Z


def _any_wake_up(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Whatever wakes the instance is taken for its timer."""
    result = step(state, event)
    if result.state.phase is Phase.WAITING:
        return finished(result.state, Phase.TIMED_OUT, event.at_ms)
    return result


class _NeverDisarmed(VariedEngine):
    def _committed(self, transaction: Transaction) -> None:
        super()._committed(transaction)
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
        if receipt.standing is Standing.COUNTED and len(state.arrived) == 1:
            left_s = (state.deadline_ms - self._clock.now_ms()) / 1000
            loop = asyncio.get_running_loop()
            loop.call_later(left_s - PICKED_EARLY_S, partial(loop.create_task, self._reap(state.operation_id)))
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
        for row in self._store.fresh(after=0, limit=1_000):
            told = row.notify
            if told.outcome is Phase.COMPLETED and now_ms >= told.deadline_ms:
                last = told.arrived[-1:]
                other = msgspec.structs.replace(
                    told, outcome=Phase.TIMED_OUT, arrived=told.arrived[:-1], missing=last
                )
                self.tell_besides(other)
                self._store.forget_told([row.n])


def _deaf_after_three_days(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """From the second of its pieces on, a long timer is waited for alone."""
    long = state.deadline_ms - state.started_ms > 3 * DAY_MS
    if isinstance(event, Arrived) and long and event.at_ms > state.started_ms + 3 * DAY_MS:
        return Step(state, (), Standing.DUPLICATE)
    return step(state, event)


class _TimersOfThisLife(VariedStore):
    """Knows the deadlines of what has started since the file was opened."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._born = self._integer("SELECT max(n) FROM operation") or 0

    def due(self, now_ms: int, limit: int) -> list[Known]:
        return [(n, state) for n, state in super().due(now_ms, limit) if n > self._born]

    def next_deadline_ms(self) -> int | None:
        return min((state.deadline_ms for n, state in self.waiting() if n > self._born), default=None)


class _ArmsAnew(VariedEngine):
    """Starts the timers of all that wait when it starts."""

    async def open(self) -> None:
        await super().open()
        deadline_ms = self._clock.now_ms() + self._settings.timeout_ms
        self._store.rewrite(
            (n, msgspec.structs.replace(state, deadline_ms=deadline_ms)) for n, state in self._store.waiting()
        )
        self._next_deadline_ms = self._store.next_deadline_ms()


class _SlidingStore(VariedStore):
    """Writes deadlines, too, because they move."""

    def update(self, known: Any) -> None:
        self.rewrite(known)


def _slide(timeout_ms: int) -> type[Transaction]:
    def sliding(state: FanIn, event: Arrived | DeadlineReached) -> Step:
        result = step(state, event)
        if isinstance(event, Arrived) and result.state.phase is Phase.WAITING:
            later = msgspec.structs.replace(result.state, deadline_ms=event.at_ms + timeout_ms)
            return result._replace(state=later)
        return result

    return stepping(step=sliding)


class _ArmedOnce(VariedStore):
    """Says when the next deadline is when it is opened. After that, only what starts arms the timer."""

    _told = False

    def next_deadline_ms(self) -> int | None:
        told, self._told = self._told, True
        return None if told else super().next_deadline_ms()


def _start_31_bits(*args: Any, timeout_ms: int, **kwargs: Any) -> Step:
    """The delay is a signed number of 32 bits."""
    wrapped_ms = (timeout_ms + 2**31) % 2**32 - 2**31
    return start(*args, timeout_ms=max(wrapped_ms, 1), **kwargs)


def _start_by_the_wall(
    operation_id: str, subject: Any, event: Arrived, *, expected: tuple[str, ...], timeout_ms: int
) -> Step:
    """Adds the timeout to what the clock on a wall in central Europe shows."""
    before_ms, after_ms = event.at_ms, event.at_ms + timeout_ms
    lost_ms = HOUR_MS if before_ms < SPRING_MS <= after_ms else 0
    return start(operation_id, subject, event, expected=expected, timeout_ms=timeout_ms - lost_ms)


class _Parks(Transaction):
    """What is due is marked as expired, and decided by a job that runs a little later."""

    def expire(self, limit: int) -> None:
        due = self._store.due(self._at_ms, limit)
        assert isinstance(self._store, _ParkingStore)  # noqa: S101 - they belong together
        self._store.park([n for n, _ in due])
        self.expired = len(due)


class _ParkingStore(VariedStore):
    def park(self, numbers: list[int]) -> None:
        self._db.executemany("UPDATE operation SET outcome = 'expired' WHERE n = ?", [(n,) for n in numbers])

    def unpark(self) -> None:
        self.begin()
        self._db.execute("UPDATE operation SET outcome = NULL WHERE outcome = 'expired'")
        self.commit()


class _ExpiresInTwoSteps(VariedEngine):
    store_type = _ParkingStore
    transaction_type = _Parks

    def _committed(self, transaction: Transaction) -> None:
        super()._committed(transaction)
        if transaction.expired:
            asyncio.get_running_loop().call_later(PARKED_S, self._decide)

    def _decide(self) -> None:
        assert isinstance(self._store, _ParkingStore)  # noqa: S101 - they belong together
        self._store.unpark()
        deciding = Transaction(self._store, self._settings, self._clock.now_ms(), telling=True)
        self._store.begin()
        deciding.expire(1_000)
        deciding.write(())
        self._store.commit()
        super()._committed(deciding)


class _TwoTimers(VariedEngine):
    """Two pollers find the same deadline, and each takes it for its own."""

    def _committed(self, transaction: Transaction) -> None:
        super()._committed(transaction)
        for effect in transaction.effects:
            if effect.outcome is Phase.TIMED_OUT:
                self.tell_besides(msgspec.structs.replace(effect, key=f"{effect.key}-2"))


class _MortalStore(VariedStore):
    """Its timer can die."""

    timer_dead = False

    def due(self, now_ms: int, limit: int) -> list[Known]:
        return [] if self.timer_dead else super().due(now_ms, limit)

    def next_deadline_ms(self) -> int | None:
        return None if self.timer_dead else super().next_deadline_ms()


class _DiesOfAClosedOne(VariedEngine):
    """A timer that fires for an operation that is closed raises an error, in the loop that fires all timers."""

    store_type = _MortalStore

    def _committed(self, transaction: Transaction) -> None:
        super()._committed(transaction)
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
        return Receipt(state, Standing.COUNTED)

    def _work_off_later(self, arrival: Arrival) -> None:
        loop = asyncio.get_running_loop()
        work = super().deliver
        loop.call_later(self.QUEUE_S, lambda: loop.create_task(work(arrival)))
