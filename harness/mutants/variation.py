"""Builds an aggregator from the real one with some parts exchanged.

Rules of this file: parts are exchanged where the aggregator offers it: the constructor of `SqliteEngine`, its
public methods, the ports, middleware. `vary()` without arguments is the real aggregator.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.dispatcher import Dispatcher
from fanin.aggregator.engines.sqlite.dispatchers import DispatcherFactory
from fanin.aggregator.engines.sqlite.engine import SqliteEngine, TransactionFactory
from fanin.aggregator.engines.sqlite.outbox_port import OutboxRow
from fanin.aggregator.engines.sqlite.store import Store, StoredOperation
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import StoreUnreadableError
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
    Step,
    notification_of,
    start,
)
from fanin.aggregator.http.app import create_app
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.notify.target import DEFAULT_NAME
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.middleware import Middleware
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory, LoopClock

# Makes one attempt at a notification to a target; raises `NotDeliveredError`.
type Send = Callable[[Notification], Awaitable[None]]
# Makes of the real attempts those of a variant. Called once for each target, in each process.
type SendVariation = Callable[[Send, Clock], Send]
# What decides about an event of an operation; see `fanin.aggregator.fanin.step`.
type StepFunction = Callable[[FanIn, Arrived | DeadlineReached], Step]

ALL = 1_000_000
FAR_FUTURE_MS = 1 << 60


class VariedNotifier:
    """A notifier (`fanin.aggregator.notify.port.Notifier`) that makes its attempts in another way."""

    def __init__(self, notifier: Notifier, variation: SendVariation, clock: Clock) -> None:
        self._notifier, self._variation, self._clock = notifier, variation, clock
        self._send: dict[str, Send] = {}  # by target
        self.targets_for = notifier.targets_for

    async def send(self, target: str, notification: Notification) -> None:
        if target not in self._send:
            self._send[target] = self._variation(partial(self._notifier.send, target), self._clock)
        await self._send[target](notification)


class VariedStore(Store):
    """The real store, with operations that only variants need."""

    def waiting(self) -> list[StoredOperation]:
        """All operations that wait, by their deadline."""
        ids = [state.operation_id for state in self.page(Phase.WAITING, None, ALL).states]
        known = self.load(ids)
        return [it for id_ in ids if not isinstance(it := known[id_], StoreUnreadableError)]

    def rewrite(self, waiting: Iterable[StoredOperation]) -> None:
        """Replace operations that wait, including their deadlines, which `update` does not write."""
        self.renew(waiting)

    def untried(self) -> list[OutboxRow]:
        """The notifications that were never sent."""
        return self.outbox.unattempted(target=DEFAULT_NAME, after=0, limit=ALL)

    def refused(self) -> list[OutboxRow]:
        """The notifications that were sent, and not accepted."""
        return self.outbox.due_retries(target=DEFAULT_NAME, now_ms=FAR_FUTURE_MS, limit=ALL)

    def pending(self) -> list[OutboxRow]:
        """All that the sink has not accepted: those never sent first."""
        return [*self.untried(), *self.refused()]


class VariedEngine(SqliteEngine):
    """The real engine, with parts that a variant may exchange, and operations that only variants need."""

    # Arrivals come by `deliver` alone, which variants may override.
    capabilities = replace(SqliteEngine.capabilities, submits=False)
    store_type: ClassVar[type[VariedStore]] = VariedStore
    transaction_type: ClassVar[TransactionFactory] = Transaction
    dispatcher_type: ClassVar[DispatcherFactory] = Dispatcher

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        notifier: Notifier | None,
        *,
        store: type[VariedStore] | None = None,
        transaction: TransactionFactory | None = None,
    ) -> None:
        self.settings, self.clock, self.metrics, self.notifier = settings, clock, metrics, notifier
        self.transaction_factory = transaction or type(self).transaction_type
        super().__init__(
            settings,
            clock,
            metrics,
            notifier,
            open_store=store or self.store_type,
            transaction=self.new_transaction,
            dispatcher=type(self).dispatcher_type,
            after_commit=self.after_commit,
        )

    @property
    def store(self) -> VariedStore:
        store = super().store
        assert isinstance(store, VariedStore)  # noqa: S101 - the constructor sees to it
        return store

    def new_transaction(
        self, store: Store, settings: Settings, at_ms: int, /, *, notifier: Notifier | None
    ) -> Transaction:
        """Make the transaction of a batch."""
        return self.transaction_factory(store, settings, at_ms, notifier=notifier)

    def after_commit(self, transaction: Transaction) -> None:
        """Called with each transaction that was committed."""

    def receipt_without_storing(
        self, arrival: Arrival, result: ArrivalResult = ArrivalResult.COUNTED
    ) -> Receipt:
        """What `deliver` returns for an arrival, which is not stored."""
        event = Arrived(arrival.region, self.clock.now_ms())
        step = start(
            arrival.operation_id,
            arrival.subject,
            event,
            expected=(arrival.region,),
            timeout_ms=self.settings.timeout_ms,
        )
        return Receipt(step.state, result)

    def enqueue(self, *notifications: Notification) -> None:
        """Put notifications into the outbox that no transaction has put there."""
        if not self.notifier:
            return
        self.store.begin()
        self.store.outbox.enqueue(
            (it, self.notifier.targets_for(it.outcome, it.subject)) for it in notifications
        )
        self.store.commit()
        self.recheck()

    def rewrite(self, waiting: Iterable[StoredOperation]) -> None:
        """Replace operations that wait, including their deadlines."""
        self.store.begin()
        self.store.rewrite(waiting)
        self.store.commit()
        self.recheck()


def vary(
    *,
    engine: type[VariedEngine] = VariedEngine,
    store: type[VariedStore] | None = None,
    transaction: TransactionFactory | None = None,
    step: StepFunction | None = None,
    start: Callable[..., Step] | None = None,
    send: SendVariation | None = None,
    settings: Mapping[str, Any] | None = None,
    middleware: Middleware | None = None,
    clock: Callable[[int], Clock] = LoopClock,
) -> AppFactory:
    """The real aggregator with these parts exchanged, as a factory for `fanin.harness.world.play.play`.

    Args:
        engine: Instead of the engine.
        store: Instead of the engine's store.
        transaction: Instead of the engine's transaction.
        step: Instead of `fanin.aggregator.fanin.step`, in the real transaction.
        start: Instead of `fanin.aggregator.fanin.start`, in the real transaction.
        send: Makes a variation of attempts at notifications.
        settings: Fields of the settings that differ from what the environment says.
        middleware: Wraps the application.
        clock: Makes each process's clock from what the world's clock shows at 0, in Unix ms.
    """
    functions: dict[str, Any] = {"step": step, "start": start}
    functions = {name: it for name, it in functions.items() if it is not None}
    exchanged: TransactionFactory | None = partial(Transaction, **functions) if functions else transaction

    def build(settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> VariedEngine:
        varied = VariedNotifier(notifier, send, clock) if send and notifier else notifier
        return engine(settings, clock, metrics, varied, store=store, transaction=exchanged)

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        chosen = replace(Settings.from_environment(environment), **(settings or {}))
        app: AsgiApp = create_app(chosen, clock=clock(epoch_ms), engine=build)
        return middleware(app) if middleware else app

    return factory


def decide(state: FanIn, outcome: Phase, at_ms: int) -> Step:
    """Give an operation this outcome, whatever the rules say."""
    state = msgspec.structs.replace(state, phase=outcome, decided_ms=at_ms)
    return Step(state, (notification_of(state, decided_ms=at_ms),), ArrivalResult.COUNTED)


def complete_anyway(state: FanIn, at_ms: int) -> Step:
    """Complete an operation as if every region had arrived."""
    arrived = {region: state.arrived.get(region, at_ms) for region in state.expected}
    return decide(msgspec.structs.replace(state, arrived=arrived), Phase.COMPLETED, at_ms)
