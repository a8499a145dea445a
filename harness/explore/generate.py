"""Random scenarios: regions, operations and faults, all drawn from one seed.

Rules of this file: pure; the same seed is the same scenario, in every process. Situations in which bugs show
are frequent: ties, near misses, stampedes, tiny latencies; a scenario without faults is drawn now and then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

import msgspec

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, Capability
from fanin.harness.explore.draw import Draw
from fanin.harness.explore.faults import DAY, SECOND, FaultGenerator
from fanin.harness.explore.operations import draw_operations
from fanin.harness.explore.predict import NOTHING_PREDICTED
from fanin.harness.explore.repair import repaired
from fanin.harness.explore.themes import KEYS, with_theme
from fanin.simulator.event_grid import TYPES as EVENT_GRID_ACTIONS
from fanin.simulator.event_grid import Schema
from fanin.simulator.faults.fault import Fault
from fanin.simulator.language.scenario import Only, ProfileName, Scenario, Sender, Signing, Webhook
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import SUBSCRIBABLE, Action

REGIONS = (
    "northeurope", "westeurope", "eastus", "southeastasia", "brazilsouth", "japaneast", "uksouth",
    "Central US", "eastus2", "francecentral", "westus3", "koreacentral", "norwayeast", "qatarcentral",
)  # fmt: skip
TIMEOUT_MS_MAX = 30 * DAY
# An aggregator that is scaled to zero takes two seconds for its first answer.
SENDER_TIMEOUT_MS_MIN = 3 * SECOND
# Timeouts at which timers break: three days (some engines split longer ones), 31 bits of ms, a month.
TIMEOUTS_MS = (3 * DAY, 3 * DAY + 1, 2**31 - 1, 2**31, TIMEOUT_MS_MAX, TIMEOUT_MS_MAX)
FILTERS = (
    Only(repositories=("team/*",)),
    Only(repositories=("!team/a??",)),
    Only(tags=("1.0.0*", "!1.0.0.1?")),
    Only(tagged=True),
    Only(attachments=False),
)
_SECRETS = (
    "whsec_b25jZSB1cG9uIGEgdGltZSwgYSBzZWNyZXQ=",
    "whsec_YW5vdGhlciBzZWNyZXQsIG5ld2VyIGFuZCBiZXR0ZXI=",
)

type _Correlation = tuple[Literal["event-id", "image"], Literal["same", "distinct"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What may be drawn."""

    capabilities: frozenset[Capability] = DEFAULT_CAPABILITIES  # what scenarios may need
    timeout_ms_max: int = TIMEOUT_MS_MAX

    def has(self, capability: Capability) -> bool:
        """Whether a scenario may need this."""
        return capability in self.capabilities


EVERYTHING_USUAL = Space()


def generate(seed: int, space: Space = EVERYTHING_USUAL) -> Scenario:
    """The scenario of a seed, to be played with the same seed."""
    for attempt in count():
        draw = Draw(seed, "scenario", attempt)
        if (scenario := _drawn(draw, seed, space)) is not None:
            return scenario
    raise AssertionError("unreachable: count() has no end")


def _drawn(draw: Draw, seed: int, space: Space) -> Scenario | None:
    """A scenario with faults, those of the aggregator and the sink aimed at what happens in it.

    Returns:
        None when no delivery would be acknowledged any more.
    """
    draft = _scenario_without_faults(draw, seed, space)
    of_deliveries = draw.choice((0, 0, 1, 1, 2, 3))
    generator = FaultGenerator(draw, draft, NOTHING_PREDICTED, space.capabilities)
    known = repaired(_with_drawn(draft, generator.delivery_fault, of_deliveries), seed)
    if known is None:
        return None
    scenario, prediction = known
    outages = max(int(bool(scenario.expects)), draw.choice((0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3)))
    sink_faults = draw.choice((0, 0, 0, 0, 1, 1, 2))
    generator = FaultGenerator(draw, scenario, prediction, space.capabilities)
    draft = _with_drawn(scenario, generator.aggregator_fault, outages)
    generator = FaultGenerator(draw, draft, prediction, space.capabilities)
    draft = _with_drawn(draft, generator.sink_fault, sink_faults)
    found = known if draft is scenario else repaired(draft, seed, known)
    return None if found is None else found.scenario


