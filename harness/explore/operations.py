"""Random operations: what is pushed or deleted, how often, and when each region reports it.

Rules of this file: pure; every number comes from the `Draw` that is passed in.
"""

from collections.abc import Sequence
from typing import get_args

import msgspec

from fanin.harness.explore.draw import Draw
from fanin.harness.explore.faults import SECOND
from fanin.simulator.language.scenario import Operation
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import Action, Quirk

# The longest gap between operations, and between repetitions of one.
GAPS_MS = (0, 0, 3, 50, SECOND, 30 * SECOND)
# How often an operation of a series is repeated: few tell as much as many, and are played sooner.
REPEATS = (2, 2, 2, 3, 3, 4, 6)
# So many deliveries at most, of all operations: a run takes as long as it has deliveries.
DELIVERIES_DRAWN_MAX = 16
# How often an operation under a name that matters lacks a region: the less there is of it, the more it tells.
_ONE_REGION_SILENT = 0.6


def draw_operations(draw: Draw, regions: tuple[str, ...], timeout: int) -> tuple[Operation, ...]:
    """One to three operations or series of them, at the same time or one after the other."""
    apart = draw_gap(draw, timeout)
    many = draw.choice((1, 1, 1, 1, 1, 2, 2, 3))
    drawn = [draw_operation(draw, n, n * apart, regions, timeout) for n in range(many)]
    most = max(1, DELIVERIES_DRAWN_MAX // (many * len(regions)))
    return tuple(msgspec.structs.replace(it, repeat=min(it.repeat, most)) for it in drawn)


def draw_gap(draw: Draw, timeout: int) -> int:
    """The time from one operation to the next."""
    return draw.duration(0, draw.choice((*GAPS_MS, timeout)))


def draw_operation(draw: Draw, n: int, at: int, regions: tuple[str, ...], timeout: int) -> Operation:
    """The operation with a number, from 0; sometimes a series of them."""
    repeat = 1 if draw.chance(0.85) else draw.choice(REPEATS)
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


def draw_single_operations(
    draw: Draw, many: int, apart: int, regions: tuple[str, ...], timeout: int
) -> list[Operation]:
    """So many operations, none of them a series, of which most lack a region."""
    drawn = (draw_operation(draw, n, n * apart, regions, timeout) for n in range(many))
    return [
        msgspec.structs.replace(
            it, image=f"team/app:1.0.{n}", id="", repeat=1, every=0, reaches=_silenced(it, draw, regions)
        )
        for n, it in enumerate(drawn)
    ]


def _silenced(operation: Operation, draw: Draw, regions: Sequence[str]) -> dict[str, Delay | None]:
    if draw.chance(1 - _ONE_REGION_SILENT):
        return operation.reaches
    return {**operation.reaches, draw.choice(regions): None}


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
