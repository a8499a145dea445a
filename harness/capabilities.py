"""Capabilities: what a scenario needs of a target besides the contract with default settings.

Rules of this file: pure. A scenario that needs a capability which the target does not have is skipped,
and the capability is named.
"""

from collections.abc import Collection
from typing import Literal, get_args

from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import SUBSCRIBABLE

Capability = Literal[
    "process",  # the harness can kill and restart it
    "pause",  # the harness can pause it
    "reconfiguration",  # the harness can restart it with other settings
    "own-sink",  # each scenario has a sink of its own
    "image-correlation",  # FANIN_CORRELATION=image
    "action-filter",  # FANIN_ACTIONS
    "function-keys",  # FANIN_KEYS
    "own-regions",  # FANIN_REGIONS: each scenario has regions of its own
    "replicas",  # several processes may share one DATA_DIR
    "stepping-clock",  # deadlines do not move when the machine's clock is set
    "envelopes",  # one request may carry several events
    "signatures",  # WEBHOOK_SECRETS: deliveries are signed, as Standard Webhooks has it
    "filters",  # FANIN_REPOSITORIES, FANIN_TAGS, FANIN_TAGGED_ONLY, FANIN_SKIP_ATTACHMENTS
    "completed-late",  # FANIN_NOTIFY_ON: a message of its own when the last missing region reports after all
    "event-grid",  # POST /api/EventGrid takes events of Azure Event Grid, in both schemas
]
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)

# Not part of the contract: a target has them only if it says so.
OptionalCapability = Literal[
    "replicas", "stepping-clock", "envelopes", "signatures", "filters", "completed-late", "event-grid"
]
OPTIONAL_CAPABILITIES: tuple[OptionalCapability, ...] = get_args(OptionalCapability)
# An application or a command has these unless it says otherwise.
DEFAULT_CAPABILITIES: frozenset[Capability] = frozenset(CAPABILITIES) - frozenset(OPTIONAL_CAPABILITIES)
# This project's own aggregator has these.
OUR_CAPABILITIES: frozenset[Capability] = DEFAULT_CAPABILITIES | {
    "signatures",
    "filters",
    "completed-late",
    "event-grid",
}
# In real time, the clock of a single process cannot be set.
VIRTUAL_TIME_ONLY: frozenset[Capability] = frozenset({"stepping-clock"})

# What can be declared of a target. How a deployment is configured, only its owner knows.
Declarable = Literal[
    "image-correlation",
    "action-filter",
    "function-keys",
    "replicas",
    "stepping-clock",
    "envelopes",
    "signatures",
    "filters",
    "completed-late",
    "event-grid",
]
DECLARABLE_CAPABILITIES: tuple[Declarable, ...] = get_args(Declarable)
DEPLOYMENT_CAPABILITIES: tuple[Declarable, ...] = (
    "image-correlation",
    "action-filter",
    "function-keys",
    "envelopes",
)
# A deployment with ``action-filter`` fans in these, and answers 200 to all others.
FILTERED_ACTIONS = ("push",)


def required_capabilities(scenario: Scenario) -> tuple[Capability, ...]:
    """The capabilities without which the scenario proves nothing, in the order of `CAPABILITIES`."""
    found: dict[Capability, None] = dict.fromkeys(need for fault in scenario.faults for need in fault.needs)
    conditions: dict[Capability, bool] = {
        "reconfiguration": bool(scenario.expects),
        "image-correlation": scenario.correlation == "image",
        "action-filter": set(scenario.actions) != set(SUBSCRIBABLE),
        "function-keys": bool(scenario.key),
        "replicas": scenario.replicas > 1,
        "envelopes": scenario.sender.envelope is not None and scenario.sender.profile != "event-grid",
        "signatures": bool(scenario.signing.secrets),
        "completed-late": scenario.notifies_late,
        "filters": scenario.only.leaves_out,
        "event-grid": scenario.sender.profile == "event-grid",
    }
    found |= dict.fromkeys(need for need, holds in conditions.items() if holds)
    return tuple(need for need in CAPABILITIES if need in found)


def missing_capabilities(scenario: Scenario, available: Collection[str]) -> tuple[Capability, ...]:
    """The required capabilities that are not among these."""
    return tuple(need for need in required_capabilities(scenario) if need not in available)
