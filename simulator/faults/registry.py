"""All faults of the scenario language, found in this package's modules: each class with a tag is one.

`AnyFault` is the union that msgspec decodes by the field ``fault``. To mypy it is the base, which has all
that may be asked of a fault.
"""

from collections.abc import Sequence
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING

from fanin.simulator.faults import aggregator, request, sink, transport
from fanin.simulator.faults.fault import Fault

# In the order in which messages and the JSON Schema list what they hold.
_MODULES = (transport, request, sink, aggregator)


def kinds[Family: Fault](family: type[Family]) -> tuple[type[Family], ...]:
    """The faults of a family: of `Fault` all, of `DeliveryFault` those of deliveries, and so on."""
    return tuple(
        kind for kind in _defined() if issubclass(kind, family) and kind.__struct_config__.tag is not None
    )


@cache
def _defined() -> Sequence[type[Fault]]:
    return [
        each
        for module in _MODULES
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Fault) and each.__module__ == module.__name__
    ]


if TYPE_CHECKING:
    AnyFault = Fault
else:
    AnyFault = reduce(or_, kinds(Fault))
