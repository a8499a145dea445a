"""Random variants of a scenario: the same situation, a little different, drawn from a seed.

Rules of this file: pure; the same scenario and seed are the same variant, in every process. What its author
expects is left out, since it may not hold any more: the oracle is the judge.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import get_args

import msgspec

from fanin.harness.explore.draw import Dice
from fanin.harness.explore.edit import changed, durations, without_operations, without_region
from fanin.harness.explore.faults import EDGES_MS, SECOND, Mischief
from fanin.harness.explore.generate import REGIONS, TIMEOUT_MS_MAX, latency, reaches, sender
from fanin.harness.explore.predict import forecast
from fanin.harness.explore.repair import settled
from fanin.harness.targets.scale import scaled
from fanin.simulator.language.names import normalise_region
from fanin.simulator.language.scenario import Action, Delay, Fault, Operation, Quirk, Scenario

NAME_MAX = 64  # characters of a scenario's name


def vary(base: Scenario, seed: int) -> Scenario:
    """The variant that belongs to a seed, to be played with the same seed.

    Raises:
        ValueError: nothing of this scenario is ever acknowledged, so its variants would prove nothing.
    """
    for attempt in count():
        dice = Dice(seed, "variant", base.scenario, attempt)
        world = settled(_plain(base, seed), seed)
        if world is None:
            raise ValueError(f"{base.scenario} has no variants: nothing in it is ever acknowledged")
        variant = world
        for _ in range(dice.one_of((1, 1, 2, 2, 3, 5))):
            variant = settled(dice.one_of(CHANGES)(dice, variant, seed), seed) or variant
        if variant != world:
            return variant
    raise AssertionError("unreachable: count() has no end")


def _plain(base: Scenario, seed: int) -> Scenario:
    suffix = f"-{seed}"
    return msgspec.structs.replace(
        base,
        scenario=f"{base.scenario[: NAME_MAX - len(suffix)].rstrip('-')}{suffix}",
        title=f"A variant of {base.scenario}, drawn from seed {seed}",
        description="",
        expect=(),
        verdict="valid",
    )


# --- the world ---


def _other_time(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    """Everything in proportion to another timeout, but the network."""
    longest = dice.one_of((60 * SECOND, TIMEOUT_MS_MAX))
    return msgspec.structs.replace(scaled(scenario, dice.span(SECOND, longest)), latency=scenario.latency)


def _other_timeout(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    factor = dice.one_of((0.1, 0.5, 0.99, 1.01, 2, 10))
    return msgspec.structs.replace(
        scenario, timeout=min(max(1, round(scenario.timeout * factor)), TIMEOUT_MS_MAX)
    )


def _other_latency(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    return msgspec.structs.replace(scenario, latency=latency(dice))


def _other_sender(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    return msgspec.structs.replace(scenario, sender=sender(dice))


def _other_names(_dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    """Webhooks tied together in another way."""
    if scenario.correlation == "image":
        return msgspec.structs.replace(scenario, correlation="event-id", ids="same")
    return msgspec.structs.replace(scenario, correlation="image", ids="distinct")


def _one_region_more(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    known = set(map(normalise_region, scenario.regions))
    new = [region for region in REGIONS if normalise_region(region) not in known]
    return (
        msgspec.structs.replace(scenario, regions=(*scenario.regions, dice.one_of(new))) if new else scenario
    )


def _one_region_less(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    return without_region(scenario, dice.one_of(scenario.regions))


def _regions_shuffled(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    return msgspec.structs.replace(scenario, regions=dice.some_of(scenario.regions, len(scenario.regions)))


# --- what happens ---


def _nudged(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    """One duration a little shorter or longer, gone, or the same as another one."""
    found = list(durations(scenario))
    part, other = dice.one_of(found), dice.one_of(found)
    values = (
        0,
        part.value // 2,
        2 * part.value,
        other.value,
        scenario.timeout,
        part.value + dice.one_of(EDGES_MS),
    )
    return changed(scenario, part.path, max(0, dice.one_of(values)))


def _reached_otherwise(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    n, operation = _operation(dice, scenario)
    after: dict[str, Delay | None] = reaches(dice, scenario.regions, scenario.timeout)
    region = dice.one_of(scenario.regions)
    if dice.odds(0.6):
        after = {**operation.reaches, region: after.get(region)}
    return changed(scenario, ("operations", n, "reaches"), after)


def _other_deed(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    """Another action, or another shape of payload."""
    n, _ = _operation(dice, scenario)
    if dice.odds(0.5):
        return changed(scenario, ("operations", n, "action"), dice.one_of(get_args(Action)))
    return changed(scenario, ("operations", n, "quirks"), dice.some_of(get_args(Quirk), dice.one_of((1, 2))))


def _repeated(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    """One operation more or less often, its repetitions closer or wider."""
    n, operation = _operation(dice, scenario)
    every = dice.span(0, dice.one_of((5, SECOND, scenario.timeout)))
    image = (
        operation.image if "{n}" in operation.image or "@" in operation.image else operation.image + ".{n}"
    )
    often = msgspec.structs.replace(operation, repeat=dice.one_of(range(2, 30)), every=every, image=image)
    return changed(scenario, ("operations", n), often)


def _joined(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    """One operation more: another one's twin, at another time."""
    _, operation = _operation(dice, scenario)
    at = max(0, operation.at + dice.one_of((*EDGES_MS, scenario.timeout, dice.span(0, scenario.timeout))))
    twin = msgspec.structs.replace(operation, name=f"twin{len(scenario.operations)}", at=at)
    return msgspec.structs.replace(scenario, operations=(*scenario.operations, twin))


