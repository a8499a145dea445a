"""Random scenarios: a world, what happens in it and what goes wrong, all of it drawn from one seed.

Rules of this file: pure; the same seed is the same scenario, in every process. What is drawn is what bugs
need: ties, near misses, stampedes, tiny latencies, and now and then a plain quiet day.
"""

from itertools import count
from typing import Literal, get_args

import msgspec

from fanin.harness.explore.draw import Dice
from fanin.harness.explore.faults import DAY, SECOND, Mischief
from fanin.harness.explore.predict import forecast
from fanin.harness.explore.repair import settled
from fanin.simulator.language.scenario import (
    SUBSCRIBABLE,
    Action,
    Delay,
    Operation,
    Profile,
    Quirk,
    Scenario,
    Sender,
    Webhook,
)

REGIONS = (
    "northeurope", "westeurope", "eastus", "southeastasia", "brazilsouth", "japaneast", "uksouth",
    "Central US",
)  # fmt: skip
TIMEOUT_MS_MAX = 30 * DAY
# Where timers break: three days (some engines split longer ones), 31 bits of milliseconds, a month.
TIMEOUTS_MS = (3 * DAY, 3 * DAY + 1, 2**31 - 1, 2**31, TIMEOUT_MS_MAX, TIMEOUT_MS_MAX)
# How far operations and their repetitions are apart.
GAPS_MS = (0, 0, 3, 50, SECOND, 30 * SECOND)

type _Identity = tuple[Literal["event-id", "image"], Literal["same", "distinct"]]


def invent(seed: int) -> Scenario:
    """The scenario that belongs to a seed, to be played with the same seed."""
    for attempt in count():
        dice = Dice(seed, "scenario", attempt)
        quiet = settled(_quiet(dice, seed), seed)
        if quiet is not None and (scenario := troubled(quiet, dice, seed)) is not None:
            return scenario
    raise AssertionError("unreachable: count() has no end")


def troubled(quiet: Scenario, dice: Dice, seed: int) -> Scenario | None:
    """The scenario with more faults, each aimed at what the earlier ones leave; None when nothing is left."""
    world: Scenario | None = quiet
    plan = (
        (Mischief.with_deliveries, dice.one_of((0, 0, 1, 1, 2, 3, 5))),
        (Mischief.with_aggregator, dice.one_of((0, 0, 0, 1, 1, 2, 3))),
        (Mischief.with_sink, dice.one_of((0, 0, 0, 1, 1, 2))),
    )
    for draw, times in plan:
        if world is None:
            break
        mischief = Mischief(dice, world, forecast(world, seed))
        drawn = [fault for fault in (draw(mischief) for _ in range(times)) if fault is not None]
        world = settled(msgspec.structs.replace(world, faults=(*world.faults, *drawn)), seed)
    return world


def _quiet(dice: Dice, seed: int) -> Scenario:
    regions = dice.some_of(REGIONS, dice.one_of((1, 2, 2, 3, 3, 3, 4, 5, 8)))
    timeout = dice.one_of(
        (
            120 * SECOND,
            120 * SECOND,
            dice.span(SECOND, 600 * SECOND),
            dice.span(SECOND, TIMEOUT_MS_MAX),
            dice.span(DAY, TIMEOUT_MS_MAX),
            dice.one_of(TIMEOUTS_MS),
        )
    )
    correlation, ids = _identity(dice)
    return Scenario(
        f"random-{seed}",
        f"A random scenario, drawn from seed {seed}",
        regions=regions,
        timeout=timeout,
        correlation=correlation,
        ids=ids,
        actions=SUBSCRIBABLE if dice.odds(0.9) else dice.some_of(SUBSCRIBABLE, dice.one_of((1, 2, 3))),
        key="open-sesame" if dice.odds(0.1) else "",
        latency=latency(dice),
        sender=sender(dice),
        replication={region: dice.delay(timeout) for region in regions if dice.odds(0.3)},
        webhooks={region: _webhook(dice, region) for region in regions if dice.odds(0.04)},
        operations=_operations(dice, regions, timeout),
    )


