"""Applies a scenario's faults to the deliveries that they select.

Faults apply in the scenario's order, and what an earlier one made passes through all later ones.
"""

import itertools
from collections.abc import Iterable

from msgspec import structs

from fanin.simulator.faults.delivery import DeliveryContext, DeliveryFault
from fanin.simulator.faults.fault import Fault
from fanin.simulator.plan import Delivery
from fanin.simulator.rng import LazyRandom, RandomSource
from fanin.simulator.wire import normalise_region


class DeliveryFaults:
    """The faults of one scenario that change deliveries, in its order.

    Args:
        faults: All faults of the scenario.
        regions: The regions that an aggregator waits for.
        seed: Decides what takes effect, and how.
    """

    def __init__(self, faults: Iterable[Fault], *, regions: Iterable[str], seed: int) -> None:
        self._seed = seed
        self._expected = frozenset(map(normalise_region, regions))
        self._faults = [
            (index, fault) for index, fault in enumerate(faults) if isinstance(fault, DeliveryFault)
        ]

    def apply(self, delivery: Delivery, operation: str) -> tuple[list[Delivery], int | None]:
        """Apply every fault that selects the delivery.

        Args:
            delivery: The delivery as the registry would send it.
            operation: The operation's name in the scenario, which stands for all its repeats.

        Returns:
            What is left to send, the delivery itself first, and the fault that dropped all of it, if one did.
        """
        copies = itertools.count(1)
        left, dropped_by = [delivery], list[int]()
        for index, fault in self._faults:
            if not _selects(fault, delivery, operation):
                continue
            source = LazyRandom(self._seed, "fault", index, delivery.op, delivery.region)
            context = DeliveryContext(index, source, copies, self._expected)
            results = [
                fault.apply(each, context) if _takes_effect(fault, source) else (each,) for each in left
            ]
            dropped_by += [index] * sum(not result for result in results)
            left = list(itertools.chain.from_iterable(results))
        if not left:
            return [], dropped_by[-1]
        if dropped_by:  # a copy is gone and another one is left: nothing is unsent, but the fault took effect
            left[0] = structs.replace(left[0], faults=(*left[0].faults, *dropped_by))
        return left, None


def _selects(fault: DeliveryFault, delivery: Delivery, operation: str) -> bool:
    return fault.region in ("", delivery.region) and fault.operation in ("", operation, delivery.op)


def _takes_effect(fault: DeliveryFault, source: RandomSource) -> bool:
    """``chance`` 1 draws nothing, and 0 never takes effect, whatever is drawn."""
    return fault.chance >= 1 or source.random() < fault.chance