def _with_drawn(scenario: Scenario, draw_fault: Callable[[], Fault | None], times: int) -> Scenario:
    """The scenario with so many faults more, as far as one is of use."""
    drawn = tuple(fault for fault in (draw_fault() for _ in range(times)) if fault is not None)
    return msgspec.structs.replace(scenario, faults=(*scenario.faults, *drawn)) if drawn else scenario


def _scenario_without_faults(draw: Draw, seed: int, space: Space) -> Scenario:
    regions = _draw_regions(draw)
    timeout = _draw_timeout(draw, space.timeout_ms_max)
    correlation, ids = _draw_correlation(draw)
    if not space.has("image-correlation"):
        correlation, ids = "event-id", "same"
    filtered = space.has("action-filter") and draw.chance(0.1)
    keyed = space.has("function-keys") and draw.chance(0.1)
    scenario = Scenario(
        f"random-{seed}",
        f"A random scenario, drawn from seed {seed}",
        regions=regions,
        expects=_draw_expected(draw, regions, space),
        timeout=timeout,
        correlation=correlation,
        ids=ids,
        actions=draw.sample(SUBSCRIBABLE, draw.choice((1, 2, 3))) if filtered else SUBSCRIBABLE,
        key=draw.choice(KEYS) if keyed else "",
        replicas=draw.choice((2, 2, 3)) if space.has("replicas") and draw.chance(0.8) else 1,
        signing=_draw_signing(draw, timeout) if space.has("signatures") and draw.chance(0.4) else Signing(),
        latency=draw_latency(draw),
        sender=_draw_sender_of(draw, space),
        replication={region: draw.delay(timeout) for region in regions if draw.chance(0.3)},
        webhooks={region: _draw_webhook(draw, region) for region in regions if draw.chance(0.04)},
        operations=draw_operations(draw, regions, timeout),
    )
    if filtered:
        scenario = _with_all_actions(scenario, draw)
    scenario = with_theme(scenario, draw, space.capabilities)
    if space.has("completed-late") and draw.chance(0.3):
        scenario = msgspec.structs.replace(scenario, notifies_late=True)
    if space.has("filters") and draw.chance(0.08):
        scenario = _filtered(scenario, draw)
    return _by_event_grid(scenario, draw) if space.has("event-grid") and draw.chance(0.1) else scenario


def _with_all_actions(scenario: Scenario, draw: Draw) -> Scenario:
    """Operations of which some are wanted and some are not: a filter is about both."""
    actions = get_args(Action)
    operations = [
        msgspec.structs.replace(it, action=draw.choice(actions)) if draw.chance(0.5) else it
        for it in scenario.operations
    ]
    return msgspec.structs.replace(scenario, operations=tuple(operations))


def _filtered(scenario: Scenario, draw: Draw) -> Scenario:
    """A filter, and where it is about attachments, one of them."""
    scenario = msgspec.structs.replace(scenario, only=draw.choice(FILTERS))
    if scenario.only.attachments:
        return scenario
    n = draw.choice(range(len(scenario.operations)))
    suffix = draw.choice(("sig", "att", "sbom"))
    attached = msgspec.structs.replace(
        scenario.operations[n], image=f"team/app:sha256-{'0' * 64}.{suffix}", action="push"
    )
    operations = (*scenario.operations[:n], attached, *scenario.operations[n + 1 :])
    return msgspec.structs.replace(scenario, operations=operations)


def _by_event_grid(scenario: Scenario, draw: Draw) -> Scenario:
    """The same events by another channel, which has no webhooks of its own and fewer actions."""
    batch = draw.duration(1, 10 * SECOND) if draw.chance(0.5) else None
    return msgspec.structs.replace(
        scenario,
        sender=Sender("event-grid", schema=draw.choice(get_args(Schema)), envelope=batch),
        signing=Signing(),
        webhooks={},
        operations=tuple(
            it if it.action in EVENT_GRID_ACTIONS else msgspec.structs.replace(it, action="push")
            for it in scenario.operations
        ),
    )


