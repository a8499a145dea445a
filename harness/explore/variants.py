"""Random variants of a scenario: a few changes, drawn from a seed.

Rules of this file: pure; the same scenario and seed are the same variant, in every process. The base's
``expect`` is removed, because it may not hold for a variant; the oracle decides.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import get_args

import msgspec

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, required_capabilities
from fanin.harness.explore.draw import Draw
from fanin.harness.explore.edit import changed, durations, without_operations, without_region
from fanin.harness.explore.faults import EDGES_MS, SECOND, SINK_FAULT_MS_MAX, FaultGenerator
from fanin.harness.explore.generate import REGIONS, TIMEOUT_MS_MAX, draw_latency, draw_sender
from fanin.harness.explore.operations import REPEATS, draw_reaches
from fanin.harness.explore.predict import predict
from fanin.harness.explore.repair import repaired
from fanin.harness.targets.scale import scaled
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import Action, Quirk, normalise_region

NAME_MAX = 64  # characters of a scenario's name


def vary(base: Scenario, seed: int) -> Scenario:
    """The variant of a scenario for a seed, to be played with the same seed.

    Raises:
        ValueError: no delivery of this scenario is ever acknowledged, so its variants would prove nothing.
    """
    for attempt in count():
        draw = Draw(seed, "variant", base.scenario, attempt)
        start = repaired(_base_without_expectations(base, seed), seed)
        if start is None:
            raise ValueError(f"{base.scenario} has no variants: no delivery in it is ever acknowledged")
        variant = start
        for _ in range(draw.choice((1, 1, 2, 2, 3, 5))):
            draft = draw.choice(CHANGES)(draw, variant.scenario, seed)
            variant = repaired(draft, seed, variant) or variant
        if variant.scenario != start.scenario:
            return variant.scenario
    raise AssertionError("unreachable: count() has no end")


def _base_without_expectations(base: Scenario, seed: int) -> Scenario:
    suffix = f"-{seed}"
    return msgspec.structs.replace(
        base,
        scenario=f"{base.scenario[: NAME_MAX - len(suffix)].rstrip('-')}{suffix}",
        title=f"A variant of {base.scenario}, drawn from seed {seed}",
        description="",
        expect=(),
        verdict="valid",
    )


# --- settings ---


def _scale_everything(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    """Scale all times to another timeout, except the network's latency."""
    longest = draw.choice((60 * SECOND, TIMEOUT_MS_MAX))
    found = scaled(scenario, draw.duration(SECOND, longest))
    faults = tuple(map(_no_longer, found.faults, scenario.faults))
    return msgspec.structs.replace(found, latency=scenario.latency, faults=faults)


def _no_longer(fault: Fault, before: Fault) -> Fault:
    """The scaled fault; one of the sink keeps its length if it would be long."""
    if not isinstance(fault, SinkFault) or not isinstance(before, SinkFault):
        return fault
    if fault.until is None or before.until is None:
        return fault
    longest = max(SINK_FAULT_MS_MAX, before.until - before.since)
    return msgspec.structs.replace(fault, until=min(fault.until, fault.since + longest))


