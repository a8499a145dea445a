"""Reading what is right: long and short forms, what is filled in, other timeouts, files and their names."""

import pickle
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from fanin.simulator.faults.aggregator import Crash, Restart
from fanin.simulator.faults.request import Malform, UnknownRegion, WrongKey
from fanin.simulator.faults.sink import SinkDown, SinkHangs, SinkLosesResponse, SinkRefuses, SinkStalls
from fanin.simulator.faults.transport import (
    DelayBy,
    Drop,
    Duplicate,
    LoseRequest,
    LoseResponse,
    Reorder,
    SlowClient,
)
from fanin.simulator.language.load import ScenarioError, load, loads
from fanin.simulator.language.scenario import Expectation, Operation, Scenario, Sender, Webhook
from fanin.simulator.pack import find, names
from fanin.simulator.shapes import Delay

HEAD = "scenario: example\ntitle: An example\n"

EVERYTHING = """\
scenario: everything
title: Every field once
description: |
  One line.
  Another: with a colon.
regions: [North Europe, eastus]
timeout: 100s
registry: registry.example:5000
correlation: image
ids: distinct
actions: [push, delete]
key: open-sesame
latency: {min: 1ms, max: 1s}
sender: {profile: retry, attempts: 3, timeout: 5s}
replication:
  eastus: {median: 3s, sigma: 0.8}
webhooks:
  eastus:
    uri: /hook?region={region}
    headers: {X-Team: blue}
    actions: [push]
    scope: team/app:*
    status: enabled
operations:
  - name: build
    image: team/app:1.0.{n}
    at: 0.5 timeout
    action: push
    home: eastus
    reaches: {north europe: never, eastus: 1 timeout}
    id: build-{n}
    repeat: 3
    every: 10s
    quirks: [no-request, extra-fields]
faults:
  - {fault: drop, region: eastus, operation: build/2, chance: 0.5}
  - {fault: delay, by: {min: 1s, max: 1 timeout}}
  - {fault: duplicate, after: [3s, 6d]}
  - {fault: reorder, within: 5s}
  - {fault: lose-request, attempts: 2}
  - {fault: lose-response}
  - {fault: malform, how: huge}
  - {fault: unknown-region, as: venus}
  - {fault: wrong-key}
  - {fault: slow-client, over: 8s}
  - {fault: sink-refuses, since: 1s, until: 2s, status: 400, operation: build}
  - {fault: sink-stalls, by: 3s}
  - {fault: sink-hangs}
  - {fault: sink-loses-response, times: 3}
  - {fault: sink-down, until: 1m}
  - {fault: crash, at: 3s, down_for: 0}
  - {fault: crash, step: before-response, region: EastUS, operation: build, nth: 7}
  - {fault: restart, at: 30s, down_for: 2s}
expect:
  - {operation: build, outcome: timed_out, missing: [NORTH EUROPE], at: 1.5 timeout, within: 2s}
verdict: unknown
"""


def test_every_field_is_read() -> None:
    """The whole language in one file, with what each line of it becomes."""
    scenario = loads(EVERYTHING)

    assert scenario == Scenario(
        scenario="everything",
        title="Every field once",
        description="One line.\nAnother: with a colon.\n",
        regions=("North Europe", "eastus"),
        timeout=100_000,
        registry="registry.example:5000",
        correlation="image",
        ids="distinct",
        actions=("push", "delete"),
        key="open-sesame",
        latency=Delay(min=1, max=1_000),
        sender=Sender(profile="retry", attempts=3, timeout=5_000),
        replication={"eastus": Delay(median=3_000, sigma=0.8)},
        webhooks={
            "eastus": Webhook(
                uri="/hook?region={region}", headers={"X-Team": "blue"}, actions=("push",), scope="team/app:*"
            )
        },
        operations=(
            Operation(
                name="build",
                image="team/app:1.0.{n}",
                at=50_000,
                home="eastus",
                reaches={"North Europe": None, "eastus": Delay(fixed=100_000)},
                id="build-{n}",
                repeat=3,
                every=10_000,
                quirks=("no-request", "extra-fields"),
            ),
        ),
        faults=(
            Drop(region="eastus", operation="build/2", chance=0.5),
            DelayBy(by=Delay(min=1_000, max=100_000)),
            Duplicate(after=(3_000, 6 * 86_400_000)),
            Reorder(within=5_000),
            LoseRequest(attempts=2),
            LoseResponse(),
            Malform(how="huge"),
            UnknownRegion(url_region="venus"),
            WrongKey(),
            SlowClient(over=8_000),
            SinkRefuses(since=1_000, until=2_000, status=400, operation="build"),
            SinkStalls(by=3_000),
            SinkHangs(),
            SinkLosesResponse(times=3),
            SinkDown(until=60_000),
            Crash(at=3_000, down_for=0),
            Crash(step="before-response", region="eastus", operation="build", nth=7),
            Restart(at=30_000, down_for=2_000),
        ),
        expect=(
            Expectation(
                operation="build", outcome="timed_out", missing=("North Europe",), at=150_000, within=2_000
            ),
        ),
        verdict="unknown",
    )