def _identity(dice: Dice) -> _Identity:
    """By what webhooks are tied together, and what their payloads say. Distinct ids alone fit nothing."""
    rare: tuple[_Identity, ...] = (("image", "same"), ("image", "distinct"), ("event-id", "distinct"))
    return ("event-id", "same") if dice.odds(0.75) else dice.one_of(rare)


def latency(dice: Dice) -> Delay:
    """How long the network takes: mostly next to nothing."""
    return dice.one_of(
        (
            Delay(fixed=0),
            Delay(fixed=1),
            Delay(min=1, max=3),
            Delay(min=0, max=dice.span(1, 200)),
            Delay(fixed=dice.span(1, 300)),
            Delay(median=dice.span(1, 50), sigma=0.5),
        )
    )


def sender(dice: Dice) -> Sender:
    """Mostly one that tries once."""
    profile: Profile = dice.one_of(("acr", "acr", "acr", *get_args(Profile)))
    return Sender(
        profile,
        attempts=dice.one_of(range(1, 7)) if dice.odds(0.2) else None,
        timeout=dice.span(SECOND, 30 * SECOND) if dice.odds(0.2) else None,
    )


def _webhook(dice: Dice, region: str) -> Webhook:
    """One that somebody has configured in another way, rightly or wrongly."""
    shouted = region.upper().replace(" ", "%20")
    return dice.one_of(
        (
            Webhook(status="disabled"),
            Webhook(actions=("delete",)),
            Webhook(scope=dice.one_of(("team/app:*", "team/app", "team/app:1.0.1"))),
            Webhook(uri="/webhooks/{region}"),
            Webhook(uri=f"/api/ImagePush?region=%20{shouted}%20"),
            Webhook(uri="/api/ImagePush?region=mars"),
            Webhook(uri="/api/ImagePush"),
            Webhook(headers={"X-Team": "blue"}),
        )
    )


def _operations(dice: Dice, regions: tuple[str, ...], timeout: int) -> tuple[Operation, ...]:
    apart = dice.span(0, dice.one_of((*GAPS_MS, timeout)))
    operations = dice.one_of((1, 1, 1, 2, 2, 3, 6))
    return tuple(_operation(dice, n, n * apart, regions, timeout) for n in range(operations))


def _operation(dice: Dice, n: int, at: int, regions: tuple[str, ...], timeout: int) -> Operation:
    repeat = 1 if dice.odds(0.75) else dice.one_of(range(2, 21))
    number = n if dice.odds(0.85) else 0  # sometimes another operation's image
    several = ".{n}" if repeat > 1 and dice.odds(0.9) else ""
    return Operation(
        image=f"team/app:1.0.{number}{several}",
        name=f"op{n + 1}",
        at=at,
        action=dice.one_of(get_args(Action)) if dice.odds(0.2) else "push",
        home=dice.one_of(regions),
        reaches=reaches(dice, regions, timeout),
        id="again" if dice.odds(0.03) else "",
        repeat=repeat,
        every=0 if repeat == 1 else dice.span(0, dice.one_of((*GAPS_MS, timeout // 4))),
        quirks=dice.some_of(get_args(Quirk), dice.one_of((0, 0, 0, 0, 1, 3))),
    )


def reaches(dice: Dice, regions: tuple[str, ...], timeout: int) -> dict[str, Delay | None]:
    """When the regions report: as ever, together, one after the other, or on the deadline; or never."""
    start = dice.one_of((0, 0, dice.span(0, timeout)))
    match dice.one_of(("as ever", "together", "scattered", "scattered", "tie")):
        case "as ever":
            return {}
        case "together":
            return {region: Delay(fixed=start) for region in regions}
        case "scattered":
            ends = (5, SECOND, timeout // 2, timeout)
            return {
                region: None if dice.odds(0.05) else Delay(fixed=start + dice.span(0, dice.one_of(ends)))
                for region in regions
            }
    found: dict[str, Delay | None] = {
        region: Delay(fixed=start + dice.span(0, timeout)) for region in regions
    }
    found[dice.one_of(regions)] = Delay(fixed=start)
    found[dice.one_of(regions)] = Delay(fixed=start + timeout + dice.one_of((-1, 0, 0, 0, 1)))
    return found
