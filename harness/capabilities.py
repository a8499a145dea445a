"""What a scenario asks of whatever is judged, beyond keeping the contract with its default settings.

Rules of this file: pure. A target says what it has; a scenario whose needs it lacks is skipped, by name.
"""

from collections.abc import Collection
from typing import Literal, get_args

from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import SUBSCRIBABLE

Capability = Literal[
    "process",  # the harness can kill and restart it
    "pause",  # the harness can make it stand still
    "reconfiguration",  # the harness can restart it with other settings
    "own-sink",  # notifications come to a sink that serves one scenario alone
    "image-correlation",  # FANIN_CORRELATION=image
    "action-filter",  # FANIN_ACTIONS
    "function-keys",  # FANIN_KEYS
    "own-regions",  # FANIN_REGIONS: each scenario brings its own
    "replicas",  # several processes may share one DATA_DIR
    "stepping-clock",  # deadlines do not move when the machine's clock is set
    "envelopes",  # one request may carry several events
    "signatures",  # WEBHOOK_SECRETS: deliveries are signed, as Standard Webhooks has it
]
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)

# What the contract does not ask for. Nobody has it who does not say so.
OptionalCapability = Literal["replicas", "stepping-clock", "envelopes", "signatures"]
OPTIONAL_CAPABILITIES: tuple[OptionalCapability, ...] = get_args(OptionalCapability)
# What an application or a command has without saying so.
DEFAULT_CAPABILITIES: frozenset[Capability] = frozenset(CAPABILITIES) - frozenset(OPTIONAL_CAPABILITIES)
# Nobody can set one process's clock in real time.
VIRTUAL_TIME_ONLY: frozenset[Capability] = frozenset({"stepping-clock"})

# What somebody may declare. A deployment is configured once, by somebody else; how, only its owner can say.
Declarable = Literal[
    "image-correlation",
    "action-filter",
    "function-keys",
    "replicas",
    "stepping-clock",
    "envelopes",
    "signatures",
]
DECLARABLE_CAPABILITIES: tuple[Declarable, ...] = get_args(Declarable)
DEPLOYMENT_CAPABILITIES: tuple[Declarable, ...] = (
    "image-correlation",
    "action-filter",
    "function-keys",
    "envelopes",
)
# What ``action-filter`` says of a deployment: it fans in these, and answers 200 to all others.
FILTERED_ACTIONS = ("push",)


def required_capabilities(scenario: Scenario) -> tuple[Capability, ...]:
    """What must be there for the scenario to mean anything."""
    found: dict[Capability, None] = dict.fromkeys(need for fault in scenario.faults for need in fault.needs)
    asks: dict[Capability, bool] = {
        "reconfiguration": bool(scenario.expects),
        "image-correlation": scenario.correlation == "image",
        "action-filter": set(scenario.actions) != set(SUBSCRIBABLE),
        "function-keys": bool(scenario.key),
        "replicas": scenario.replicas > 1,
        "envelopes": scenario.sender.envelope is not None,
        "signatures": bool(scenario.signing.secrets),
    }
    found |= dict.fromkeys(need for need, asked in asks.items() if asked)
    return tuple(need for need in CAPABILITIES if need in found)


def missing_capabilities(scenario: Scenario, there: Collection[str]) -> tuple[Capability, ...]:
    """Which of its needs a target with these capabilities lacks."""
    return tuple(need for need in required_capabilities(scenario) if need not in there)
