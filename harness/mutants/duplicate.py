"""Repeated deliveries: what makes two of them the same, and for how long anybody remembers."""

import asyncio
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import RequestError
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
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, believed_complete, vary

LOOK_S = 0.005
FIVE_MINUTES_MS = 300_000
WORK_S = 0.02


class _Unseen(Arrival):
    """An arrival that whoever looked has taken for new."""


def _counting(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Three arrivals are three, whoever sent them."""
    result = step(state, event)
    counted = len(result.state.arrived) + result.state.duplicates
    if result.state.phase is Phase.WAITING and counted >= len(state.expected):
        return believed_complete(result.state, event.at_ms)
    return result


class _CountsUnseen(Transaction):
    """Adds one to a counter for every arrival that was taken for new."""

    _unseen = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, step=self._count)

    def deliver(self, arrival: Arrival) -> Receipt | RequestError:
        self._unseen = isinstance(arrival, _Unseen)
        return super().deliver(arrival)

    def _count(self, state: FanIn, event: Arrived | DeadlineReached) -> Step:
        return _counting(state, event) if self._unseen and isinstance(event, Arrived) else step(state, event)


class _CountsDeliveries(VariedEngine):
    """Counts what is new. Here everything is."""

    transaction_type = _CountsUnseen

    async def deliver(self, arrival: Arrival) -> Receipt:
        new = await self.is_new(arrival)
        return await super().deliver(_Unseen(*arrival) if new else arrival)

    async def is_new(self, arrival: Arrival) -> bool:  # noqa: ARG002 - the others look at it
        return True


class _ReadThenWrite(_CountsDeliveries):
    async def is_new(self, arrival: Arrival) -> bool:
        state = await self.inspect(arrival.operation_id)
        await asyncio.sleep(LOOK_S)
        return state is None or arrival.region not in state.arrived


class _Remembers(_CountsDeliveries):
    """Recognises a repetition by a name that it gives each delivery."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._seen: dict[object, int] = {}  # by that name: when

    async def is_new(self, arrival: Arrival) -> bool:
        name = self.name_of(arrival)
        new = name not in self._seen
        self._seen.setdefault(name, self._clock.now_ms())
        return new

    def name_of(self, arrival: Arrival) -> object:
        return arrival.operation_id, arrival.region


class _NamesBySecond(_Remembers):
    def name_of(self, arrival: Arrival) -> object:
        return arrival.operation_id, arrival.region, self._clock.now_ms() // 1_000


class _ForgetsDeliveries(_Remembers):
    async def is_new(self, arrival: Arrival) -> bool:
        now_ms = self._clock.now_ms()
        self._seen = {name: at for name, at in self._seen.items() if now_ms - at < FIVE_MINUTES_MS}
        return await super().is_new(arrival)


class _IdIsTheDelivery(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        if await self.inspect(arrival.operation_id):
            return self.pretend(arrival, ArrivalResult.DUPLICATE)
        return await super().deliver(arrival)


class _SeenBeforeDone(VariedEngine):
    """Writes a delivery's name down, durably, and then begins to work on it."""

    async def open(self) -> None:
        self._marks = self._settings.data_dir / "seen"
        self._seen = set(self._marks.read_text().splitlines()) if self._marks.exists() else set()
        await super().open()

    async def deliver(self, arrival: Arrival) -> Receipt:
        name = f"{arrival.operation_id} {arrival.region}"
        if name in self._seen:
            return self.pretend(arrival, ArrivalResult.DUPLICATE)
        self._seen.add(name)
        with self._marks.open("a") as file:
            file.write(f"{name}\n")
        await asyncio.sleep(WORK_S)
        return await super().deliver(arrival)


class _EachLooksForItself(VariedEngine):
    """Whoever has stored a region looks whether the set is full now, and tells if it is."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        if receipt.result is not ArrivalResult.COUNTED or receipt.state.phase is not Phase.WAITING:
            return receipt
        await asyncio.sleep(LOOK_S)
        state = await self.inspect(arrival.operation_id)
        if state and state.phase is Phase.COMPLETED:
            told = notification_of(state, decided_ms=self._clock.now_ms())
            self.tell_besides(msgspec.structs.replace(told, key=f"{told.key}-{arrival.region}"))
        return receipt


MUTANTS = (
    Mutant(
        "counts-deliveries",
        ("B22", "B21"),
        "Counts deliveries instead of distinct regions, so a copy of one webhook completes an operation"
        " that lacks a region.",
        "duplicate-not-quorum",
        vary(engine=_CountsDeliveries),
    ),
    Mutant(
        "read-then-write",
        ("B15",),
        "Looks whether it has seen a delivery and writes it down a moment later, so two copies that come"
        " together are both new, and both are counted.",
        "twin-copies",
        vary(engine=_ReadThenWrite),
    ),
    Mutant(
        "dedupe-in-memory",
        ("B16",),
        "Keeps the deliveries that it has seen in memory, so after a restart a repeated one is new and is"
        " counted again.",
        "crash-before-answer",
        vary(engine=_Remembers),
    ),
    Mutant(
        "marked-before-processed",
        ("B17",),
        "Marks a delivery as seen before its work is done, so when a crash comes in between, the sender's"
        " second attempt is taken for a duplicate of something that never happened.",
        "crash-in-a-burst",
        vary(engine=_SeenBeforeDone),
    ),
    Mutant(
        "dedupe-for-five-minutes",
        ("B18",),
        "Remembers deliveries for five minutes, as a well-known text suggests, so a sender that retries"
        " for days is counted again and again.",
        "long-retry-horizon",
        vary(engine=_ForgetsDeliveries),
    ),
    Mutant(
        "dedupe-by-id-only",
        ("B19",),
        "Recognises repetitions by the payload's id alone, which all regions share, so every region after"
        " the first is dropped as a duplicate.",
        "identical-bodies",
        vary(engine=_IdIsTheDelivery),
    ),
    Mutant(
        "new-identity-per-attempt",
        ("B20",),
        "Makes the time of receipt part of a delivery's identity, so a sender that tries again is never"
        " recognised, and is counted twice.",
        "ack-lost",
        vary(engine=_NamesBySecond),
    ),
    Mutant(
        "concurrent-completion",
        ("B22", "B15"),
        "Lets every delivery look for itself whether the set is full now, so two that come together both"
        " see it full, and both tell the outcome, each under a key of its own.",
        "stampede-finish",
        vary(engine=_EachLooksForItself),
    ),
)
