"""Makes a scenario fit a deployment: its regions, its configuration, and ids that nobody had before.

Rules of this file: pure. What a scenario says about a region is said about another one instead, never left
out; a scenario that speaks of more regions than there are does not fit.
"""

import hashlib
import random
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from msgspec import structs

from fanin.harness.capabilities import FILTERED_ACTIONS, Capability, Declarable, missing_capabilities
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.scenario import Operation, Scenario, Webhook
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import PLACE, SUBSCRIBABLE, address, normalise_region

_DIGEST = re.compile("sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """What a deployment was told by its owner."""

    regions: tuple[str, ...]
    capabilities: frozenset[Declarable] = frozenset()
    has_sink: bool = (
        True  # False: what it tells is read off its status (`fanin.harness.targets.status_probe`)
    )


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a scenario cannot be played against a deployment."""

    lacks: tuple[Capability, ...]
    why: str = ""


def adapt(scenario: Scenario, configuration: DeploymentConfig) -> Scenario | Misfit:
    """The scenario as this deployment can play it, in its own time still."""
    lacks: list[Capability] = list(missing_capabilities(scenario, configuration.capabilities))
    if not configuration.has_sink and any(isinstance(fault, SinkFault) for fault in scenario.faults):
        lacks = list(dict.fromkeys((*lacks, "own-sink")))
    filters = "action-filter" in configuration.capabilities
    unfiltered = set(scenario.actions) == set(SUBSCRIBABLE)
    if filters and not unfiltered and set(scenario.actions) != set(FILTERED_ACTIONS):
        lacks.append("action-filter")
    spoken_of = set(_spoken_of(scenario))
    count, there = len(spoken_of), len(configuration.regions)
    if count > there:
        return Misfit((*lacks, "own-regions"), f"{count} regions; there are {there}")
    if lacks:
        return Misfit(tuple(lacks))
    # What it says nothing about can be left out, the last first.
    silent = [region for region in scenario.regions if region not in spoken_of][: there - count]
    kept = [region for region in scenario.regions if region in spoken_of or region in silent]
    moved = _moved(scenario, _places(kept, configuration.regions), configuration.regions)
    return structs.replace(
        moved,
        correlation="image" if "image-correlation" in configuration.capabilities else "event-id",
        actions=FILTERED_ACTIONS if filters else scenario.actions,
    )


def with_fresh_ids(scenario: Scenario, seed: int) -> Scenario:
    """The same scenario with other ids and digests for those that it states: equal ones stay equal."""

    def fresh_id(given: str) -> str:
        if not given:
            return ""  # drawn from the seed
        bits = random.Random(f"{seed}:id:{given}").getrandbits(128)
        return str(uuid.UUID(int=bits, version=4)) + ("-{n}" if "{n}" in given else "")

    def fresh_digest(given: re.Match[str]) -> str:
        return f"sha256:{hashlib.sha256(f'{seed}:{given[0]}'.encode()).hexdigest()}"

    operations = tuple(
        structs.replace(it, id=fresh_id(it.id), image=_DIGEST.sub(fresh_digest, it.image))
        for it in scenario.operations
    )
    return structs.replace(scenario, operations=operations)


def scenario_seed(seed: int, scenario: Scenario) -> int:
    """A seed of its own for every scenario of a run: they all meet in one deployment's memory."""
    digest = hashlib.sha256(f"{seed}:{scenario.scenario}".encode()).digest()
    return int.from_bytes(digest[:4])


def _spoken_of(scenario: Scenario) -> Iterator[str]:
    yield from scenario.replication
    yield from scenario.webhooks
    for operation in scenario.operations:
        yield operation.home or scenario.regions[0]
        yield from operation.reaches
    for fault in scenario.faults:
        yield from fault.named_regions
    for expectation in scenario.expect:
        yield from expectation.missing


def _places(regions: Sequence[str], there: Sequence[str]) -> dict[str, str]:
    """Which region plays which: its namesake if there is one, else the next that is free."""
    namesakes = {normalise_region(each): each for each in there}
    known = [each for each in regions if normalise_region(each) in namesakes]
    places = {each: namesakes[normalise_region(each)] for each in known}
    free = (each for each in there if each not in places.values())
    return {each: places[each] if each in places else next(free) for each in regions}


def _moved(scenario: Scenario, places: Mapping[str, str], there: tuple[str, ...]) -> Scenario:
    extra = [region for region in there if region not in places.values()]

    def by_region(table: Mapping[str, Any]) -> dict[str, Any]:
        return {places[region]: value for region, value in table.items()}

    def operation(it: Operation) -> Operation:
        home = it.home or scenario.regions[0]
        # Regions that the scenario does not know report when the home region does.
        early = it.reaches.get(home, scenario.replication.get(home, Delay(fixed=0)))
        reaches = by_region(it.reaches) | dict.fromkeys(extra, early)
        return structs.replace(it, home=places[home], reaches=reaches)

    webhooks = {
        places[region]: _renamed(it, region, places[region]) for region, it in scenario.webhooks.items()
    }
    return structs.replace(
        scenario,
        regions=there,
        replication=by_region(scenario.replication),
        webhooks=webhooks,
        operations=tuple(map(operation, scenario.operations)),
        faults=tuple(fault.with_regions(places.__getitem__) for fault in scenario.faults),
        expect=(),
    )


def _renamed(webhook: Webhook, region: str, place: str) -> Webhook:
    """A service URI that spells its region in a way of its own spells the other one so."""
    to = address(webhook.uri, region)
    if to.spelling is None or to.region is None:
        return webhook
    bare = to.region.strip()
    core = place if bare == region else place.swapcase()
    odd = to.region.replace(bare, core) if normalise_region(bare) == normalise_region(region) else to.region
    return structs.replace(webhook, uri=to.template.replace(PLACE, quote(odd, safe="")))