def test_what_is_read_survives_a_stored_history() -> None:
    """A history's header holds its scenario as JSON, and reads it back by the same rules."""
    scenario = loads(EVERYTHING)

    assert msgspec.json.decode(msgspec.json.encode(scenario), type=Scenario) == scenario


def test_two_fields_are_enough() -> None:
    """All else has a default."""
    assert loads(HEAD) == Scenario(scenario="example", title="An example")


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("latency: 5ms", "latency: {fixed: 5ms}"),
        ("sender: retry", "sender: {profile: retry}"),
        ("replication: {eastus: 3s}", "replication: {eastus: {fixed: 3s}}"),
        ("operations: [{reaches: {eastus: 3s}}]", "operations: [{reaches: {eastus: {fixed: 3s}}}]"),
        (
            "operations: [{}]\nfaults: [{fault: duplicate, after: 130s}]",
            "operations: [{}]\nfaults: [{fault: duplicate, after: [130s]}]",
        ),
        (
            "operations: [{}]\nfaults: [{fault: delay, by: 3s}]",
            "operations: [{}]\nfaults: [{fault: delay, by: {fixed: 3s}}]",
        ),
        ("operations: [{at: 0}]", "operations: [{at: 0s}]"),
        ("latency: '5ms'", "latency: 5ms"),
    ],
)
def test_the_short_form_means_the_long_one(short: str, long: str) -> None:
    """A bare value stands for the field that is nearly always the only one."""
    assert loads(HEAD + short) == loads(HEAD + long)


def test_names_and_homes_are_filled_in() -> None:
    """Operations are op1, op2, … by position, and at home in the first region."""
    scenario = loads(HEAD + "regions: [eastus, westus]\noperations: [{}, {name: build, home: westus}, {}]\n")

    assert [(each.name, each.home) for each in scenario.operations] == [
        ("op1", "eastus"),
        ("build", "westus"),
        ("op3", "eastus"),
    ]


def test_regions_are_spelled_as_in_their_list() -> None:
    """Later, names are compared as they are."""
    scenario = loads(
        HEAD
        + dedent("""\
            regions: [EastUS, West US]
            replication: {eastus: 1s}
            webhooks: {' west us ': {status: disabled}}
            operations: [{home: EASTUS, reaches: {eastus: 2s}}]
            faults: [{fault: drop, region: eastus}, {fault: crash, step: before-response, region: eastus}]
            expect: [{operation: op1, outcome: timed_out, missing: [west us]}]
            """)
    )

    spelled = [*scenario.replication, *scenario.webhooks, *scenario.operations[0].reaches]
    spelled += [scenario.operations[0].home, *scenario.expect[0].missing]
    assert spelled == ["EastUS", "West US", "EastUS", "EastUS", "West US"]
    assert [fault.region for fault in scenario.faults if isinstance(fault, Drop | Crash)] == ["EastUS"] * 2


def test_another_timeout_takes_its_multiples_along() -> None:
    """A scenario of two minutes plays against a deployment of six seconds; absolute durations stay."""
    text = HEAD + "timeout: 120s\noperations: [{at: 0.75 timeout}, {at: 90s}]\n"

    scenario = loads(text, timeout_ms=6_000)

    assert scenario.timeout == 6_000
    assert [each.at for each in scenario.operations] == [4_500, 90_000]


def test_another_timeout_can_make_a_scenario_impossible() -> None:
    """What was right with its own timeout is checked again with the other one."""
    text = HEAD + "operations: [{}]\nfaults: [{fault: sink-down, since: 30s, until: 0.75 timeout}]\n"

    loads(text)
    with pytest.raises(ScenarioError, match=r":4:48: until: 4.5s is not after since, 30s"):
        loads(text, timeout_ms=6_000)


@pytest.mark.parametrize(("timeout_ms", "shown"), [(0, "0s"), (-5_000, "-5s"), (10**12, "11574d1h46m40s")])
def test_another_timeout_has_the_same_bounds(timeout_ms: int, shown: str) -> None:
    """More than nothing, and ten years at most."""
    with pytest.raises(ScenarioError) as caught:
        loads(HEAD, "e.yaml", timeout_ms=timeout_ms)

    assert str(caught.value) == f"e.yaml: a timeout of {shown} was asked for; it is from 1ms to 3650d"


def test_a_file_may_be_called_anything(tmp_path: Path) -> None:
    """Only in the pack is a scenario's name its file's: there it is how one asks for it."""
    file = tmp_path / "Draft 2.yml"
    file.write_text(HEAD)

    assert load(file).scenario == "example"


@pytest.mark.parametrize("name", names())
def test_the_pack_loads(name: str) -> None:
    """Every built-in scenario is read without a complaint, and is called like its file."""
    assert load(find(name)).scenario == name


def test_an_error_travels_between_processes() -> None:
    """Workers hand their errors back pickled."""
    with pytest.raises(ScenarioError) as caught:
        loads("timeout: 120\n", "e.yaml")

    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes

    assert (str(copy), copy.problems) == (str(caught.value), caught.value.problems)
