"""Region names: in the configuration as in URLs, and however many there are."""

from collections.abc import Callable, Mapping

import msgspec

from fanin.aggregator.fanin import Arrived, DeadlineReached, FanIn, Phase, Step, step
from fanin.harness.mutants.middleware import AppResponse, Forward, WebhookCall, intercept
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import decide, vary
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory

BITS, WORD_BITS = 8, 32
BAD_REQUEST = 400


def _configured(change: Callable[[str], str]) -> AppFactory:
    """The aggregator with the list of regions read in another way."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        names = ("WebhookRegions", "FANIN_REGIONS")
        changed = {name: change(environment[name]) for name in names if name in environment}
        return vary()({**environment, **changed}, epoch_ms)

    return factory


def _as_configured() -> AppFactory:
    """Compare the URL's region with the configuration as it is written there."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        known = {name.strip() for name in environment["FANIN_REGIONS"].split(",")}

        async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
            region = call.region.strip().lower()
            return await forward(call) if region in known or not call.region else AppResponse(BAD_REQUEST)

        return vary(middleware=intercept(handle))(environment, epoch_ms)

    return factory


def _step_by_beginnings(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Take a region for arrived if one has whose name begins alike."""
    result = step(state, event)
    after = result.state
    if after.phase is not Phase.WAITING or not after.arrived:
        return result
    begun = {it for it in after.missing if any(name.startswith(it) for name in after.arrived)}
    if not begun or set(after.missing) - begun:
        return result
    arrived = {**after.arrived, **dict.fromkeys(begun, event.at_ms)}
    return decide(msgspec.structs.replace(after, arrived=arrived), Phase.COMPLETED, event.at_ms)


def _step_with_eight_bits(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Keep a bit for each region, in a byte."""
    result = step(state, event)
    after = result.state
    if after.phase is not Phase.WAITING or set(after.missing) & set(after.expected[:BITS]):
        return result
    arrived = {region: after.arrived.get(region, event.at_ms) for region in after.expected}
    return decide(msgspec.structs.replace(after, arrived=arrived), Phase.COMPLETED, event.at_ms)


def _with_shared_bits(state: FanIn, at_ms: int) -> FanIn:
    """The regions as a word of bits has them: the 33rd has the bit of the first."""
    if state.phase is not Phase.WAITING or len(state.expected) <= WORD_BITS:
        return state
    bits = {nth % WORD_BITS for nth, region in enumerate(state.expected) if region in state.arrived}
    shown = [region for nth, region in enumerate(state.expected) if nth % WORD_BITS in bits]
    return msgspec.structs.replace(state, arrived={**dict.fromkeys(shown, at_ms), **state.arrived})


def _step_with_a_word(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Keep a bit for each region, in 32 bits."""
    result = step(_with_shared_bits(state, event.at_ms), event)
    after = _with_shared_bits(result.state, event.at_ms)
    if after.phase is Phase.WAITING and not after.missing:
        return decide(after, Phase.COMPLETED, event.at_ms)
    return result


MUTANTS = (
    Mutant(
        "regions-by-beginnings",
        ("B32",),
        "Looks whether a name that arrived begins with the region's, so eastus2 counts for eastus.",
        "many-regions",
        vary(step=_step_by_beginnings),
    ),
    Mutant(
        "eight-regions",
        ("B25",),
        "Keeps a bit for each of eight regions, so with more of them it completes when eight have arrived.",
        "many-regions",
        vary(step=_step_with_eight_bits),
    ),
    Mutant(
        "one-bit-per-region",
        ("B25",),
        "Keeps a bit for each region in a word of 32, so the 33rd one counts for the first.",
        "many-regions",
        vary(step=_step_with_a_word),
    ),
    Mutant(
        "regions-split-at-blanks",
        ("B32",),
        'Splits the list of regions at blanks as well, so "West Europe" is two regions, which never arrive.',
        "many-regions",
        _configured(lambda names: names.replace(" ", ",")),
    ),
    Mutant(
        "regions-as-configured",
        ("B32",),
        "Makes lower case of a URL's region and leaves the configuration as it is, so a region that is"
        " configured with a capital is always unknown.",
        "many-regions",
        _as_configured(),
    ),
)
