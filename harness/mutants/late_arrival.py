"""After the outcome: a late arrival must find that there was one, however late it is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from fanin.aggregator.engines.sqlite.outbox_port import OutboxRow
from fanin.aggregator.engines.sqlite.store import StoredOperation
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import RequestError
from fanin.aggregator.fanin import ArrivalResult, Arrived, DeadlineReached, FanIn, Phase, Step, step
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, VariedStore, complete_anyway, decide, vary

FIVE_MINUTES_MS = 300_000


class _StoreWithoutOutcomes(VariedStore):
    """Deletes an operation as soon as it has its outcome."""

    def decide(self, known: Iterable[StoredOperation]) -> None:
        known = list(known)
        super().decide(known)
        self.purge([n for n, _ in known])


def _step_completes_after_timeout(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Complete with the last region, even after the outcome."""
    result = step(state, event)
    after = result.state
    if result.result is ArrivalResult.LATE and after.phase is Phase.TIMED_OUT:
        arrived = {**after.arrived, **after.late}
        if arrived.keys() >= set(after.expected):
            return decide(msgspec.structs.replace(after, arrived=arrived), Phase.COMPLETED, event.at_ms)
    return result


class _StoreWithLeftovers(VariedStore):
    """Keeps the states of operations that were deleted after their retention."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._decided: dict[int, FanIn] = {}  # by row
        self.leftovers: dict[str, FanIn] = {}  # by operation

    def decide(self, known: Iterable[StoredOperation]) -> None:
        known = list(known)
        self._decided.update(known)
        super().decide(known)

    def purge(self, numbers: Sequence[int]) -> int:
        for state in (self._decided.pop(n) for n in numbers if n in self._decided):
            self.leftovers[state.operation_id] = state
        return super().purge(numbers)


class _StartsWithLeftovers(Transaction):
    def start_operation(self, arrival: Arrival, event: Arrived) -> Step:
        started = super().start_operation(arrival, event)
        assert isinstance(self.store, _StoreWithLeftovers)  # noqa: S101 - they belong together
        leftover = self.store.leftovers.get(arrival.operation_id)
        return self.combine(leftover, started, event.at_ms) if leftover else started

    def combine(self, leftover: FanIn, started: Step, at_ms: int) -> Step:
        """Count arrivals that a timeout has left behind."""
        if leftover.phase is not Phase.TIMED_OUT:
            return started
        state = msgspec.structs.replace(started.state, arrived={**leftover.arrived, **started.state.arrived})
        return started._replace(state=state) if state.missing else decide(state, Phase.COMPLETED, at_ms)


class _PromiseStaysResolved(_StartsWithLeftovers):
    def combine(self, leftover: FanIn, started: Step, at_ms: int) -> Step:
        """Complete at once if the promise of completion was resolved before."""
        return complete_anyway(started.state, at_ms) if leftover.phase is Phase.COMPLETED else started


class _RendersAgain(VariedEngine):
    """Renders notifications that were pending when it started from what is stored of their regions."""

    _opened_ms = 0

    async def open(self) -> None:
        self._opened_ms = self.clock.now_ms()
        await super().open()

    def unattempted(self, *, target: str, after: int, limit: int) -> list[OutboxRow]:
        return [self._rendered(it) for it in super().unattempted(target=target, after=after, limit=limit)]

    def due_retries(self, *, target: str, now_ms: int, limit: int) -> list[OutboxRow]:
        return [self._rendered(it) for it in super().due_retries(target=target, now_ms=now_ms, limit=limit)]

    def _rendered(self, row: OutboxRow) -> OutboxRow:
        pending = row.notification
        known = self.store.load([pending.operation_id]).get(pending.operation_id)
        if pending.decided_ms >= self._opened_ms or not isinstance(known, tuple):
            return row
        _, state = known
        if state.key != pending.key:
            return row
        arrived = {*state.arrived, *state.late}
        again = msgspec.structs.replace(
            pending,
            arrived=tuple(it for it in state.expected if it in arrived),
            missing=tuple(it for it in state.expected if it not in arrived),
        )
        return row._replace(notification=again)


class _GoneError(RequestError):
    """The operation is finished."""

    status = 410


def _step_refuses_late(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Refuse events of a finished operation."""
    if isinstance(event, Arrived) and state.phase is not Phase.WAITING:
        raise _GoneError(f"operation {state.operation_id} is finished")
    return step(state, event)


MUTANTS = (
    Mutant(
        "deletes-on-completion",
        ("B44",),
        "Deletes an operation when it is decided, so a late webhook starts it again, and a second timeout"
        " follows.",
        "resurrection",
        vary(store=_StoreWithoutOutcomes),
    ),
    Mutant(
        "retention-of-five-minutes",
        ("B18", "B44"),
        "Remembers outcomes for five minutes, although senders retry for days, so a copy that comes the"
        " next day starts the operation again.",
        "duplicate-after-done",
        vary(settings={"retention_ms": FIVE_MINUTES_MS}),
    ),
    Mutant(
        "completes-after-timeout",
        ("B47",),
        "Does not look whether an operation has an outcome when its last region arrives, so a timeout is"
        " followed by a completion.",
        "late-region",
        vary(step=_step_completes_after_timeout),
    ),
    Mutant(
        "refuses-late-arrivals",
        ("B46",),
        "Refuses events of a finished operation, so a late webhook is answered 410, and its sender retries"
        " in vain or disables the webhook.",
        "late-region",
        vary(step=_step_refuses_late),
    ),
    Mutant(
        "renders-again-at-a-start",
        ("B66",),
        "Renders a pending notification anew after a restart, so it names a region that was late as arrived.",
        "late-before-notification",
        vary(engine=_RendersAgain),
    ),
    Mutant(
        "inherits-arrivals",
        ("B45", "B03"),
        "Deletes an operation that has timed out but not its arrivals, so the next one with the same id"
        " inherits regions and completes without them.",
        "same-key-next-week",
        vary(store=_StoreWithLeftovers, transaction=_StartsWithLeftovers),
    ),
    Mutant(
        "promise-stays-resolved",
        ("B07",),
        "Leaves the promise of completion resolved for ever, so the next operation with the same id"
        " completes with its first webhook.",
        "same-key-next-week",
        vary(store=_StoreWithLeftovers, transaction=_PromiseStaysResolved),
    ),
)
