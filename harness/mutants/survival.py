"""Days and restarts: what is remembered for how long, and how soon it is there again."""

import asyncio

from fanin.aggregator.engine import Receipt
from fanin.aggregator.fanin import FanIn, Phase
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import ALL, VariedEngine, vary

DAY_MS = 86_400_000
STARTS_FOR_S = 343
REMEMBERED = 100
# How often it looks whether everything was accepted.
LOOKS_EVERY_S = 1


class _StartsForMinutes(VariedEngine):
    """Reads all that it has ever stored before it takes requests."""

    async def open(self) -> None:
        await super().open()
        if self.store.page(None, None, 1).states:
            await asyncio.sleep(STARTS_FOR_S)


class _SendsFirst(VariedEngine):
    """Takes requests only once the sink has accepted what was pending at the start."""

    async def open(self) -> None:
        await super().open()
        pending = {row.n for row in self.store.pending()}
        while any(row.n in pending for row in self.store.pending()):  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(LOOKS_EVERY_S)


class _Forgets(VariedEngine):
    """Deletes what is finished when it should not."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        state = await self.inspect(arrival.operation_id)
        if state is not None and state.decided_ms is not None and self.forgets(state):
            self.store.begin()
            known = self.store.load([arrival.operation_id])[arrival.operation_id]
            self.store.purge([known[0]] if isinstance(known, tuple) else [])
            self.store.commit()
        return await super().deliver(arrival)

    def forgets(self, state: FanIn) -> bool:
        """Whether an operation that has its outcome is forgotten by now."""
        raise NotImplementedError


class _RemembersFromTheStart(_Forgets):
    """Deletes an operation seven days after it began, if it has had its outcome by then."""

    def forgets(self, state: FanIn) -> bool:
        return state.started_ms < self.clock.now_ms() - self.settings.retention_ms


class _ForgetsTimeouts(_Forgets):
    def forgets(self, state: FanIn) -> bool:
        return state.phase is Phase.TIMED_OUT and state.deadline_ms < self.clock.now_ms() - DAY_MS


class _RemembersAHundred(_Forgets):
    """Deletes the operation that was decided first when a hundred others are."""

    def forgets(self, state: FanIn) -> bool:
        later = (
            it
            for phase in (Phase.COMPLETED, Phase.TIMED_OUT)
            for it in self.store.page(phase, None, ALL).states
            if (it.decided_ms or 0) > (state.decided_ms or 0)
        )
        return sum(1 for _ in later) >= REMEMBERED


class _TidiesUpAtTheStart(VariedEngine):
    """Deletes what had its outcome when it starts."""

    async def open(self) -> None:
        await super().open()
        self.store.begin()
        decided = [
            state.operation_id
            for phase in (Phase.COMPLETED, Phase.TIMED_OUT)
            for state in self.store.page(phase, None, ALL).states
        ]
        known = self.store.load(decided).values()
        self.store.purge([it[0] for it in known if isinstance(it, tuple)])
        self.store.commit()


MUTANTS = (
    Mutant(
        "starts-for-minutes",
        (),
        "Reads all that it has ever stored before it takes requests, so after a crash it is away for"
        " minutes.",
        "crash-after-ack",
        vary(engine=_StartsForMinutes),
    ),
    Mutant(
        "sends-before-it-listens",
        ("B62",),
        "Sends what is pending before it takes requests, so a sink that hangs or refuses keeps it from"
        " starting.",
        "late-before-notification",
        vary(engine=_SendsFirst),
    ),
    Mutant(
        "tidies-up-at-the-start",
        ("B44",),
        "Deletes what is finished when it starts, so after a restart a copy begins an operation anew.",
        "crash-at-notify",
        vary(engine=_TidiesUpAtTheStart),
    ),
    Mutant(
        "remembers-for-three-days",
        ("B18",),
        "Remembers an outcome for three days, so a copy that comes later starts an operation.",
        "duplicate-after-done",
        vary(settings={"retention_ms": 3 * DAY_MS}),
    ),
    Mutant(
        "remembers-from-the-start",
        ("B18",),
        "Counts the retention from an operation's beginning, so after a long wait a copy starts another one.",
        "thirty-days",
        vary(engine=_RemembersFromTheStart),
    ),
    Mutant(
        "remembers-for-six-days",
        ("B18",),
        "Remembers an outcome for six days, so a copy that comes on the seventh starts an operation.",
        "duplicate-after-done",
        vary(settings={"retention_ms": 6 * DAY_MS}),
    ),
    Mutant(
        "forgets-timeouts-after-a-day",
        ("B44",),
        "Remembers what was completed for a week, and what timed out for a day, so a region that reports"
        " after days starts an operation.",
        "duplicate-after-done",
        vary(engine=_ForgetsTimeouts),
    ),
    Mutant(
        "remembers-a-hundred-outcomes",
        ("B18",),
        "Remembers the last hundred outcomes, so after so many others a copy starts an operation.",
        "hundreds-in-hand",
        vary(engine=_RemembersAHundred),
    ),
)
