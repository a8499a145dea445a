"""One write transaction: what it reads, what `fanin.aggregator.fanin` decides upon it, what it writes.

Every operation is read once, stepped through everything that this transaction does to it, and written once.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.outbox import Selection
from fanin.aggregator.engines.sqlite.outbox_port import (
    AttemptResult,
    DeadLettered,
    Delivered,
    Failed,
    OutboxRow,
)
from fanin.aggregator.engines.sqlite.store import Store, StoredOperation
from fanin.aggregator.errors import AggregatorError, RequestError, StoreUnreadableError
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    OperationId,
    Phase,
    Region,
    Step,
    Subject,
    start,
    step,
)
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival


class StartOperation(Protocol):
    """Starts an operation; see `fanin.aggregator.fanin.start`."""

    def __call__(
        self,
        operation_id: OperationId,
        subject: Subject,
        event: Arrived,
        /,
        *,
        expected: Collection[Region],
        timeout_ms: int,
    ) -> Step: ...


class Transaction:
    """Collects the changes of one batch. Nothing is written before `write`."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        at_ms: int,
        *,
        notifier: Notifier | None,
        start: StartOperation = start,
        step: Callable[[FanIn, Arrived | DeadlineReached], Step] = step,
    ) -> None:
        """Begin with nothing.

        Args:
            store: Where operations are, in a transaction that the caller has begun.
            settings: Say what is expected of operations that start now, and for how long.
            at_ms: When everything in here happens, Unix epoch.
            notifier: The targets of the effects.
            start: Decides about an operation's first event.
            step: Decides about every other one.
        """
        self.store, self.settings, self.at_ms = store, settings, at_ms
        self._notifier = notifier
        self._start, self._step = start, step
        self._stored: dict[str, StoredOperation] = {}  # as the file has them, by id
        self._unreadable: dict[str, StoreUnreadableError] = {}
        self._changed: dict[str, FanIn] = {}  # as they stand after the events so far, by id
        self.effects: list[Notification] = []
        self.started = 0
        self.enqueued: Counter[str] = Counter()  # rows that went into the outbox, by target
        self.rows: dict[str, list[OutboxRow]] = {}  # those of the effects, by target
        self.delivered = 0
        self.dead_lettered = 0
        self.requeued = 0
        self.discarded: tuple[int, int] = (0, 0)  # pending ones, and dead letters
        self.expired: int | None = None  # how many deadlines had come; None unless `expire` was called

    def load(self, arrivals: Iterable[Arrival]) -> None:
        """Read the operations that the arrivals are for."""
        ids = dict.fromkeys(arrival.operation_id for arrival in arrivals)  # each once, in order
        if ids:
            for id_, known in self.store.load(tuple(ids)).items():
                if isinstance(known, StoreUnreadableError):
                    self._unreadable[id_] = known
                else:
                    self._stored[id_] = known

    def deliver(self, arrival: Arrival) -> Receipt | AggregatorError:
        """Apply one arrival; an arrival that is refused changes nothing."""
        if arrival.operation_id in self._unreadable:
            return self._unreadable[arrival.operation_id]
        event = Arrived(arrival.region, self.at_ms)
        if arrival.event_id:
            renewal = self.settings.renewal(arrival.subject)
            event = Arrived(arrival.region, self.at_ms, arrival.event_id, renewal)
        state = self.current(arrival.operation_id)
        try:
            result = self._step(state, event) if state else self.start_operation(arrival, event)
        except RequestError as exc:
            return exc
        if state and result.state.generation != state.generation:
            self.started += 1
        self._stage(result)
        return Receipt(result.state, result.result or ArrivalResult.COUNTED)

    def current(self, operation_id: OperationId) -> FanIn | None:
        """An operation after the events of this transaction so far; None if it has not started."""
        if operation_id in self._changed:
            return self._changed[operation_id]
        stored = self._stored.get(operation_id)
        return stored[1] if stored else None

    def start_operation(self, arrival: Arrival, event: Arrived) -> Step:
        """Start an operation with its first arrival.

        Raises:
            UnknownRegionError: the settings do not expect its region.
        """
        result = self._start(
            arrival.operation_id,
            arrival.subject,
            event,
            expected=self.settings.regions,
            timeout_ms=self.settings.timeout_ms,
        )
        self.started += 1
        return result

    def expire(self, limit: int) -> None:
        """Let up to ``limit`` deadlines that have come decide."""
        due = self.store.due(self.at_ms, limit)
        event = DeadlineReached(self.at_ms)
        for n, stored in due:
            self._stored.setdefault(stored.operation_id, (n, stored))
            # An arrival of this batch may have decided it already.
            self._stage(self._step(self._changed.get(stored.operation_id, stored), event))
        self.expired = len(due)

    def write(self, results: Sequence[AttemptResult]) -> None:
        """Write every change, every effect and every attempt's result to the file."""
        started: list[FanIn] = []
        updated: list[StoredOperation] = []
        decided: list[StoredOperation] = []
        renewed: list[StoredOperation] = []
        for id_, state in self._changed.items():
            if id_ not in self._stored:
                started.append(state)
            else:
                n, before = self._stored[id_]
                if before.generation != state.generation:
                    renewed.append((n, state))
                else:
                    (updated if before.phase is state.phase else decided).append((n, state))
        if started:
            self.store.insert(started)
        if updated:
            self.store.update(updated)
        if decided:
            self.store.decide(decided)
        if renewed:
            self.store.renew(renewed)
        self._enqueue()
        self._record(results)

    def requeue(self, targets: Sequence[str], operation: OperationId | None, upto: int, limit: int) -> int:
        """Send up to ``limit`` dead letters again, of those numbered ``upto`` at most; return how many."""
        requeued = self.store.outbox.requeue(targets=targets, operation=operation, upto=upto, limit=limit)
        self.enqueued.update(requeued)
        self.requeued += len(requeued)
        return len(requeued)

    def discard(self, selection: Selection, *, pending_upto: int, dead_upto: int, limit: int) -> int:
        """Delete up to ``limit`` entries of the outbox; return how many."""
        pending, dead = self.store.outbox.discard(
            selection, pending_upto=pending_upto, dead_upto=dead_upto, limit=limit
        )
        self.discarded = (self.discarded[0] + pending, self.discarded[1] + dead)
        return pending + dead

    def set_paused(self, selection: Selection, *, paused: bool) -> int:
        """Pause or resume a target, or pending notifications of an operation; return how many of those."""
        outbox = self.store.outbox
        if selection.operation is not None:
            return len(outbox.set_operation_paused(selection, paused=paused, now_ms=self.at_ms))
        if selection.target is not None:
            outbox.set_paused(selection.target, paused=paused)
        return 0

    def next_deadline_ms(self) -> int | None:
        """The earliest deadline among the operations that changed here and still wait."""
        waiting = (it.deadline_ms for it in self._changed.values() if it.phase is Phase.WAITING)
        return min(waiting, default=None)

    def _stage(self, result: Step) -> None:
        self._changed[result.state.operation_id] = result.state
        self.effects += result.effects

    def _enqueue(self) -> None:
        """Put every effect into the outbox, once for each of its targets."""
        if not self._notifier or not self.effects:
            return
        entries = [
            (effect, self._notifier.targets_for(effect.outcome, effect.subject)) for effect in self.effects
        ]
        self.rows = self.store.outbox.enqueue(entries)
        for target, rows in self.rows.items():
            self.enqueued[target] += len(rows)

    def _record(self, results: Sequence[AttemptResult]) -> None:
        """Write how attempts ended."""
        if not results:
            return
        outbox = self.store.outbox
        delivered = [result.n for result in results if isinstance(result, Delivered)]
        failed = [result for result in results if isinstance(result, Failed)]
        dead = [result for result in results if isinstance(result, DeadLettered)]
        if delivered:
            self.delivered = outbox.delete_delivered(delivered)
        if failed:
            outbox.reschedule(failed)
        if dead:
            self.dead_lettered = outbox.dead_letter(dead)
