"""Starting an operation: whichever webhook comes first starts it, and none may get lost by that."""

import asyncio
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import RequestError
from fanin.aggregator.fanin import ArrivalResult, FanIn, Phase, Step, start
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, stepping, vary

# What a look-up in another process takes.
LOOK_S = 0.005
# How long an engine may take to show an instance that it has accepted.
PENDING_MS = 1_500


class _Starter(Arrival):
    """An arrival of which somebody has looked up that it is the first of its operation."""


class _Overwriting(Transaction):
    """Starts when it is told to, whatever there is."""

    _anew = False

    def deliver(self, arrival: Arrival) -> Receipt | RequestError:
        self._anew = isinstance(arrival, _Starter)
        return super().deliver(arrival)

    def current(self, operation_id: str) -> FanIn | None:
        return None if self._anew else super().current(operation_id)


class _LookThenStart(VariedEngine):
    transaction_type = _Overwriting

    async def deliver(self, arrival: Arrival) -> Receipt:
        known = await self.inspect(arrival.operation_id)
        await asyncio.sleep(LOOK_S)
        return await super().deliver(arrival if known else _Starter(*arrival))


class _InvisibleAtBirth(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        state = await self.inspect(arrival.operation_id)
        if state and self._clock.now_ms() < state.started_ms + PENDING_MS:
            return self.pretend(arrival)
        return await super().deliver(arrival)


class AlreadyExistsError(RequestError):
    """Somebody else is starting the operation."""

    status = 409


class _LoserRefused(VariedEngine):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._starting: set[str] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        operation_id = arrival.operation_id
        if operation_id in self._starting:
            return self.lost(arrival)
        if await self.inspect(operation_id):
            return await super().deliver(arrival)
        self._starting.add(operation_id)
        try:
            await asyncio.sleep(LOOK_S)
            return await super().deliver(arrival)
        finally:
            self._starting.discard(operation_id)

    def lost(self, arrival: Arrival) -> Receipt:
        raise AlreadyExistsError(f"operation {arrival.operation_id} exists already")


class _LoserSwallowed(_LoserRefused):
    def lost(self, arrival: Arrival) -> Receipt:
        return self.pretend(arrival)


def _deaf_start(*args: Any, **kwargs: Any) -> Step:
    """Starts the operation, and begins to listen after that."""
    begun = start(*args, **kwargs).state
    deaf = msgspec.structs.replace(begun, arrived={}, phase=Phase.WAITING, decided_ms=None)
    return Step(deaf, (), ArrivalResult.COUNTED)


class _OneInFlight(VariedEngine):
    """One message per operation is correlated at a time; what comes meanwhile finds no subscription."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._in_flight: set[str] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.operation_id in self._in_flight:
            return self.pretend(arrival)
        self._in_flight.add(arrival.operation_id)
        try:
            await asyncio.sleep(LOOK_S)
            return await super().deliver(arrival)
        finally:
            self._in_flight.discard(arrival.operation_id)


class _Based(Arrival):
    """An arrival, and the state of its operation that somebody has read for it."""

    before: FanIn | None = None


class _WritesBack(Transaction):
    """Applies an arrival to the state that was read for it, not to the one that is stored by now."""

    _read: FanIn | None = None

    def deliver(self, arrival: Arrival) -> Receipt | RequestError:
        self._read = arrival.before if isinstance(arrival, _Based) else None
        return super().deliver(arrival)

    def current(self, operation_id: str) -> FanIn | None:
        return self._read or super().current(operation_id)


class _LostUpdate(VariedEngine):
    transaction_type = _WritesBack

    async def deliver(self, arrival: Arrival) -> Receipt:
        based = _Based(*arrival)
        based.before = await self.inspect(arrival.operation_id)
        await asyncio.sleep(LOOK_S)
        return await super().deliver(based)


MUTANTS = (
    Mutant(
        "look-then-start",
        ("B01",),
        "Looks whether the operation exists and starts it if not, so of two first webhooks that look at"
        " the same time the second starts it over, and the first one's region is gone.",
        "stampede-start",
        vary(engine=_LookThenStart),
    ),
    Mutant(
        "not-visible-after-start",
        ("B02", "B28"),
        "Hands events to an instance that its engine does not show yet, so what comes within the first"
        " second and a half is accepted and reaches nobody.",
        "identical-bodies",
        vary(engine=_InvisibleAtBirth),
    ),
    Mutant(
        "race-loser-refused",
        ("B04",),
        "Takes 'exists already' for a failure, so the webhook that loses the race to start the operation"
        " is answered 409, and its sender does not come again.",
        "stampede-start",
        vary(engine=_LoserRefused),
    ),
    Mutant(
        "race-loser-dropped",
        ("B04", "B26"),
        "Ignores 'exists already', so the webhook that loses the race to start the operation is answered"
        " 202 and never handed to the winner.",
        "stampede-start",
        vary(engine=_LoserSwallowed),
    ),
    Mutant(
        "first-event-ignored",
        ("B05",),
        "Begins to listen only when the operation has started, so the region that started it is never"
        " counted.",
        "one-region",
        vary(transaction=stepping(start=_deaf_start)),
    ),
    Mutant(
        "one-message-in-flight",
        ("B23",),
        "Correlates one message per operation at a time, so of two webhooks that come together one is"
        " answered 202 and not counted.",
        "stampede-finish",
        vary(engine=_OneInFlight),
    ),
    Mutant(
        "lost-update",
        ("B23",),
        "Reads the set of regions, adds one and writes it back, so of two that do so at once the second"
        " overwrites what the first has written.",
        "stampede-finish",
        vary(engine=_LostUpdate),
    ),
)
