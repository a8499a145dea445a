"""Adapts a scenario to a deployment: to its regions, to its configuration, and with ids of its own.

Rules of this file: pure. What a scenario says about a region is transferred to a region of the deployment.
Where there are fewer, regions are left out if the story allows it (`fewer_regions`).
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
from fanin.harness.results import Skipped
from fanin.harness.targets.fewer_regions import with_fewer_regions
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.scenario import Operation, Scenario, Webhook
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import PLACE, SUBSCRIBABLE, address, normalise_region

_DIGEST = re.compile("sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """How a deployment is configured, as its owner says."""

    regions: tuple[str, ...]
    capabilities: frozenset[Declarable] = frozenset()
    has_sink: bool = True  # False: outcomes are read from its status (`fanin.harness.targets.status_probe`)


def adapt(scenario: Scenario, configuration: DeploymentConfig) -> Scenario | Skipped:
    """The scenario as this deployment can be judged by it, not yet scaled; or why it cannot be played."""
    lacks: list[Capability] = list(missing_capabilities(scenario, configuration.capabilities))
    if not configuration.has_sink and any(isinstance(fault, SinkFault) for fault in scenario.faults):
        lacks = list(dict.fromkeys((*lacks, "own-sink")))
    filters = "action-filter" in configuration.capabilities
    unfiltered = set(scenario.actions) == set(SUBSCRIBABLE)
    if filters and not unfiltered and set(scenario.actions) != set(FILTERED_ACTIONS):
        lacks.append("action-filter")
    named = set(_named_regions(scenario))
    count, there = len(named), len(configuration.regions)
    if count > there and (smaller := with_fewer_regions(scenario, there)) is not None:
        scenario, named = smaller, set(smaller.regions)
        count = there
    if count > there:
        return Skipped(
            scenario.scenario,
            (*lacks, "own-regions"),
            f"{count} regions; there {'is' if there == 1 else 'are'} {there}",
        )
    if lacks:
        return Skipped(scenario.scenario, tuple(lacks))
    # Regions that it does not name can be left out, the last first.
    others = [region for region in scenario.regions if region not in named][: there - count]
    kept = [region for region in scenario.regions if region in named or region in others]
    moved = _moved(scenario, _places(kept, configuration.regions), configuration.regions)
    return structs.replace(
        moved,
        correlation="image" if "image-correlation" in configuration.capabilities else "event-id",
        actions=FILTERED_ACTIONS if filters else scenario.actions,
    )


def with_fresh_ids(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with new ids and digests in place of those that it states; equal ones stay equal."""

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
    """A seed for each scenario of a run, so that their ids differ: one deployment sees them all."""
    digest = hashlib.sha256(f"{seed}:{scenario.scenario}".encode()).digest()
    return int.from_bytes(digest[:4])


def _named_regions(scenario: Scenario) -> Iterator[str]:
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
    """The region of the deployment for each region: its namesake if there is one, else the next free one."""
    same_name = {normalise_region(each): each for each in there}
    known = [each for each in regions if normalise_region(each) in same_name]
    places = {each: same_name[normalise_region(each)] for each in known}
    free = (each for each in there if each not in places.values())
    return {each: places[each] if each in places else next(free) for each in regions}


def _moved(scenario: Scenario, places: Mapping[str, str], there: tuple[str, ...]) -> Scenario:
    extra = [region for region in there if region not in places.values()]

    def by_region(table: Mapping[str, Any]) -> dict[str, Any]:
        return {places[region]: value for region, value in table.items()}

    def operation(it: Operation) -> Operation:
        home = it.home or scenario.regions[0]
        # Regions that the scenario does not have report when the home region does.
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
    """The webhook for another region; a URI that spells its region oddly spells the other one alike."""
    to = address(webhook.uri, region)
    if to.spelling is None or to.region is None:
        return webhook
    bare = to.region.strip()
    core = place if bare == region else place.swapcase()
    odd = to.region.replace(bare, core) if normalise_region(bare) == normalise_region(region) else to.region
    return structs.replace(webhook, uri=to.template.replace(PLACE, quote(odd, safe="")))
