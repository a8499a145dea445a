"""Repeated deliveries: how two of them are recognised as the same, and for how long."""

import asyncio
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import AggregatorError
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
from fanin.harness.mutants.variation import VariedEngine, complete_anyway, vary

# How long a look-up takes, and the work on a delivery.
LOOKUP_S, WORK_S = 0.005, 0.02
FIVE_MINUTES_MS = 300_000


class _UnseenArrival(Arrival):
    """An arrival that was not recognised as a repetition."""


class _CountsUnseen(Transaction):
    """Counts unseen arrivals, whichever region they are from."""

    _unseen = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, step=self._count)

    def deliver(self, arrival: Arrival) -> Receipt | AggregatorError:
        self._unseen = isinstance(arrival, _UnseenArrival)
        return super().deliver(arrival)

    def _count(self, state: FanIn, event: Arrived | DeadlineReached) -> Step:
        result = step(state, event)
        if not self._unseen or isinstance(event, DeadlineReached):
            return result
        count = len(result.state.arrived) + result.state.duplicates
        if result.state.phase is Phase.WAITING and count >= len(state.expected):
            return complete_anyway(result.state, event.at_ms)
        return result


class _CountsDeliveries(VariedEngine):
    """Counts deliveries that are new. Here each one is."""

    transaction_type = _CountsUnseen

    async def deliver(self, arrival: Arrival) -> Receipt:
        new = await self.is_new(arrival)
        return await super().deliver(_UnseenArrival(*arrival) if new else arrival)

    async def is_new(self, arrival: Arrival) -> bool:  # noqa: ARG002 - the subclasses use it
        return True


class _ReadsThenWrites(_CountsDeliveries):
    async def is_new(self, arrival: Arrival) -> bool:
        state = await self.inspect(arrival.operation_id)
        await asyncio.sleep(LOOKUP_S)
        return state is None or arrival.region not in state.arrived


class _RemembersInMemory(_CountsDeliveries):
    """Recognises a repetition by the identity of the delivery."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: dict[object, int] = {}  # when, by identity

    async def is_new(self, arrival: Arrival) -> bool:
        identity = self.identity_of(arrival)
        new = identity not in self._seen
        self._seen.setdefault(identity, self.clock.now_ms())
        return new

    def identity_of(self, arrival: Arrival) -> object:
        return arrival.operation_id, arrival.region


class _NewIdentityEachSecond(_RemembersInMemory):
    def identity_of(self, arrival: Arrival) -> object:
        return arrival.operation_id, arrival.region, self.clock.now_ms() // 1_000


class _ComparesContents(_RemembersInMemory):
    def identity_of(self, arrival: Arrival) -> object:
        return arrival.operation_id, arrival.region, arrival.subject


class _RemembersFiveMinutes(_RemembersInMemory):
    async def is_new(self, arrival: Arrival) -> bool:
        now_ms = self.clock.now_ms()
        self._seen = {identity: at for identity, at in self._seen.items() if now_ms - at < FIVE_MINUTES_MS}
        return await super().is_new(arrival)


class _DedupesByIdOnly(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        if await self.inspect(arrival.operation_id):
            return self.receipt_without_storing(arrival, ArrivalResult.DUPLICATE)
        return await super().deliver(arrival)


class _MarksBeforeProcessing(VariedEngine):
    """Writes a delivery's identity to a file, and then begins to work on it."""

    async def open(self) -> None:
        self._file = self.settings.data_dir / "seen"
        self._seen = set(self._file.read_text().splitlines()) if self._file.exists() else set()
        await super().open()

    async def deliver(self, arrival: Arrival) -> Receipt:
        identity = f"{arrival.operation_id} {arrival.region}"
        if identity in self._seen:
            return self.receipt_without_storing(arrival, ArrivalResult.DUPLICATE)
        self._seen.add(identity)
        with self._file.open("a") as file:
            file.write(f"{identity}\n")
        await asyncio.sleep(WORK_S)
        return await super().deliver(arrival)


class _AnswersCopiesAtOnce(VariedEngine):
    """Notes in memory what it works on, and answers that it knows it when it comes again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begun: set[tuple[str, str]] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        identity = (arrival.operation_id, arrival.region)
        if identity in self._begun:
            return self.receipt_without_storing(arrival, ArrivalResult.DUPLICATE)
        self._begun.add(identity)
        await asyncio.sleep(LOOKUP_S)
        return await super().deliver(arrival)


class _EachDeliveryCompletes(VariedEngine):
    """Each delivery stores its region, looks whether the set is full now, and notifies if it is."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        if receipt.result is not ArrivalResult.COUNTED or receipt.state.phase is not Phase.WAITING:
            return receipt
        await asyncio.sleep(LOOKUP_S)
        state = await self.inspect(arrival.operation_id)
        if state and state.phase is Phase.COMPLETED:
            again = notification_of(state, decided_ms=self.clock.now_ms())
            self.enqueue(msgspec.structs.replace(again, key=f"{again.key}-{arrival.region}"))
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
        "counts-contents",
        ("B22", "B20"),
        "Takes two webhooks for the same if they say the same, so a region that announces an event again,"
        " with another request in it, counts twice.",
        "twin-copies",
        vary(engine=_ComparesContents),
    ),
    Mutant(
        "read-then-write",
        ("B15",),
        "Looks whether it has seen a delivery and records it a moment later, so two copies that come"
        " together are both new, and both count.",
        "twin-copies",
        vary(engine=_ReadsThenWrites),
    ),
    Mutant(
        "dedupe-in-memory",
        ("B16",),
        "Keeps the deliveries that it has seen in memory, so after a restart a repeated one is new and"
        " counts again.",
        "crash-before-response",
        vary(engine=_RemembersInMemory),
    ),
    Mutant(
        "marked-before-processed",
        ("B17",),
        "Marks a delivery as seen before it is processed, so when a crash comes in between, the sender's"
        " second attempt is dropped as a duplicate.",
        "crash-in-a-burst",
        vary(engine=_MarksBeforeProcessing),
    ),
    Mutant(
        "copy-answered-first",
        ("B17", "B50"),
        "Notes in memory which deliveries it has begun to store, and answers 202 to a copy at once, so both"
        " are lost in a crash that follows.",
        "crash-between-copies",
        vary(engine=_AnswersCopiesAtOnce),
    ),
    Mutant(
        "dedupe-for-five-minutes",
        ("B18",),
        "Remembers deliveries for five minutes, as the Standard Webhooks text suggests, so the retries of a"
        " sender that retries for days count again.",
        "long-retry-horizon",
        vary(engine=_RemembersFiveMinutes),
    ),
    Mutant(
        "dedupe-by-id-only",
        ("B19",),
        "Recognises repetitions by the payload's id alone, which all regions share, so every region after"
        " the first is dropped as a duplicate.",
        "identical-bodies",
        vary(engine=_DedupesByIdOnly),
    ),
    Mutant(
        "new-identity-per-attempt",
        ("B20",),
        "Makes the time of receipt a part of a delivery's identity, so a retry is never recognised, and"
        " counts twice.",
        "ack-lost",
        vary(engine=_NewIdentityEachSecond),
    ),
    Mutant(
        "concurrent-completion",
        ("B22", "B15"),
        "Has each delivery look whether the set is full now, so two that come together both find it full,"
        " and both notify, each under a key of its own.",
        "stampede-finish",
        vary(engine=_EachDeliveryCompletes),
    ),
)
