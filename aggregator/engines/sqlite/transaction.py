"""One write transaction: what it reads, what `fanin.aggregator.fanin` decides upon it, what it writes.

Every operation is read once, stepped through all that happens to it in this transaction, and written once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from fanin.aggregator.engine import Notifier, Receipt
from fanin.aggregator.engines.sqlite.dispatcher import Dead, Failed, Mark, Told
from fanin.aggregator.engines.sqlite.store import Known, Store
from fanin.aggregator.errors import RequestError
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    OperationId,
    Phase,
    Step,
    start,
    step,
)
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival


class Transaction:
    """Collects the changes of one batch. Nothing is written before `write`."""

    def __init__(self, store: Store, settings: Settings, at_ms: int, *, notifier: Notifier | None) -> None:
        self._store, self._settings, self._at_ms = store, settings, at_ms
        self._notifier = notifier  # who may want to hear of the effects
        self._known: dict[str, Known] = {}  # as the file has them, by id
        self._now: dict[str, FanIn] = {}  # as they stand by now, by id; only those that changed
        self.effects: list[Notification] = []
        self.started = 0
        self.put: Counter[str] = Counter()  # rows that went into the outbox, by target
        self.told = 0
        self.dead = 0
        self.revived = 0
        self.expired: int | None = None  # how many deadlines had come; None when nobody looked

    def load(self, arrivals: Iterable[Arrival]) -> None:
        """Read the operations that the arrivals are for."""
        ids = dict.fromkeys(arrival.operation_id for arrival in arrivals)  # each once, in order
        if ids:
            self._known = self._store.load(tuple(ids))

    def deliver(self, arrival: Arrival) -> Receipt | RequestError:
        """Count one arrival, or say why not; then it has changed nothing."""
        event = Arrived(arrival.region, self._at_ms)
        state = self._state(arrival.operation_id)
        try:
            result = step(state, event) if state else self._start(arrival, event)
        except RequestError as exc:
            return exc
        self._keep(result)
        return Receipt(result.state, result.result or ArrivalResult.COUNTED)

    def expire(self, limit: int) -> None:
        """Let up to ``limit`` deadlines that have come decide."""
        due = self._store.due(self._at_ms, limit)
        event = DeadlineReached(self._at_ms)
        for n, stored in due:
            self._known.setdefault(stored.operation_id, (n, stored))
            # An arrival of this batch may have decided it already.
            self._keep(step(self._now.get(stored.operation_id, stored), event))
        self.expired = len(due)

    def write(self, marks: Sequence[Mark]) -> None:
        """Put every change, every effect and every mark into the file."""
        new: list[FanIn] = []
        going: list[Known] = []
        decided: list[Known] = []
        for id_, state in self._now.items():
            if id_ not in self._known:
                new.append(state)
            else:
                n, before = self._known[id_]
                (going if before.phase is state.phase else decided).append((n, state))
        if new:
            self._store.insert(new)
        if going:
            self._store.update(going)
        if decided:
            self._store.decide(decided)
        self._order()
        self._mark(marks)

    def revive(self, targets: Sequence[str], operation: OperationId | None, upto: int, limit: int) -> int:
        """Send up to ``limit`` dead letters again, of those numbered ``upto`` at most; return how many."""
        revived = self._store.outbox.revive(targets=targets, operation=operation, upto=upto, limit=limit)
        self.put.update(revived)
        self.revived += len(revived)
        return len(revived)

    def next_deadline_ms(self) -> int | None:
        """The earliest deadline among the operations that changed here and still wait."""
        waiting = (it.deadline_ms for it in self._now.values() if it.phase is Phase.WAITING)
        return min(waiting, default=None)

    def _order(self) -> None:
        """Put every effect into the outbox, once for each that wants to hear of it."""
        if not self._notifier or not self.effects:
            return
        orders = [(effect, self._notifier.targets_for(effect.outcome)) for effect in self.effects]
        self._store.outbox.put(orders)
        for _, targets in orders:
            self.put.update(targets)

    def _mark(self, marks: Sequence[Mark]) -> None:
        """Note how attempts ended."""
        if not marks:
            return
        outbox = self._store.outbox
        told = [mark.n for mark in marks if isinstance(mark, Told)]
        failed = [mark for mark in marks if isinstance(mark, Failed)]
        dead = [mark for mark in marks if isinstance(mark, Dead)]
        if told:
            outbox.forget_told(told)
        if failed:
            outbox.postpone(failed)
        if dead:
            outbox.bury(dead)
        self.told, self.dead = len(told), len(dead)

    def _start(self, arrival: Arrival, event: Arrived) -> Step:
        settings = self._settings
        result = start(
            arrival.operation_id,
            arrival.subject,
            event,
            expected=settings.regions,
            timeout_ms=settings.timeout_ms,
        )
        self.started += 1
        return result

    def _state(self, operation_id: str) -> FanIn | None:
        if operation_id in self._now:
            return self._now[operation_id]
        known = self._known.get(operation_id)
        return known[1] if known else None

    def _keep(self, result: Step) -> None:
        self._now[result.state.operation_id] = result.state
        self.effects += result.effects
