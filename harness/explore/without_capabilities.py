"""Removes from a scenario what needs a capability that the aggregator under test does not have.

Rules of this file: pure; the names are those of `harness.capabilities`.
"""

from collections.abc import Collection

import msgspec

from fanin.harness.capabilities import Capability
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import SUBSCRIBABLE

# Capabilities that a run in virtual time may need, and a target may lack.
REMOVABLE: tuple[Capability, ...] = ("process", "image-correlation", "action-filter", "function-keys")


def without_capabilities(scenario: Scenario, lacks: Collection[Capability]) -> Scenario:
    """The scenario without what needs these capabilities. Faults that remain may take no effect."""
    faults = tuple(it for it in scenario.faults if not any(need in lacks for need in it.needs))
    scenario = msgspec.structs.replace(scenario, faults=faults)
    if "image-correlation" in lacks and scenario.correlation == "image":
        scenario = msgspec.structs.replace(scenario, correlation="event-id", ids="same")
    if "action-filter" in lacks:
        scenario = msgspec.structs.replace(scenario, actions=SUBSCRIBABLE)
    if "function-keys" in lacks:
        scenario = msgspec.structs.replace(scenario, key="")
    return scenario
