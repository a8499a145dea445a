"""What a scenario asks of whatever is judged, beyond keeping the contract with its default settings.

Rules of this file: pure. A target says what it has; a scenario whose needs it lacks is skipped, by name.
"""

from collections.abc import Collection
from typing import Literal, get_args

from simulator.scenario import SUBSCRIBABLE, Crash, Restart, Scenario, SinkDown

Capability = Literal[
    "process",  # the harness can kill and restart it
    "own-sink",  # notifications come to a sink that serves one scenario alone
    "image-correlation",  # FANIN_CORRELATION=image
    "action-filter",  # FANIN_ACTIONS
    "function-keys",  # FANIN_KEYS
    "own-regions",  # FANIN_REGIONS: each scenario brings its own
]
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)

# A deployment is configured once, by somebody else; how, only its owner can say.
Declarable = Literal["image-correlation", "action-filter", "function-keys"]
DECLARABLE: tuple[Declarable, ...] = get_args(Declarable)
# What ``action-filter`` says of a deployment: it fans in these, and answers 200 to all others.
FILTERED_ACTIONS = ("push",)


def needs(scenario: Scenario) -> tuple[Capability, ...]:
    """What must be there for the scenario to mean anything."""
    found: list[Capability] = []
    if any(isinstance(fault, Crash | Restart) for fault in scenario.faults):
        found.append("process")
    if any(isinstance(fault, SinkDown) for fault in scenario.faults):
        found.append("own-sink")
    if scenario.correlation == "image":
        found.append("image-correlation")
    if set(scenario.actions) != set(SUBSCRIBABLE):
        found.append("action-filter")
    if scenario.key:
        found.append("function-keys")
    return tuple(found)


def lacking(scenario: Scenario, there: Collection[Capability]) -> tuple[Capability, ...]:
    """Which of its needs a target with these capabilities lacks."""
    return tuple(need for need in needs(scenario) if need not in there)
