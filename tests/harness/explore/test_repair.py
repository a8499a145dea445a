"""A draft becomes a scenario that can be played, or none."""

from typing import Any

import msgspec
import pytest

from fanin.harness.explore.draw import Draw
from fanin.harness.explore.generate import generate
from fanin.harness.explore.repair import (
    DELIVERIES_MAX,
    HELD_MS_MAX,
    REPEAT_MAX,
    accepted,
    repair,
    repaired,
)
from fanin.harness.explore.variants import CHANGES
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.request import Malform, UnknownRegion
from fanin.simulator.faults.sink import SinkHangs
from fanin.simulator.faults.transport import DelayBy, Drop
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import ScenarioError, load, loads
from fanin.simulator.language.scenario import Expectation, Operation, Scenario, Sender, Webhook
from fanin.simulator.pack import find, names
from fanin.simulator.shapes import Delay
from tests.harness.explore.scenarios import push


def test_faults_without_effect_are_removed() -> None:
    """They would make the run prove nothing."""
    rare, certain = Drop(chance=1e-9), Drop(region="eastus")

    assert repair(push(faults=(rare, certain)), 0) == push(faults=(certain,))


def test_faults_that_the_loader_refuses_are_removed() -> None:
    """The others stay."""
    unknown, certain = Drop(region="mars"), Drop(region="eastus")

    assert repair(push(faults=(unknown, certain)), 0) == push(faults=(certain,))


def test_sink_faults_at_a_time_without_notifications_are_removed() -> None:
    """The only notification is sent within seconds."""
    assert repair(push(faults=(SinkHangs(since=60_000, until=90_000),)), 0) == push()


def test_something_is_left_to_acknowledge() -> None:
    """Otherwise no delivery would be acknowledged, and there would be nothing to judge."""
    assert repair(push(faults=(Malform(),)), 0) == push()
    assert repair(push(operations=(Operation(reaches=dict.fromkeys(push().regions)),)), 0) is None


def test_a_sender_without_a_limit_of_attempts_gets_one_when_it_is_refused() -> None:
    """It would send the same ten thousand times."""
    stubborn = push(sender=Sender("cncf-distribution"), faults=(Malform(region="eastus"),))

    unexpected = push(sender=Sender("cncf-distribution"), expects=("eastus",))

    small = [repair(draft, 0) for draft in (stubborn, unexpected)]

    assert [it is not None and it.sender.attempts is not None for it in small] == [True, True]


@pytest.mark.parametrize("seed", range(8))
def test_a_known_prediction_stands_only_for_what_sends_the_same(seed: int) -> None:
    """The repair of a draft is the same, whatever it was made from."""
    known = repaired(generate(seed), seed)
    assert known is not None
    scenario = known.scenario
    drafts = [
        msgspec.structs.replace(scenario, **fields)
        for fields in (
            {"faults": (*scenario.faults, SinkHangs(since=0, until=90_000))},
            {"faults": (*scenario.faults, DelayBy(by=Delay(fixed=scenario.timeout)))},
            {"faults": (Drop(region=scenario.regions[0]), *scenario.faults)},
            {"faults": ()},
            {"timeout": scenario.timeout // 2 + 1},
        )
    ]

    for draft in drafts:
        assert repaired(draft, seed, known) == repaired(draft, seed)


def test_a_draft_that_is_invalid_without_its_faults_has_no_repair() -> None:
    """The loader decides."""
    assert accepted(push(regions=())) is None
    assert repair(push(regions=()), 0) is None


def test_there_are_only_so_many_deliveries() -> None:
    """A run must stay small."""
    once = repair(push(operations=(Operation(image="a:{n}", repeat=10_000, every=1),)), 0)
    often = repair(push(operations=(Operation(repeat=100, image="a:{n}"),) * 30), 0)

    assert once is not None
    assert [it.repeat for it in once.operations] == [REPEAT_MAX]
    assert often is not None
    assert sum(it.repeat for it in often.operations) * len(often.regions) <= DELIVERIES_MAX


def test_a_sink_fault_holds_no_more_attempts_than_can_be_played_soon() -> None:
    """One operation's may last long enough for its notification to be given up."""
    month = 30 * 86_400_000
    alone, of_all = SinkHangs(until=month, operation="op1"), SinkHangs(since=1, until=month)
    found = [repair(push(operations=(Operation(repeat=2, image="a:{n}", name="op1"),), faults=(it,)), 0)
             for it in (alone, of_all, SinkHangs())]  # fmt: skip

    assert [it.faults for it in found if it] == [
        (SinkHangs(until=HELD_MS_MAX, operation="op1"),),
        (SinkHangs(since=1, until=1 + HELD_MS_MAX // 2),),
        (SinkHangs(),),
    ]


def _written_and_read(draft: Scenario) -> Scenario | None:
    try:
        return loads(dumps(draft))
    except ScenarioError:
        return None


def test_what_is_accepted_is_what_the_loader_accepts() -> None:
    """Drafts are checked without being written and read, which takes most of the time of drawing one."""
    accepts = refuses = 0
    for seed in range(60):
        draft = generate(seed)
        draw = Draw(seed, "drafts")
        while accepts + refuses < 4 * (seed + 1) and draft.operations and draft.regions:
            draft = draw.choice(CHANGES)(draw, draft, seed)
            expected = _written_and_read(draft)
            accepts, refuses = accepts + (expected is not None), refuses + (expected is None)
            assert accepted(draft) == expected

    assert accepts > 100
    assert refuses > 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"actions": ("push", "push")},
        {"timeout": 0},
        {"latency": Delay(min=5, max=1)},
        {"latency": Delay(fixed=5, sigma=0.7)},
        {"operations": (Operation(image="a:1", name="a"), Operation(image="a:2", name="a"))},
        {"operations": (Operation(image="a:{m}"),)},
        {"operations": (Operation(image="UPPER:1"),)},
        {"expect": (Expectation("op1", "completed"), Expectation("op1", "completed"))},
        {"expect": (Expectation("op1", "completed", within=5),)},
        {"faults": (Crash(at=1, nth=2),)},
        {"faults": (Crash(at=1, step="before-notify"),)},
        {"faults": (UnknownRegion(url_region="eastus"),)},
        {"webhooks": {"mars": Webhook()}},
    ],
)
def test_what_the_loader_refuses_is_not_accepted(wrong: dict[str, Any]) -> None:
    """Whatever rule it breaks: of a field, between fields, or about names."""
    draft = msgspec.structs.replace(push(), **wrong)

    assert _written_and_read(draft) is None
    assert accepted(draft) is None


@pytest.mark.parametrize("name", names())
def test_every_built_in_scenario_is_accepted_as_it_is(name: str) -> None:
    """It was read from a file."""
    scenario = load(find(name))

    assert accepted(scenario) == scenario
