"""Starting an operation: the webhook that comes first starts it, and no webhook may be lost by that."""

import asyncio
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import AggregatorError, RequestError
from fanin.aggregator.fanin import ArrivalResult, FanIn, Phase, Step, start
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, vary

# How long a look-up in another process takes.
LOOKUP_S = 0.005
# How long an engine may take to show an instance that it has accepted.
PENDING_MS = 1_500


class _FirstArrival(Arrival):
    """An arrival whose operation did not exist when it was looked up."""


class _StartsAgain(Transaction):
    """Starts an operation with each `_FirstArrival`, even if it exists by now."""

    _ignores_stored = False

    def deliver(self, arrival: Arrival) -> Receipt | AggregatorError:
        self._ignores_stored = isinstance(arrival, _FirstArrival)
        return super().deliver(arrival)

    def current(self, operation_id: str) -> FanIn | None:
        return None if self._ignores_stored else super().current(operation_id)


class _LooksUpThenStarts(VariedEngine):
    transaction_type = _StartsAgain

    async def deliver(self, arrival: Arrival) -> Receipt:
        known = await self.inspect(arrival.operation_id)
        await asyncio.sleep(LOOKUP_S)
        return await super().deliver(arrival if known else _FirstArrival(*arrival))


class _NotVisibleAfterStart(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        state = await self.inspect(arrival.operation_id)
        if state and self.clock.now_ms() < state.started_ms + PENDING_MS:
            return self.receipt_without_storing(arrival)
        return await super().deliver(arrival)


class AlreadyExistsError(RequestError):
    """Another webhook is starting the operation."""

    status = 409


class _RaceLoserRefused(VariedEngine):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._starting: set[str] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        operation_id = arrival.operation_id
        if operation_id in self._starting:
            return self.lose_race(arrival)
        if await self.inspect(operation_id):
            return await super().deliver(arrival)
        self._starting.add(operation_id)
        try:
            await asyncio.sleep(LOOKUP_S)
            return await super().deliver(arrival)
        finally:
            self._starting.discard(operation_id)

    def lose_race(self, arrival: Arrival) -> Receipt:
        raise AlreadyExistsError(f"operation {arrival.operation_id} exists already")


class _RaceLoserDropped(_RaceLoserRefused):
    def lose_race(self, arrival: Arrival) -> Receipt:
        return self.receipt_without_storing(arrival)


def _start_without_first_event(*args: Any, **kwargs: Any) -> Step:
    """Start the operation; events are received only after that."""
    started = start(*args, **kwargs).state
    waiting = msgspec.structs.replace(started, arrived={}, phase=Phase.WAITING, decided_ms=None)
    return Step(waiting, (), ArrivalResult.DUPLICATE)  # the engine asks for the time of what counted


class _OneMessageInFlight(VariedEngine):
    """Correlates one message per operation at a time; others meanwhile find no subscription."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight: set[str] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.operation_id in self._in_flight:
            return self.receipt_without_storing(arrival)
        self._in_flight.add(arrival.operation_id)
        try:
            await asyncio.sleep(LOOKUP_S)
            return await super().deliver(arrival)
        finally:
            self._in_flight.discard(arrival.operation_id)


class _ArrivalWithState(Arrival):
    """An arrival, and the state of its operation as it was read before."""

    before: FanIn | None = None


class _AppliesToOldState(Transaction):
    """Applies an arrival to the state that was read for it, not to the one that is stored by now."""

    _before: FanIn | None = None

    def deliver(self, arrival: Arrival) -> Receipt | AggregatorError:
        self._before = arrival.before if isinstance(arrival, _ArrivalWithState) else None
        return super().deliver(arrival)

    def current(self, operation_id: str) -> FanIn | None:
        return self._before or super().current(operation_id)


class _LostUpdate(VariedEngine):
    transaction_type = _AppliesToOldState

    async def deliver(self, arrival: Arrival) -> Receipt:
        with_state = _ArrivalWithState(*arrival)
        with_state.before = await self.inspect(arrival.operation_id)
        await asyncio.sleep(LOOKUP_S)
        return await super().deliver(with_state)


MUTANTS = (
    Mutant(
        "look-then-start",
        ("B01",),
        "Looks whether the operation exists and starts it if not, so when two first webhooks look at the"
        " same time, the second starts it again, and the first one's region is lost.",
        "stampede-start",
        vary(engine=_LooksUpThenStarts),
    ),
    Mutant(
        "not-visible-after-start",
        ("B02", "B28"),
        "Hands events to an instance that its engine does not show yet, so webhooks within the first second"
        " and a half are accepted and lost.",
        "identical-bodies",
        vary(engine=_NotVisibleAfterStart),
    ),
    Mutant(
        "race-loser-refused",
        ("B04",),
        "Treats 'exists already' as a failure, so the webhook that loses the race to start the operation is"
        " answered 409, and its sender does not try again.",
        "stampede-start",
        vary(engine=_RaceLoserRefused),
    ),
    Mutant(
        "race-loser-dropped",
        ("B04", "B26"),
        "Ignores 'exists already', so the webhook that loses the race to start the operation is answered"
        " 202 and never delivered to the operation.",
        "stampede-start",
        vary(engine=_RaceLoserDropped),
    ),
    Mutant(
        "first-event-ignored",
        ("B05",),
        "Receives events only after the operation has started, so the region that started it never counts.",
        "one-region",
        vary(start=_start_without_first_event),
    ),
    Mutant(
        "one-message-in-flight",
        ("B23",),
        "Correlates one message per operation at a time, so of two webhooks that come together one is"
        " answered 202 and does not count.",
        "stampede-finish",
        vary(engine=_OneMessageInFlight),
    ),
    Mutant(
        "lost-update",
        ("B23",),
        "Reads the set of regions, adds one and writes the set back, so of two webhooks that do so at once"
        " the second overwrites the first.",
        "stampede-finish",
        vary(engine=_LostUpdate),
    ),
)