def _one_operation_less(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    n, _ = _operation(dice, scenario)
    return without_operations(scenario, (n,))


def _operation(dice: Dice, scenario: Scenario) -> tuple[int, Operation]:
    n = dice.one_of(range(len(scenario.operations)))
    return n, scenario.operations[n]


# --- what goes wrong ---


def _one_fault_less(dice: Dice, scenario: Scenario, _seed: int) -> Scenario:
    if not scenario.faults:
        return scenario
    gone = dice.one_of(range(len(scenario.faults)))
    return msgspec.structs.replace(
        scenario, faults=tuple(it for n, it in enumerate(scenario.faults) if n != gone)
    )


def _deliveries_troubled(dice: Dice, scenario: Scenario, seed: int) -> Scenario:
    return _more(scenario, Mischief(dice, scenario, forecast(scenario, seed)).with_deliveries())


def _aggregator_troubled(dice: Dice, scenario: Scenario, seed: int) -> Scenario:
    return _more(scenario, Mischief(dice, scenario, forecast(scenario, seed)).with_aggregator())


def _sink_troubled(dice: Dice, scenario: Scenario, seed: int) -> Scenario:
    return _more(scenario, Mischief(dice, scenario, forecast(scenario, seed)).with_sink())


def _more(scenario: Scenario, fault: Fault | None) -> Scenario:
    return scenario if fault is None else msgspec.structs.replace(scenario, faults=(*scenario.faults, fault))


type Change = Callable[[Dice, Scenario, int], Scenario]

# What stands here twice comes twice as often.
CHANGES: Sequence[Change] = (
    _nudged, _nudged, _nudged, _nudged,
    _reached_otherwise, _reached_otherwise,
    _deliveries_troubled, _deliveries_troubled, _deliveries_troubled,
    _aggregator_troubled, _aggregator_troubled,
    _sink_troubled, _sink_troubled,
    _one_fault_less, _joined, _one_operation_less, _repeated, _other_deed,
    _one_region_more, _one_region_less, _regions_shuffled,
    _other_time, _other_timeout, _other_latency, _other_sender, _other_names,
)  # fmt: skip
