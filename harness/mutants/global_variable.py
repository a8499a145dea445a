"""An aggregator whose module holds state: as durable as the process that has imported it.

Rules of this file: nothing imports it but the lives of the mutant, each for itself.
"""

from collections.abc import Mapping

from msgspec import structs

from fanin.aggregator.engine import Receipt
from fanin.aggregator.fanin import Arrived, DeadlineReached, FanIn, Phase, Step, step
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.variation import VariedEngine, vary
from fanin.harness.world.asgi import AsgiApp

ARRIVED: dict[str, dict[str, Arrival]] = {}  # by operation and region: all but the first, until it is decided


class _CountsInAGlobal(VariedEngine):
    """Stores the first arrival, which begins the operation, and the others when they are complete."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        state = await self.inspect(arrival.operation_id)
        if state is None or state.phase is not Phase.WAITING or arrival.region not in state.expected:
            return await super().deliver(arrival)
        others = ARRIVED.setdefault(arrival.operation_id, {})
        others.setdefault(arrival.region, arrival)
        if state.arrived.keys() | others.keys() < set(state.expected):
            return self.receipt_without_storing(arrival)
        receipts = [await super(_CountsInAGlobal, self).deliver(each) for each in others.values()]
        return receipts[-1]


def _step(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    if isinstance(event, DeadlineReached):
        others = dict.fromkeys(ARRIVED.get(state.operation_id, ()), state.started_ms)
        state = structs.replace(state, arrived={**others, **state.arrived})
    return step(state, event)


def create_app(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
    """The aggregator of one life."""
    return vary(engine=_CountsInAGlobal, step=_step)(environment, epoch_ms)
