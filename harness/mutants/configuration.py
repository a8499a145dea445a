"""The configuration, and a clock that is set: neither may change what has begun."""

from collections.abc import Iterator

import msgspec

from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import FanIn
from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import VariedEngine, vary
from fanin.harness.world.kernel import ahead_ms, elapsed_ms

CLOCK: frozenset[OptionalCapability] = frozenset({"stepping-clock"})


class _RegionsOfToday(Transaction):
    """Compares what has arrived with what is configured now."""

    def current(self, operation_id: str) -> FanIn | None:
        state = super().current(operation_id)
        expected = tuple(sorted(self.settings.regions))
        return None if state is None else msgspec.structs.replace(state, expected=expected)


class _TimeoutOfToday(VariedEngine):
    """Adds what is configured now to when each operation began."""

    async def open(self) -> None:
        await super().open()
        moved = [
            (n, msgspec.structs.replace(it, deadline_ms=it.started_ms + self._settings.timeout_ms))
            for n, it in self._store.waiting()
        ]
        self._store.begin()
        self._store.rewrite(moved)
        self._store.commit()
        self.recheck()


class SteadyClock:
    """What the wall clock showed when the process started, and since then what has passed."""

    def __init__(self, epoch_ms: int) -> None:
        self._started_ms = epoch_ms + ahead_ms()

    def now_ms(self) -> int:
        return self._started_ms + elapsed_ms()


def _mutants() -> Iterator[Mutant]:
    yield Mutant(
        "current-regions",
        ("B29", "B66"),
        "Reads the expected regions from the configuration each time, so one that began with three is"
        " suddenly to wait for four.",
        "region-added",
        vary(transaction=_RegionsOfToday),
    )
    yield Mutant(
        "current-timeout",
        ("B66",),
        "Reckons the deadline from the timeout that is configured now, so a redeploy moves the deadlines of"
        " operations that wait.",
        "timeout-changed",
        vary(engine=_TimeoutOfToday),
    )
    yield Mutant(
        "follows-clock-steps",
        ("B42",),
        "Compares deadlines with the wall clock, so they pass an hour early when it is put forward.",
        "clock-jumps",
        vary(),
        capabilities=CLOCK,
    )


MUTANTS = tuple(_mutants())
HEALTHY = (
    Healthy(
        "monotonic-clock",
        "Reads the wall clock once, when it starts, and counts on from there, whatever becomes of the clock.",
        vary(clock=SteadyClock),
        capabilities=CLOCK,
    ),
)