def _change_timeout(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    factor = draw.choice((0.1, 0.5, 0.99, 1.01, 2, 10))
    return msgspec.structs.replace(
        scenario, timeout=min(max(1, round(scenario.timeout * factor)), TIMEOUT_MS_MAX)
    )


def _change_latency(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    return msgspec.structs.replace(scenario, latency=draw_latency(draw))


def _change_sender(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    return msgspec.structs.replace(scenario, sender=draw_sender(draw))


def _change_correlation(_draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    """Use the other correlation setting."""
    if scenario.correlation == "image":
        return msgspec.structs.replace(scenario, correlation="event-id", ids="same")
    return msgspec.structs.replace(scenario, correlation="image", ids="distinct")


def _add_a_region(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    # Some aggregators refuse two names that differ in blanks alone, as ours does.
    known = {"".join(normalise_region(region).split()) for region in scenario.regions}
    new = [region for region in REGIONS if "".join(normalise_region(region).split()) not in known]
    return (
        msgspec.structs.replace(scenario, regions=(*scenario.regions, draw.choice(new))) if new else scenario
    )


def _remove_a_region(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    return without_region(scenario, draw.choice(scenario.regions))


def _shuffle_regions(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    return msgspec.structs.replace(scenario, regions=draw.sample(scenario.regions, len(scenario.regions)))


# --- operations ---


def _change_a_duration(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    """Make one duration a little shorter or longer, zero, or equal to another one."""
    found = list(durations(scenario))
    part, other = draw.choice(found), draw.choice(found)
    values = (
        0,
        part.value // 2,
        2 * part.value,
        other.value,
        scenario.timeout,
        part.value + draw.choice(EDGES_MS),
    )
    return changed(scenario, part.path, max(0, draw.choice(values)))


def _change_reaches(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    n, operation = _operation(draw, scenario)
    after: dict[str, Delay | None] = draw_reaches(draw, scenario.regions, scenario.timeout)
    region = draw.choice(scenario.regions)
    if draw.chance(0.6):
        after = {**operation.reaches, region: after.get(region)}
    return changed(scenario, ("operations", n, "reaches"), after)


def _change_action_or_quirks(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    """Give an operation another action, or another shape of payload."""
    n, _ = _operation(draw, scenario)
    if draw.chance(0.5):
        return changed(scenario, ("operations", n, "action"), draw.choice(get_args(Action)))
    return changed(scenario, ("operations", n, "quirks"), draw.sample(get_args(Quirk), draw.choice((1, 2))))


def _repeat_an_operation(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    """Change how often an operation is repeated, and in what interval."""
    n, operation = _operation(draw, scenario)
    every = draw.duration(0, draw.choice((5, SECOND, scenario.timeout)))
    image = (
        operation.image if "{n}" in operation.image or "@" in operation.image else operation.image + ".{n}"
    )
    often = msgspec.structs.replace(operation, repeat=draw.choice(REPEATS), every=every, image=image)
    return changed(scenario, ("operations", n), often)


def _add_an_operation(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    """Add a copy of an operation at another time."""
    _, operation = _operation(draw, scenario)
    at = max(0, operation.at + draw.choice((*EDGES_MS, scenario.timeout, draw.duration(0, scenario.timeout))))
    copy = msgspec.structs.replace(operation, name=f"twin{len(scenario.operations)}", at=at)
    return msgspec.structs.replace(scenario, operations=(*scenario.operations, copy))


def _remove_an_operation(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    n, _ = _operation(draw, scenario)
    return without_operations(scenario, (n,))


def _operation(draw: Draw, scenario: Scenario) -> tuple[int, Operation]:
    n = draw.choice(range(len(scenario.operations)))
    return n, scenario.operations[n]


# --- faults ---


def _remove_a_fault(draw: Draw, scenario: Scenario, _seed: int) -> Scenario:
    if not scenario.faults:
        return scenario
    gone = draw.choice(range(len(scenario.faults)))
    return msgspec.structs.replace(
        scenario, faults=tuple(it for n, it in enumerate(scenario.faults) if n != gone)
    )


def _add_a_delivery_fault(draw: Draw, scenario: Scenario, seed: int) -> Scenario:
    return _with_fault(scenario, _generator(draw, scenario, seed).delivery_fault())


def _add_an_aggregator_fault(draw: Draw, scenario: Scenario, seed: int) -> Scenario:
    return _with_fault(scenario, _generator(draw, scenario, seed).aggregator_fault())


def _add_a_sink_fault(draw: Draw, scenario: Scenario, seed: int) -> Scenario:
    return _with_fault(scenario, _generator(draw, scenario, seed).sink_fault())


def _generator(draw: Draw, scenario: Scenario, seed: int) -> FaultGenerator:
    """Of faults that need no more than the contract, or than the scenario needs already."""
    capabilities = DEFAULT_CAPABILITIES.union(required_capabilities(scenario))
    return FaultGenerator(draw, scenario, predict(scenario, seed), capabilities)


def _with_fault(scenario: Scenario, fault: Fault | None) -> Scenario:
    return scenario if fault is None else msgspec.structs.replace(scenario, faults=(*scenario.faults, fault))


type Change = Callable[[Draw, Scenario, int], Scenario]

# A change that is listed twice is twice as likely.
CHANGES: Sequence[Change] = (
    _change_a_duration, _change_a_duration, _change_a_duration, _change_a_duration,
    _change_reaches, _change_reaches,
    _add_a_delivery_fault, _add_a_delivery_fault, _add_a_delivery_fault,
    _add_an_aggregator_fault, _add_an_aggregator_fault,
    _add_a_sink_fault, _add_a_sink_fault,
    _remove_a_fault, _add_an_operation, _remove_an_operation, _repeat_an_operation, _change_action_or_quirks,
    _add_a_region, _remove_a_region, _shuffle_regions,
    _scale_everything, _change_timeout, _change_latency, _change_sender, _change_correlation,
)  # fmt: skip
