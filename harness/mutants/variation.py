"""Builds an aggregator from the real one with some parts exchanged. What is not exchanged is the real thing.

Rules of this file: it changes nothing by itself, so that `vary()` is the real aggregator; a part that is
exchanged is named by a keyword, so that a reader of a bug sees at once where it sits.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.dispatcher import Dispatcher, DispatcherFactory
from fanin.aggregator.engines.sqlite.engine import SqliteEngine, TransactionFactory
from fanin.aggregator.engines.sqlite.store import Store, StoredOperation
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    FanIn,
    Notification,
    Phase,
    Step,
    notification_of,
    start,
)
from fanin.aggregator.http import app as surface
from fanin.aggregator.http.app import _Surface as Surface
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.formats.json import render
from fanin.aggregator.notify.notifier import HttpNotifier
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.rewiring import rewired
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory, LoopClock

# One attempt at telling a subscriber; raises `NotDeliveredError`.
type Tell = Callable[[Notification], Awaitable[None]]
# Turns how a subscriber is told into a wrong way of telling.
type Telling = Callable[[Tell, Clock], Tell]


class Retold:
    """A notifier that sends in another way."""

    def __init__(self, notifier: Notifier, telling: Telling, clock: Clock) -> None:
        self._notifier, self._telling, self._clock = notifier, telling, clock
        self._ways: dict[str, Tell] = {}  # by target
        self.targets_for = notifier.targets_for

    async def send(self, target: str, notification: Notification) -> None:
        if target not in self._ways:
            self._ways[target] = self._telling(partial(self._notifier.send, target), self._clock)
        await self._ways[target](notification)


class VariedStore(Store):
    """The real file, and what only a bug wants of it."""

    def rewrite(self, known: Iterable[StoredOperation]) -> None:
        """Put operations into the file anew, deadlines included."""
        self._db.executemany(
            "UPDATE operation SET deadline_ms = ?, state = ? WHERE n = ?",
            [(it.deadline_ms, msgspec.json.encode(it).decode(), n) for n, it in known],
        )

    def waiting(self) -> list[StoredOperation]:
        """All operations that wait, by their deadline."""
        rows = self._db.execute(
            "SELECT n, state FROM operation WHERE outcome IS NULL ORDER BY deadline_ms, n"
        )
        return [(n, msgspec.json.decode(state, type=FanIn)) for n, state in rows]


class VariedEngine(SqliteEngine):
    """The real engine, whose parts can be exchanged, and what only a bug wants of it."""

    store_type: ClassVar[type[VariedStore]] = VariedStore
    transaction_type: ClassVar[TransactionFactory] = Transaction
    dispatcher_type: ClassVar[DispatcherFactory] = Dispatcher
    _store: VariedStore

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        super().__init__(
            settings,
            clock,
            metrics,
            notifier,
            open_store=self.store_type,
            transaction=self.transaction,
            dispatcher=type(self).dispatcher_type,
            after_commit=self.after_commit,
        )

    def transaction(
        self, store: Store, settings: Settings, at_ms: int, /, *, notifier: Notifier | None
    ) -> Transaction:
        """Make a batch's transaction."""
        return type(self).transaction_type(store, settings, at_ms, notifier=notifier)

    def after_commit(self, transaction: Transaction) -> None:
        """Called with each transaction that was committed."""

    def pretend(self, arrival: Arrival, standing: ArrivalResult = ArrivalResult.COUNTED) -> Receipt:
        """What is answered 2xx although nothing is stored."""
        event = Arrived(arrival.region, self._clock.now_ms())
        begun = start(
            arrival.operation_id,
            arrival.subject,
            event,
            expected=(arrival.region,),
            timeout_ms=self._settings.timeout_ms,
        )
        return Receipt(begun.state, standing)

    def tell_besides(self, *notifies: Notification) -> None:
        """Put notifications into the outbox that no decision has put there."""
        self._store.begin()
        targets = self._dispatchers.targets if self._dispatchers else ()
        self._store.outbox.enqueue((notify, targets) for notify in notifies)
        self._store.commit()
        if self._dispatchers:
            self._dispatchers.wake(targets)


def vary(
    *,
    engine: type[VariedEngine] = VariedEngine,
    store: type[VariedStore] | None = None,
    transaction: TransactionFactory | None = None,
    telling: Telling | None = None,
    settings: Mapping[str, Any] | None = None,
    surface_type: type[Surface] = Surface,
    render: Callable[[Notification], Message] = render,
    around: Callable[[AsgiApp], AsgiApp] | None = None,
    clock: Callable[[int], Clock] = LoopClock,
) -> AppFactory:
    """The real aggregator with these parts exchanged, as a factory for `fanin.harness.world.play.play`.

    Args:
        engine: Instead of the engine.
        store: Instead of the engine's file.
        transaction: Instead of the engine's transaction.
        telling: Wraps one attempt at a notification.
        settings: Fields of the settings that are other than the environment says.
        surface_type: Instead of the HTTP surface.
        render: Writes a notification's body.
        around: Wraps the whole application.
        clock: Makes the clock of each life; told what the world's shows at 0, in Unix milliseconds.
    """
    parts: dict[str, Any] = {}
    if store is not None:
        parts["store_type"] = store
    if transaction is not None:
        parts["transaction_type"] = transaction
    varied: type[VariedEngine] = type(engine.__name__, (engine,), parts) if parts else engine

    def build(settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> VariedEngine:
        retold = Retold(notifier, telling, clock) if telling and notifier else notifier
        return varied(settings, clock, metrics, retold)

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        chosen = replace(Settings.from_environment(environment), **(settings or {}))
        notifier = partial(HttpNotifier, load=lambda _: Format(render=render))
        create = rewired(surface.create_app, _Surface=surface_type, HttpNotifier=notifier)
        app: AsgiApp = create(chosen, clock=clock(epoch_ms), engine=build)
        return around(app) if around else app

    return factory


def stepping(
    *, step: Callable[..., Step] | None = None, start: Callable[..., Step] | None = None
) -> TransactionFactory:
    """The real transaction, which asks these functions instead of the state machine's own."""
    chosen: dict[str, Any] = {"step": step, "start": start}
    return partial(Transaction, **{name: it for name, it in chosen.items() if it is not None})


def finished(state: FanIn, outcome: Phase, at_ms: int) -> Step:
    """Decide, whatever the rules say."""
    state = msgspec.structs.replace(state, phase=outcome, decided_ms=at_ms)
    return Step(state, (notification_of(state, decided_ms=at_ms),), ArrivalResult.COUNTED)


def believed_complete(state: FanIn, at_ms: int) -> Step:
    """Decide that everything is there, and say so of every region."""
    arrived = {region: state.arrived.get(region, at_ms) for region in state.expected}
    return finished(msgspec.structs.replace(state, arrived=arrived), Phase.COMPLETED, at_ms)
