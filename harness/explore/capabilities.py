"""Takes out of a scenario what somebody's aggregator does not offer, so that what is found is about the rest.

Rules of this file: pure; what is spared are the capabilities of `harness.capabilities`, under the same names.
"""

from collections.abc import Collection

import msgspec

from fanin.harness.capabilities import Capability
from fanin.simulator.language.scenario import SUBSCRIBABLE, Crash, Fault, Restart, Scenario, WrongKey

# What a run in virtual time may ask for, and a target can lack.
SPARABLE: tuple[Capability, ...] = ("process", "image-correlation", "action-filter", "function-keys")


def spared(scenario: Scenario, lacks: Collection[Capability]) -> Scenario:
    """The scenario without the needs that are lacking. Its faults may bite nothing then."""
    if "process" in lacks:
        scenario = _without(scenario, Crash, Restart)
    if "image-correlation" in lacks and scenario.correlation == "image":
        scenario = msgspec.structs.replace(scenario, correlation="event-id", ids="same")
    if "action-filter" in lacks:
        scenario = msgspec.structs.replace(scenario, actions=SUBSCRIBABLE)
    if "function-keys" in lacks:
        scenario = _without(msgspec.structs.replace(scenario, key=""), WrongKey)
    return scenario


def _without(scenario: Scenario, *kinds: type) -> Scenario:
    kept: tuple[Fault, ...] = tuple(it for it in scenario.faults if not isinstance(it, kinds))
    return msgspec.structs.replace(scenario, faults=kept)
