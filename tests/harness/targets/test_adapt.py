"""A scenario adapted to a deployment: other regions, its configuration, new ids."""

from typing import Any

import pytest

from fanin.harness.capabilities import Capability, Declarable
from fanin.harness.results import Skipped
from fanin.harness.targets.adapt import DeploymentConfig, adapt, scenario_seed, with_fresh_ids
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.load import load, loads
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.pack import find, names
from fanin.simulator.shapes import Delay

THREE = """
scenario: s
title: t
operations:
  - {image: "team/app:1", reaches: {northeurope: 0s, westeurope: 2s, eastus: never}}
faults:
  - {fault: drop, region: westeurope}
"""


def adapted(
    scenario: Scenario, *regions: str, capabilities: tuple[Declarable, ...] = (), **known: Any
) -> Scenario:
    found = adapt(scenario, DeploymentConfig(regions, frozenset(capabilities), **known))
    assert isinstance(found, Scenario)
    return found


def why_not(scenario: Scenario, *regions: str, **known: Any) -> Skipped:
    found = adapt(scenario, DeploymentConfig(regions, **known))
    assert isinstance(found, Skipped)
    return found


def test_what_a_scenario_says_of_a_region_is_transferred() -> None:
    """Namesakes play themselves, whatever their place in the list."""
    moved = adapted(loads(THREE), "Paris", "WestEurope", "tokyo")

    assert moved.regions == ("Paris", "WestEurope", "tokyo")
    assert moved.operations[0].home == "Paris"
    assert moved.operations[0].reaches == {
        "Paris": Delay(fixed=0),
        "WestEurope": Delay(fixed=2_000),
        "tokyo": None,
    }
    assert [getattr(fault, "region", "") for fault in moved.faults] == ["WestEurope"]


def test_regions_that_the_scenario_does_not_know_report_with_the_home_region() -> None:
    """So they never decide anything."""
    moved = adapted(loads(THREE), "a", "b", "c", "d", "e")

    reaches = moved.operations[0].reaches
    assert reaches["d"] == reaches["e"] == reaches["a"] == Delay(fixed=0)


def test_a_home_region_that_reports_by_replication_takes_them_along() -> None:
    """Its delay is wherever it is written."""
    scenario = loads("scenario: s\ntitle: t\nreplication: {northeurope: 3s}\noperations: [{image: 'a:1'}]")

    moved = adapted(scenario, "a", "b", "c", "d")

    assert moved.operations[0].reaches["d"] == Delay(fixed=3_000)


def test_regions_that_nothing_refers_to_are_left_out() -> None:
    """A list that is longer than what happens in it is no reason to skip."""
    scenario = loads(
        "scenario: s\ntitle: t\nregions: [a, b, c, d]\noperations: [{image: 'x:1', reaches: {d: 1s}}]"
    )

    moved = adapted(scenario, "one", "two")

    assert moved.regions == ("one", "two")
    assert moved.operations[0].reaches == {"two": Delay(fixed=1_000)}


def test_with_fewer_regions_those_are_left_out_that_the_story_can_spare() -> None:
    """westeurope, whose webhook is dropped, and a region that reports."""
    moved = adapted(loads(THREE), "a", "b")

    assert moved.regions == ("a", "b")
    assert moved.operations[0].reaches == {"a": Delay(fixed=0), "b": Delay(fixed=2_000)}


def test_a_story_that_needs_more_regions_than_there_are_is_skipped() -> None:
    """And the reason is named."""
    assert why_not(loads(THREE), "a") == Skipped("s", ("own-regions",), "3 regions; there is 1")


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("crash-after-ack", ("process",)),
        ("sink-down", ("own-sink",)),
        ("distinct-ids", ("image-correlation",)),
        ("ping-and-unwanted", ("action-filter",)),
        ("wrong-key", ("function-keys",)),
    ],
)
def test_what_a_deployment_lacks_is_named(name: str, lacks: tuple[Capability, ...]) -> None:
    """Each capability by the scenario that asks for it."""
    assert why_not(load(find(name)), "a", "b", "c").lacks == lacks


def test_without_a_sink_no_fault_of_the_sink_can_be_played() -> None:
    """There is no sink that could misbehave."""
    assert why_not(load(find("sink-hangs")), "a", "b", "c", has_sink=False).lacks == ("own-sink",)


def test_what_a_deployment_is_configured_for_holds_in_every_scenario() -> None:
    """It cannot be configured anew from one scenario to the next."""
    moved = adapted(
        load(find("every-action")), "a", "b", "c", capabilities=("image-correlation", "action-filter")
    )

    assert moved.correlation == "image"
    assert moved.actions == ("push",)


@pytest.mark.parametrize(
    ("uri", "moved"),
    [
        ("/api/ImagePush?region=NorthEurope", "/api/ImagePush?region=pARIS"),
        ("/api/ImagePush?region=%20northeurope%20", "/api/ImagePush?region=%20Paris%20"),
        ("/webhooks/northeurope", "/webhooks/Paris"),
        ("/api/ImagePush?region={region}&x=1", "/api/ImagePush?region={region}&x=1"),
        ("/api/ImagePush?region=mars", "/api/ImagePush?region=mars"),
    ],
)
def test_odd_spellings_stay_odd(uri: str, moved: str) -> None:
    """Another letter case, spaces around it, or a region that is not expected."""
    text = f"{THREE}\nwebhooks: {{northeurope: {{uri: '{uri}'}}}}"

    assert adapted(loads(text), "Paris", "b", "c").webhooks["Paris"].uri == moved


def test_stated_ids_are_replaced_and_equal_ones_stay_equal() -> None:
    """Two runs against one deployment must not meet in its memory."""
    digest = f"sha256:{'2' * 64}"
    operations = (
        Operation(name="first", id="abc", image=f"team/app@{digest}"),
        Operation(name="again", id="abc", image=f"team/app@{digest}"),
        Operation(name="many", id="x-{n}", repeat=2),
        Operation(name="drawn"),
    )
    scenario = Scenario(scenario="s", title="t", operations=operations)

    first, again, many, drawn = with_fresh_ids(scenario, 1).operations
    other = with_fresh_ids(scenario, 2).operations[0]

    assert first.id == again.id not in ("abc", other.id)
    assert first.image == again.image != operations[0].image
    assert first.image.startswith("team/app@sha256:")
    assert many.id.endswith("-{n}")
    assert drawn.id == ""


def test_no_two_scenarios_of_the_pack_share_an_id_or_a_digest() -> None:
    """They all meet in one deployment."""
    seen: dict[str, str] = {}
    for name in names():
        scenario = load(find(name))
        seed = scenario_seed(7, scenario)
        for occurrence in FakeRegistry(with_fresh_ids(scenario, seed), seed=seed, epoch_ms=0).occurrences():
            for each in {*occurrence.ids.values(), occurrence.digest} - {None}:
                assert seen.setdefault(str(each), name) == name
