"""Random scenarios: regions, operations and faults, all drawn from one seed.

Rules of this file: pure; the same seed is the same scenario, in every process. Situations in which bugs show
are frequent: ties, near misses, stampedes, tiny latencies; a scenario without faults is drawn now and then.
"""

from itertools import count
from typing import Literal, get_args

import msgspec

from fanin.harness.explore.draw import Draw
from fanin.harness.explore.faults import DAY, SECOND, FaultGenerator
from fanin.harness.explore.predict import predict
from fanin.harness.explore.repair import repair
from fanin.simulator.language.scenario import Operation, ProfileName, Scenario, Sender, Webhook
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import SUBSCRIBABLE, Action, Quirk

REGIONS = (
    "northeurope", "westeurope", "eastus", "southeastasia", "brazilsouth", "japaneast", "uksouth",
    "Central US",
)  # fmt: skip
TIMEOUT_MS_MAX = 30 * DAY
# Timeouts at which timers break: three days (some engines split longer ones), 31 bits of ms, a month.
TIMEOUTS_MS = (3 * DAY, 3 * DAY + 1, 2**31 - 1, 2**31, TIMEOUT_MS_MAX, TIMEOUT_MS_MAX)
# The longest gap between operations, and between repetitions of one.
GAPS_MS = (0, 0, 3, 50, SECOND, 30 * SECOND)

type _Correlation = tuple[Literal["event-id", "image"], Literal["same", "distinct"]]


def generate(seed: int) -> Scenario:
    """The scenario of a seed, to be played with the same seed."""
    for attempt in count():
        draw = Draw(seed, "scenario", attempt)
        fault_free = repair(_scenario_without_faults(draw, seed), seed)
        if fault_free is not None and (scenario := with_faults(fault_free, draw, seed)) is not None:
            return scenario
    raise AssertionError("unreachable: count() has no end")


def with_faults(fault_free: Scenario, draw: Draw, seed: int) -> Scenario | None:
    """The scenario with more faults, each aimed at what happens under the earlier ones.

    Returns:
        None when no delivery would be acknowledged any more.
    """
    scenario: Scenario | None = fault_free
    plan = (
        (FaultGenerator.delivery_fault, draw.choice((0, 0, 1, 1, 2, 3, 5))),
        (FaultGenerator.aggregator_fault, draw.choice((0, 0, 0, 1, 1, 2, 3))),
        (FaultGenerator.sink_fault, draw.choice((0, 0, 0, 1, 1, 2))),
    )
    for draw_fault, times in plan:
        if scenario is None:
            break
        generator = FaultGenerator(draw, scenario, predict(scenario, seed))
        drawn = [fault for fault in (draw_fault(generator) for _ in range(times)) if fault is not None]
        scenario = repair(msgspec.structs.replace(scenario, faults=(*scenario.faults, *drawn)), seed)
    return scenario


def _scenario_without_faults(draw: Draw, seed: int) -> Scenario:
    regions = draw.sample(REGIONS, draw.choice((1, 2, 2, 3, 3, 3, 4, 5, 8)))
    timeout = draw.choice(
        (
            120 * SECOND,
            120 * SECOND,
            draw.duration(SECOND, 600 * SECOND),
            draw.duration(SECOND, TIMEOUT_MS_MAX),
            draw.duration(DAY, TIMEOUT_MS_MAX),
            draw.choice(TIMEOUTS_MS),
        )
    )
    correlation, ids = _draw_correlation(draw)
    return Scenario(
        f"random-{seed}",
        f"A random scenario, drawn from seed {seed}",
        regions=regions,
        timeout=timeout,
        correlation=correlation,
        ids=ids,
        actions=SUBSCRIBABLE if draw.chance(0.9) else draw.sample(SUBSCRIBABLE, draw.choice((1, 2, 3))),
        key="open-sesame" if draw.chance(0.1) else "",
        latency=draw_latency(draw),
        sender=draw_sender(draw),
        replication={region: draw.delay(timeout) for region in regions if draw.chance(0.3)},
        webhooks={region: _draw_webhook(draw, region) for region in regions if draw.chance(0.04)},
        operations=_draw_operations(draw, regions, timeout),
    )


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


def draw_sender(draw: Draw) -> Sender:
    """The sender's profile, mostly one with a single attempt."""
    profile: ProfileName = draw.choice(("acr", "acr", "acr", *get_args(ProfileName)))
    return Sender(
        profile,
        attempts=draw.choice(range(1, 7)) if draw.chance(0.2) else None,
        timeout=draw.duration(SECOND, 30 * SECOND) if draw.chance(0.2) else None,
    )


def _draw_webhook(draw: Draw, region: str) -> Webhook:
    """A webhook that is configured in another way, valid or not."""
    upper = region.upper().replace(" ", "%20")
    return draw.choice(
        (
            Webhook(status="disabled"),
            Webhook(actions=("delete",)),
            Webhook(scope=draw.choice(("team/app:*", "team/app", "team/app:1.0.1"))),
            Webhook(uri="/webhooks/{region}"),
            Webhook(uri=f"/api/ImagePush?region=%20{upper}%20"),
            Webhook(uri="/api/ImagePush?region=mars"),
            Webhook(uri="/api/ImagePush"),
            Webhook(headers={"X-Team": "blue"}),
        )
    )


def _draw_operations(draw: Draw, regions: tuple[str, ...], timeout: int) -> tuple[Operation, ...]:
    apart = draw.duration(0, draw.choice((*GAPS_MS, timeout)))
    operations = draw.choice((1, 1, 1, 2, 2, 3, 6))
    return tuple(_draw_operation(draw, n, n * apart, regions, timeout) for n in range(operations))


def _draw_operation(draw: Draw, n: int, at: int, regions: tuple[str, ...], timeout: int) -> Operation:
    repeat = 1 if draw.chance(0.75) else draw.choice(range(2, 21))
    number = n if draw.chance(0.85) else 0  # sometimes another operation's image
    several = ".{n}" if repeat > 1 and draw.chance(0.9) else ""
    return Operation(
        image=f"team/app:1.0.{number}{several}",
        name=f"op{n + 1}",
        at=at,
        action=draw.choice(get_args(Action)) if draw.chance(0.2) else "push",
        home=draw.choice(regions),
        reaches=draw_reaches(draw, regions, timeout),
        id="again" if draw.chance(0.03) else "",
        repeat=repeat,
        every=0 if repeat == 1 else draw.duration(0, draw.choice((*GAPS_MS, timeout // 4))),
        quirks=draw.sample(get_args(Quirk), draw.choice((0, 0, 0, 0, 1, 3))),
    )


def draw_reaches(draw: Draw, regions: tuple[str, ...], timeout: int) -> dict[str, Delay | None]:
    """When the regions report: by default, together, one after the other, on the deadline, or never."""
    start = draw.choice((0, 0, draw.duration(0, timeout)))
    match draw.choice(("default", "together", "scattered", "scattered", "tie")):
        case "default":
            return {}
        case "together":
            return {region: Delay(fixed=start) for region in regions}
        case "scattered":
            ends = (5, SECOND, timeout // 2, timeout)
            return {
                region: None
                if draw.chance(0.05)
                else Delay(fixed=start + draw.duration(0, draw.choice(ends)))
                for region in regions
            }
    found: dict[str, Delay | None] = {
        region: Delay(fixed=start + draw.duration(0, timeout)) for region in regions
    }
    found[draw.choice(regions)] = Delay(fixed=start)
    found[draw.choice(regions)] = Delay(fixed=start + timeout + draw.choice((-1, 0, 0, 0, 1)))
    return found
