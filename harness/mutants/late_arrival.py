"""After the end: what comes late must find that there was an outcome, however late it comes."""

from collections.abc import Sequence
from typing import Any

import msgspec

from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import RequestError
from fanin.aggregator.fanin import ArrivalResult, Arrived, DeadlineReached, FanIn, Phase, Step, step
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedStore, believed_complete, finished, stepping, vary

FIVE_MINUTES_MS = 300_000


class _ForgetsWhenDone(VariedStore):
    """An operation is there for as long as it waits."""

    def decide(self, known: Any) -> None:
        self._db.executemany("DELETE FROM operation WHERE n = ?", [(n,) for n, _ in known])


def _completes_after_timeout(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """The handler of the last region does not ask whether the operation is over."""
    result = step(state, event)
    after = result.state
    if result.result is ArrivalResult.LATE and after.phase is Phase.TIMED_OUT:
        arrived = {**after.arrived, **after.late}
        if arrived.keys() >= set(after.expected):
            return finished(msgspec.structs.replace(after, arrived=arrived), Phase.COMPLETED, event.at_ms)
    return result


class _LeavesArrivals(VariedStore):
    """Forgets an operation when its retention is over, but not what had arrived for it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.left: dict[str, FanIn] = {}  # by operation

    def forget(self, numbers: Sequence[int]) -> int:
        for n in numbers:
            (text,) = self._db.execute("SELECT state FROM operation WHERE n = ?", (n,)).fetchone()
            state = msgspec.json.decode(text, type=FanIn)
            self.left[state.operation_id] = state
        return super().forget(numbers)


class _Inherits(Transaction):
    """Begins with whatever is there under the operation's id."""

    def start_operation(self, arrival: Arrival, event: Arrived) -> Step:
        begun = super().start_operation(arrival, event)
        left = self.store.left.get(arrival.operation_id) if isinstance(self.store, _LeavesArrivals) else None
        return self.begin_with(left, begun, event.at_ms) if left else begun

    def begin_with(self, left: FanIn, begun: Step, at_ms: int) -> Step:
        """What a timeout has left behind is counted for the next one."""
        if left.phase is not Phase.TIMED_OUT:
            return begun
        state = msgspec.structs.replace(begun.state, arrived={**left.arrived, **begun.state.arrived})
        return begun._replace(state=state) if state.missing else finished(state, Phase.COMPLETED, at_ms)


class _PromiseKept(_Inherits):
    def begin_with(self, left: FanIn, begun: Step, at_ms: int) -> Step:
        """The promise of completion was resolved once, and whoever waits for it is served at once."""
        return believed_complete(begun.state, at_ms) if left.phase is Phase.COMPLETED else begun


class _GoneError(RequestError):
    """The instance is finished."""

    status = 410


def _refuses_late(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """A finished instance takes no events."""
    if isinstance(event, Arrived) and state.phase is not Phase.WAITING:
        raise _GoneError(f"operation {state.operation_id} is finished")
    return step(state, event)


MUTANTS = (
    Mutant(
        "deletes-on-completion",
        ("B44",),
        "Removes an operation when it is decided, so a late webhook starts it again, and a second timeout"
        " is told when the other regions do not come.",
        "resurrection",
        vary(store=_ForgetsWhenDone),
    ),
    Mutant(
        "retention-of-five-minutes",
        ("B18", "B44"),
        "Remembers what is done for five minutes, although senders retry for days, so a copy that comes"
        " the next day starts the operation again.",
        "duplicate-after-done",
        vary(settings={"retention_ms": FIVE_MINUTES_MS}),
    ),
    Mutant(
        "completes-after-timeout",
        ("B47",),
        "Does not ask whether an operation is over when its last region reports, so it is told timed out,"
        " and completed a second later.",
        "late-region",
        vary(transaction=stepping(step=_completes_after_timeout)),
    ),
    Mutant(
        "refuses-late-arrivals",
        ("B46",),
        "Lets a finished instance refuse events, so a late webhook is answered 410, and a sender that"
        " retries goes on in vain or disables the webhook.",
        "late-region",
        vary(transaction=stepping(step=_refuses_late)),
    ),
    Mutant(
        "inherits-arrivals",
        ("B45", "B03"),
        "Forgets an operation that has timed out but not what had arrived for it, so the next one with the"
        " same id inherits regions and completes without them.",
        "same-key-next-week",
        vary(store=_LeavesArrivals, transaction=_Inherits),
    ),
    Mutant(
        "promise-stays-resolved",
        ("B07",),
        "Leaves the promise of completion resolved for ever, so the next operation with the same id"
        " completes with its first webhook.",
        "same-key-next-week",
        vary(store=_LeavesArrivals, transaction=_PromiseKept),
    ),
)
