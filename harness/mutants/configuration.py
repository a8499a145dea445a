"""Changes of the configuration and of the clock: neither may change an operation that has begun."""

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.errors import AggregatorError, UnknownRegionError
from fanin.aggregator.fanin import FanIn
from fanin.aggregator.wire import Arrival
from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import VariedEngine, vary
from fanin.harness.world.host_loop import clock_offset_ms, elapsed_ms

CLOCK: frozenset[OptionalCapability] = frozenset({"stepping-clock"})


class _CurrentRegions(Transaction):
    """Compares arrivals with the regions that are configured now."""

    def current(self, operation_id: str) -> FanIn | None:
        state = super().current(operation_id)
        expected = tuple(sorted(self.settings.regions))
        return None if state is None else msgspec.structs.replace(state, expected=expected)


class _RefusesRemovedRegions(Transaction):
    """Looks whether the region is configured before it looks for the operation."""

    def deliver(self, arrival: Arrival) -> Receipt | AggregatorError:
        if arrival.region not in self.settings.regions:
            return UnknownRegionError(arrival.region, self.settings.regions)
        return super().deliver(arrival)


class _CurrentTimeout(VariedEngine):
    """Adds the timeout that is configured now to the start of each operation."""

    async def open(self) -> None:
        await super().open()
        self.rewrite(
            [
                (n, msgspec.structs.replace(it, deadline_ms=it.started_ms + self.settings.timeout_ms))
                for n, it in self.store.waiting()
            ]
        )


class MonotonicClock:
    """The wall clock as it was when the process started, plus the time since then."""

    def __init__(self, epoch_ms: int) -> None:
        self._started_ms = epoch_ms + clock_offset_ms()

    def now_ms(self) -> int:
        return self._started_ms + elapsed_ms()


MUTANTS = (
    Mutant(
        "current-regions",
        ("B29", "B66", "B46"),
        "Reads the expected regions from the configuration each time, so an operation that began with three"
        " suddenly expects four.",
        "region-added",
        vary(transaction=_CurrentRegions),
    ),
    Mutant(
        "refuses-removed-regions",
        ("B29",),
        "Refuses a region that is no longer configured, so an operation that began with it and still waits"
        " can only time out.",
        "region-added",
        vary(transaction=_RefusesRemovedRegions),
    ),
    Mutant(
        "current-timeout",
        ("B66",),
        "Computes the deadline from the timeout that is configured now, so a redeployment moves the"
        " deadlines of operations that wait.",
        "timeout-changed",
        vary(engine=_CurrentTimeout),
    ),
    Mutant(
        "follows-clock-steps",
        ("B42",),
        "Compares deadlines with the wall clock, so they pass an hour early when it is set forward.",
        "clock-jumps",
        vary(),
        capabilities=CLOCK,
    ),
)
HEALTHY = (
    Healthy(
        "monotonic-clock",
        "Reads the wall clock once, when it starts, and counts on from there, whatever the clock is set to.",
        vary(clock=MonotonicClock),
        capabilities=CLOCK,
    ),
)
