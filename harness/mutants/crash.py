"""Crashes and restarts: what was acknowledged must be in the file, and the file must be enough."""

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, Delivered
from fanin.aggregator.engines.sqlite.store import Store, StoredOperation
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import StoreUnusableError
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Phase,
    Step,
    notification_of,
    step,
)
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import ALL, FAR_FUTURE_MS, VariedEngine, VariedStore, decide, vary
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import ModuleFactory

# How long after its answer an arrival is stored, and after its outcome a notification.
LATER_S = 0.02
MARKS_AFTER_S = 4
PAGE = 100
HOUR_MS, WAKES_FOR_MS = 3_600_000, 3_000
_IN_A_MODULE = "fanin.harness.mutants.global_variable"


class _AnswersBeforeStoring(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.region not in self.settings.regions:
            return await super().deliver(arrival)
        loop, deliver = asyncio.get_running_loop(), super().deliver
        loop.call_later(LATER_S, lambda: loop.create_task(deliver(arrival)))
        return self.receipt_without_storing(arrival)


class _LosesStartEvent(VariedEngine):
    """Runs waiting operations again from their input, which does not hold the event that started them."""

    async def open(self) -> None:
        await super().open()
        self.rewrite([(n, _without_first_arrival(state)) for n, state in self.store.waiting()])


def _without_first_arrival(state: FanIn) -> FanIn:
    first = min(state.arrived, key=lambda region: state.arrived[region], default=None)
    arrived = {region: at for region, at in state.arrived.items() if region != first}
    return msgspec.structs.replace(state, arrived=arrived)


class _OutboxInMemory(VariedEngine):
    """Does not read what the file's outbox holds when it opens."""

    async def open(self) -> None:
        await super().open()
        self.store.outbox.delete_delivered([row.n for row in self.store.pending()])


class _StoreWithForgottenTimers(VariedStore):
    """Finds no deadline of some operations."""

    forgotten: frozenset[str] = frozenset()

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        known = super().due(now_ms, limit + len(self.forgotten))
        return [it for it in known if it[1].operation_id not in self.forgotten][:limit]

    def next_deadline_ms(self) -> int | None:
        if not self.forgotten:
            return super().next_deadline_ms()
        known = (state for _, state in self.waiting() if state.operation_id not in self.forgotten)
        return min((state.deadline_ms for state in known), default=None)


class _FirstHundredTimers(VariedEngine):
    """Reads, when it opens, a hundred of the operations that wait; the others have no timer any more."""

    store_type = _StoreWithForgottenTimers

    async def open(self) -> None:
        await super().open()
        assert isinstance(self.store, _StoreWithForgottenTimers)  # noqa: S101 - the attribute sees to it
        self.store.forgotten = frozenset(it.operation_id for _, it in self.store.waiting()[PAGE:])


class _FirstHundredNotifications(VariedEngine):
    """Reads, when it opens, a hundred of the notifications that the sink has not accepted."""

    async def open(self) -> None:
        await super().open()
        self.store.outbox.delete_delivered([row.n for row in self.store.pending()[PAGE:]])


class _ResumesCompletions(VariedEngine):
    """Looks for notifications of completed operations when it opens, and for no others."""

    async def open(self) -> None:
        await super().open()
        rows = self.store.pending()
        timeouts = [it.n for it in rows if it.notification.outcome is Phase.TIMED_OUT]
        self.store.outbox.delete_delivered(timeouts)


class _ResumesWhatIsYoung(VariedEngine):
    """Looks, when it opens, for notifications of the last hour."""

    async def open(self) -> None:
        await super().open()
        since_ms = self.clock.now_ms() - HOUR_MS
        old = [it.n for it in self.store.pending() if it.notification.decided_ms < since_ms]
        self.store.outbox.delete_delivered(old)


class _StopsWithoutRetries(VariedEngine):
    """Ends its repetitions when it is stopped in order, and takes them for done."""

    async def close(self) -> None:
        self.store.outbox.delete_delivered([it.n for it in self.store.refused()])
        await super().close()


class _DropsWhatIsOverdue(VariedEngine):
    """Takes, when it opens, what should have been decided half a day ago for lost."""

    async def open(self) -> None:
        since_ms = self.clock.now_ms() - 12 * HOUR_MS
        await super().open()
        self.rewrite(
            (n, msgspec.structs.replace(state, deadline_ms=FAR_FUTURE_MS))
            for n, state in self.store.waiting()
            if state.deadline_ms < since_ms
        )


class _StoreThatWakes(VariedStore):
    """Finds no deadline for the first seconds after a start."""

    awake_ms = 0

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return super().due(now_ms, limit) if now_ms >= self.awake_ms else []

    def next_deadline_ms(self) -> int | None:
        deadline_ms = super().next_deadline_ms()
        return None if deadline_ms is None else max(deadline_ms, self.awake_ms)


class _LooksAtDeadlinesLater(VariedEngine):
    """Takes requests for some seconds before it looks at deadlines, and does not look at them itself."""

    store_type = _StoreThatWakes

    async def open(self) -> None:
        await super().open()
        assert isinstance(self.store, _StoreThatWakes)  # noqa: S101 - the attribute sees to it
        self.store.awake_ms = self.clock.now_ms() + WAKES_FOR_MS


def _count_until_the_timer_fires(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Count what arrives after the deadline as long as no timer has fired."""
    if (
        not isinstance(event, Arrived)
        or state.phase is not Phase.WAITING
        or event.region not in state.missing
    ):
        return step(state, event)
    counted = msgspec.structs.replace(state, arrived={**state.arrived, event.region: event.at_ms})
    if counted.missing:
        return Step(counted, (), ArrivalResult.COUNTED)
    return decide(counted, Phase.COMPLETED, event.at_ms)


class _MarksEverySoOften(VariedEngine):
    """Notes seconds later what the sink has accepted, together with what came meanwhile."""

    async def record(self, results: Sequence[AttemptResult]) -> None:
        if any(isinstance(it, Delivered) for it in results):
            await asyncio.sleep(MARKS_AFTER_S)
        await super().record(results)


class _OutboxInSecondTransaction(VariedEngine):
    def new_transaction(
        self,
        store: Store,
        settings: Settings,
        at_ms: int,
        /,
        *,
        notifier: Notifier | None,  # noqa: ARG002 - that is the bug
    ) -> Transaction:
        return Transaction(store, settings, at_ms, notifier=None)

    def after_commit(self, transaction: Transaction) -> None:
        if transaction.effects:
            asyncio.get_running_loop().call_later(LATER_S, lambda: self.enqueue(*transaction.effects))


class _NotifiesAllAfterRestart(VariedEngine):
    async def open(self) -> None:
        await super().open()
        states = self.store.page(None, None, ALL).states
        self.enqueue(
            *(notification_of(it, decided_ms=it.decided_ms) for it in states if it.decided_ms is not None)
        )


class _StaleLockFile(VariedEngine):
    """Takes the existence of a file for a running process. Only an orderly stop removes the file."""

    async def open(self) -> None:
        self._lock = self.settings.data_dir / "running"
        if self._lock.exists():
            raise StoreUnusableError(f"{self._lock} exists: another process is running")
        self._lock.touch()
        await super().open()

    async def close(self) -> None:
        await super().close()
        self._lock.unlink()


def _imported(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
    app: AsgiApp = import_module(_IN_A_MODULE).create_app(environment, epoch_ms)
    return app


MUTANTS = (
    Mutant(
        "answers-before-storing",
        ("B50",),
        "Answers 202 and stores the webhook a moment later, so an acknowledged webhook is lost in a crash"
        " that follows at once.",
        "crash-after-ack",
        vary(engine=_AnswersBeforeStoring),
    ),
    Mutant(
        "counts-in-a-global",
        ("B50",),
        "Keeps the regions after the first in a global variable of its module, so what was acknowledged of"
        " them is lost in a crash.",
        "crash-after-ack",
        ModuleFactory(_IN_A_MODULE, _imported),
    ),
    Mutant(
        "loses-start-event",
        ("B11",),
        "Runs an operation again after a crash without the event that started it, so its first region is"
        " missing although it was acknowledged.",
        "crash-after-ack",
        vary(engine=_LosesStartEvent),
    ),
    Mutant(
        "outbox-in-memory",
        ("B51",),
        "Keeps pending notifications in memory, so there is no notification of an outcome that was decided"
        " just before a crash.",
        "crash-at-notify",
        vary(engine=_OutboxInMemory),
    ),
    Mutant(
        "resumes-a-hundred-timers",
        ("B38",),
        "Reads after a start the first hundred operations that wait, so the deadlines of the others pass"
        " unnoticed.",
        "hundreds-in-hand",
        vary(engine=_FirstHundredTimers),
    ),
    Mutant(
        "resumes-a-hundred-notifications",
        ("B51",),
        "Reads after a start the first hundred notifications that the sink has not accepted, so the others"
        " are never sent.",
        "hundreds-in-hand",
        vary(engine=_FirstHundredNotifications),
    ),
    Mutant(
        "resumes-completions-alone",
        ("B51",),
        "Looks after a start for completions that were not notified yet, so a timeout that was decided just"
        " before a crash is never reported.",
        "crash-at-notify",
        vary(engine=_ResumesCompletions),
    ),
    Mutant(
        "resumes-what-is-young",
        ("B51",),
        "Looks after a start for notifications of the last hour, so one that the sink has refused for longer"
        " is never sent again.",
        "sink-gone-for-days",
        vary(engine=_ResumesWhatIsYoung),
    ),
    Mutant(
        "stops-without-retries",
        ("B51", "B53"),
        "Takes the repetitions that it gives up when it is stopped for done, so a deployment loses what the"
        " sink had refused.",
        "deploy-mid-op",
        vary(engine=_StopsWithoutRetries),
    ),
    Mutant(
        "drops-what-is-overdue",
        ("B38", "B43c"),
        "Takes what should have been decided half a day ago for lost, so after a longer outage no timeout is"
        " reported.",
        "down-over-the-deadline",
        vary(engine=_DropsWhatIsOverdue),
    ),
    Mutant(
        "looks-at-deadlines-later",
        ("B43", "B35", "B39"),
        "Takes webhooks after a start for three seconds before its timer looks at deadlines, so what comes"
        " then counts although its deadline has passed.",
        "down-over-the-deadline",
        vary(engine=_LooksAtDeadlinesLater, step=_count_until_the_timer_fires),
    ),
    Mutant(
        "marks-every-so-often",
        ("B43b", "B53"),
        "Notes some seconds later what the sink has accepted, so a crash long after that sends it again.",
        "crash-at-notify",
        vary(engine=_MarksEverySoOften),
    ),
    Mutant(
        "outbox-in-second-transaction",
        ("B51",),
        "Stores the outcome in one transaction and the notification in another, so after a crash in between"
        " an operation is decided and never reported.",
        "crash-in-a-burst",
        vary(engine=_OutboxInSecondTransaction),
    ),
    Mutant(
        "notifies-all-after-restart",
        ("B53", "B65"),
        "Does not record what the sink has accepted, so every restart sends all notifications again.",
        "crash-at-notify",
        vary(engine=_NotifiesAllAfterRestart),
    ),
    Mutant(
        "stale-lock-file",
        (),
        "Takes a file that a killed process has left for a sign that it is still running, so it does not"
        " start again after a crash.",
        "crash-after-ack",
        vary(engine=_StaleLockFile),
    ),
)
