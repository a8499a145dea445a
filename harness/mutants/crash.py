"""Crashes and restarts: what was promised must be in the file, and the file must be enough."""

import asyncio
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import StoreUnusableError
from fanin.aggregator.fanin import FanIn, notification_of
from fanin.aggregator.notify.target import DEFAULT_NAME
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, vary

# How long after its answer an arrival is written, and after its outcome the order to tell it.
LATER_S = 0.02
FOR_EVER_MS = 1 << 60


class _AnswersFirst(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.region not in self._settings.regions:
            return await super().deliver(arrival)
        loop, store = asyncio.get_running_loop(), super().deliver
        loop.call_later(LATER_S, lambda: loop.create_task(store(arrival)))
        return self.pretend(arrival)


class _ForgetsTheStart(VariedEngine):
    """Runs what waits again from its input; the event that started it was none of it."""

    async def open(self) -> None:
        await super().open()
        self._store.rewrite((n, _without_first(state)) for n, state in self._store.waiting())


def _without_first(state: FanIn) -> FanIn:
    first = min(state.arrived, key=lambda region: state.arrived[region], default=None)
    arrived = {region: at for region, at in state.arrived.items() if region != first}
    return msgspec.structs.replace(state, arrived=arrived)


class _TellsFromMemory(VariedEngine):
    """The notification is a task. What the file has of it, nobody reads."""

    async def open(self) -> None:
        await super().open()
        rows = [
            *self._store.outbox.unattempted(target=DEFAULT_NAME, after=0, limit=10_000),
            *self._store.outbox.due_retries(target=DEFAULT_NAME, now_ms=FOR_EVER_MS, limit=10_000),
        ]
        self._store.outbox.delete_delivered([row.n for row in rows])


class _OutboxLater(VariedEngine):
    """The outcome is one transaction, the order to tell it another."""

    def transaction(self, *args: Any, **_: Any) -> Transaction:
        return Transaction(*args, notifier=None)

    def after_commit(self, transaction: Transaction) -> None:
        if transaction.effects:
            asyncio.get_running_loop().call_later(LATER_S, lambda: self.tell_besides(*transaction.effects))


class _TellsAllAgain(VariedEngine):
    """Does not know what was told, and so tells everything when it starts."""

    async def open(self) -> None:
        await super().open()
        page = self._store.page(None, None, 10_000)
        decided = [state for _, state in page if state.decided_ms is not None]
        if decided:
            self.tell_besides(*(notification_of(it, decided_ms=it.decided_ms or 0) for it in decided))


class _LeavesItsLock(VariedEngine):
    """Somebody is here as long as the file is, and only an orderly end removes it."""

    async def open(self) -> None:
        self._lock = self._settings.data_dir / "running"
        if self._lock.exists():
            raise StoreUnusableError(f"{self._lock} exists: another process is running")
        self._lock.touch()
        await super().open()

    async def close(self) -> None:
        await super().close()
        self._lock.unlink()


MUTANTS = (
    Mutant(
        "answers-before-storing",
        ("B50",),
        "Answers 202 and stores the webhook a moment later, so one that was acknowledged is gone when a"
        " crash follows at once.",
        "crash-after-ack",
        vary(engine=_AnswersFirst),
    ),
    Mutant(
        "loses-start-event",
        ("B11",),
        "Runs an operation again after a crash without the event that started it, so its first region is"
        " missing although it was acknowledged.",
        "crash-after-ack",
        vary(engine=_ForgetsTheStart),
    ),
    Mutant(
        "outbox-in-memory",
        ("B51",),
        "Keeps what is to be told in memory, so an outcome that was decided before a crash is never heard"
        " of.",
        "crash-at-notify",
        vary(engine=_TellsFromMemory),
    ),
    Mutant(
        "outbox-in-second-transaction",
        ("B51",),
        "Stores the outcome in one transaction and the order to tell it in another, so a crash in between"
        " leaves an operation that is done and never told.",
        "crash-in-a-burst",
        vary(engine=_OutboxLater),
    ),
    Mutant(
        "notifies-all-after-restart",
        ("B53", "B65"),
        "Does not note what the sink has accepted, so every restart tells all outcomes again.",
        "crash-at-notify",
        vary(engine=_TellsAllAgain),
    ),
    Mutant(
        "stale-lock-file",
        (),
        "Takes a file that a killed process has left behind for a sign that it is still running, so it"
        " never starts again after a crash.",
        "crash-after-ack",
        vary(engine=_LeavesItsLock),
    ),
)
