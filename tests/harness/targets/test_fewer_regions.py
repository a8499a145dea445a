"""Regions are left out where the story allows it, and never one that a fault needs."""

from itertools import pairwise

import pytest

from fanin.harness.targets import fewer_regions
from fanin.harness.targets.fewer_regions import with_fewer_regions
from fanin.simulator.language.load import load, loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find, names


def kept(name: str, count: int) -> tuple[str, ...] | None:
    smaller = with_fewer_regions(load(find(name)), count)
    return None if smaller is None else smaller.regions


@pytest.mark.parametrize(
    ("name", "two", "one"),
    [
        # The first and the last to report are furthest apart.
        ("slow-region", ("northeurope", "eastus"), None),
        # One reports three times, one never.
        ("duplicate-not-quorum", ("northeurope", "westeurope"), None),
        # The region whose acknowledgement is the instant of the crash, and with one region alone.
        ("crash-after-ack", ("northeurope", "westeurope"), ("westeurope",)),
        ("sink-down", ("northeurope", "eastus"), ("northeurope",)),
        # The missing region reports late: without it, or alone, there is nothing late.
        ("resurrection", ("northeurope", "eastus"), None),
        # Of the region whose answers are all lost nothing is ever heard.
        ("long-retry-horizon", ("westeurope", "eastus"), None),
        # All three have faults of their own.
        ("region-added", None, None),
    ],
)
def test_the_story_decides_which_regions_are_left(
    name: str, two: tuple[str, ...] | None, one: tuple[str, ...] | None
) -> None:
    """Each row is a kind of story."""
    assert (kept(name, 2), kept(name, 1)) == (two, one)


@pytest.mark.parametrize("name", names())
def test_what_is_left_is_whole(name: str) -> None:
    """Nothing in it names a region that was left out, and expectations, which might, are gone."""
    scenario = load(find(name))
    smaller = [it for count in (2, 1) if (it := with_fewer_regions(scenario, count)) is not None]

    for it in smaller:
        assert mentioned(it) <= set(it.regions)
        assert set(it.regions) <= set(scenario.regions)
    assert all(len(more.regions) > len(fewer.regions) for more, fewer in pairwise(smaller))


def mentioned(scenario: Scenario) -> set[str]:
    return {
        *scenario.expects,
        *scenario.replication,
        *scenario.webhooks,
        *(it.home for it in scenario.operations if it.home),
        *(region for it in scenario.operations for region in it.reaches),
        *(region for fault in scenario.faults for region in fault.named_regions),
        *(region for it in scenario.expect for region in it.missing),
    }


def test_a_home_region_that_is_left_out_is_replaced() -> None:
    """An operation happens somewhere."""
    scenario = loads(
        "scenario: s\ntitle: t\nregions: [a, b, c]\n"
        "operations: [{image: 'x:1', home: b, reaches: {a: 0s, b: 1s, c: 9s}}]"
    )

    smaller = with_fewer_regions(scenario, 2)

    assert smaller is not None
    assert smaller.regions == ("a", "c")
    assert smaller.operations[0].home == "a"


FORTY = [f"r{number}" for number in range(40)]


@pytest.mark.parametrize(
    ("replication", "looked_at"),
    [
        # Only the first differs: it is the home.
        ("{}", 2),
        # Each has a delay of its own: C(40, 20) choices, of which only the first are looked at.
        (f"{{{', '.join(f'{region}: {ms}ms' for ms, region in enumerate(FORTY[1:], start=1))}}}", 1_000),
    ],
)
def test_half_of_forty_regions_are_chosen_at_once(
    replication: str, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of regions with the same part in the scenario, it does not matter which are kept."""
    planned: list[Scenario] = []
    plan = fewer_regions._plan

    def counted(scenario: Scenario) -> tuple[fewer_regions.Story, int]:
        planned.append(scenario)
        return plan(scenario)

    monkeypatch.setattr(fewer_regions, "_plan", counted)
    scenario = loads(
        f"scenario: s\ntitle: t\nregions: [{', '.join(FORTY)}]\nreplication: {replication}\n"
        "operations: [{image: 'x:1'}]"
    )

    smaller = with_fewer_regions(scenario, 20)

    assert smaller is not None
    assert len(smaller.regions) == 20
    assert len(planned) == 1 + looked_at


def test_the_pack_s_forty_regions_leave_five() -> None:
    """Those with a part of their own, and one of those without."""
    assert kept("many-regions", 5) == ("eastus", "eastus2", "West Europe", "westus3", "japaneast")


def test_a_region_that_is_not_expected_is_left_out_first() -> None:
    """It has no part in what the operation comes to."""
    scenario = loads(
        "scenario: s\ntitle: t\nregions: [a, b, c, d]\nexpects: [a, b, c]\n"
        "operations: [{image: 'x:1', reaches: {a: 0s, b: 1s, c: 2s, d: never}}]"
    )

    smaller = with_fewer_regions(scenario, 2)

    assert smaller is not None
    assert (smaller.regions, smaller.expects) == (("a", "c"), ("a", "c"))