def _draw_regions(draw: Draw) -> tuple[str, ...]:
    """Usually a few, sometimes more than eight."""
    return draw.sample(REGIONS, draw.choice((1, 2, 2, 2, 3, 3, 3, 4) if draw.chance(0.95) else (5, 9, 10)))


def _draw_timeout(draw: Draw, longest: int) -> int:
    drawn = draw.choice(
        (
            120 * SECOND,
            120 * SECOND,
            draw.duration(SECOND, 600 * SECOND),
            draw.duration(SECOND, TIMEOUT_MS_MAX),
            draw.duration(DAY, TIMEOUT_MS_MAX),
            draw.choice(TIMEOUTS_MS),
        )
    )
    return drawn if drawn <= longest else draw.duration(min(SECOND, longest), longest)


def _draw_expected(draw: Draw, regions: tuple[str, ...], space: Space) -> tuple[str, ...]:
    """Rarely not all of the registry's regions: then a webhook of another one must be refused."""
    if len(regions) == 1 or not space.has("reconfiguration") or draw.chance(0.93):
        return ()
    return draw.sample(regions, draw.choice(range(1, len(regions))))


def _draw_signing(draw: Draw, timeout: int) -> Signing:
    if draw.chance(0.5):
        return Signing(secrets=_SECRETS[:1])
    return Signing(secrets=_SECRETS, rotates=draw.duration(0, timeout))


def _draw_sender_of(draw: Draw, space: Space) -> Sender:
    if space.has("envelopes") and draw.chance(0.7):
        return Sender("cncf-distribution", envelope=draw.duration(1, 10 * SECOND))
    return draw_sender(draw)


def _draw_correlation(draw: Draw) -> _Correlation:
    """The correlation setting, and whether the regions' payloads share an id.

    Distinct ids with correlation by id: every webhook is an operation of its own.
    """
    rare: tuple[_Correlation, ...] = (("image", "same"), ("image", "distinct"), ("event-id", "distinct"))
    return ("event-id", "same") if draw.chance(0.75) else draw.choice(rare)


def draw_latency(draw: Draw) -> Delay:
    """The network's latency, mostly a few milliseconds."""
    return draw.choice(
        (
            Delay(fixed=0),
            Delay(fixed=1),
            Delay(min=1, max=3),
            Delay(min=0, max=draw.duration(1, 200)),
            Delay(fixed=draw.duration(1, 300)),
            Delay(median=draw.duration(1, 50), sigma=0.5),
        )
    )


# Event Grid is another channel: an aggregator need not have it, and it has no event for some actions.
_WEBHOOK_SENDERS: Sequence[ProfileName] = tuple(it for it in get_args(ProfileName) if it != "event-grid")


def draw_sender(draw: Draw) -> Sender:
    """The sender's profile, mostly one with a single attempt."""
    profile: ProfileName = draw.choice(("acr", "acr", "acr", *_WEBHOOK_SENDERS))
    return Sender(
        profile,
        attempts=draw.choice(range(1, 7)) if draw.chance(0.2) else None,
        timeout=draw.duration(SENDER_TIMEOUT_MS_MIN, 30 * SECOND) if draw.chance(0.2) else None,
    )


def _draw_webhook(draw: Draw, region: str) -> Webhook:
    """A webhook that is configured in another way, valid or not.

    Only the contract's own path: an aggregator need not have the others that ours has.
    """
    upper = region.upper().replace(" ", "%20")
    return draw.choice(
        (
            Webhook(status="disabled"),
            Webhook(actions=("delete",)),
            Webhook(scope=draw.choice(("team/app:*", "team/app", "team/app:1.0.1"))),
            Webhook(uri=f"/api/ImagePush?region={upper.title()}"),
            Webhook(uri=f"/api/ImagePush?region=%20{upper}%20"),
            Webhook(uri="/api/ImagePush?region=mars"),
            Webhook(uri="/api/ImagePush"),
            Webhook(headers={"X-Team": "blue"}),
        )
    )
