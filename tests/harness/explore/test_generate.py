"""Random scenarios depend on their seed alone, can be played, and hold what is needed to find bugs."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import count

import pytest

from fanin.harness.capabilities import (
    CAPABILITIES,
    OPTIONAL_CAPABILITIES,
    OUR_CAPABILITIES,
    required_capabilities,
)
from fanin.harness.explore.faults import DAY
from fanin.harness.explore.generate import Space, generate
from fanin.harness.explore.odd_names import ID_FAMILIES, IMAGE_FAMILIES, REGION_FAMILIES
from fanin.harness.explore.repair import DELIVERIES_MAX
from fanin.harness.explore.themes import RETENTION_MS
from fanin.simulator.faults.aggregator import ClockJump, Crash, Restart
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.registry import kinds
from fanin.simulator.faults.request import Forge, SignEarlier
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import loads
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import SUBSCRIBABLE

PROGRAM = """
import sys
from fanin.harness.explore.generate import generate
from fanin.simulator.language.dump import dumps
print(dumps(generate(7)))
"""


def in_another_process(hash_seed: str) -> str:
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


def test_the_same_seed_is_the_same_scenario_in_another_process() -> None:
    """Whatever the order of sets is there."""
    assert in_another_process("1") == in_another_process("2") != ""


def test_another_seed_is_another_scenario(many: list[Scenario]) -> None:
    """Not one of many is there twice."""
    assert len({dumps(it).partition("regions")[2] for it in many}) == len(many)


def test_every_scenario_is_one_that_a_file_could_hold(many: list[Scenario]) -> None:
    """What was drawn can be stored, and what is stored can be played."""
    assert [it for it in many if loads(dumps(it)) != it] == []


def test_webhooks_go_to_the_path_that_the_contract_asks_for(many: list[Scenario]) -> None:
    """An aggregator without our other paths is not accused of that."""
    uris = {webhook.uri.partition("?")[0] for it in many for webhook in it.webhooks.values()}

    assert uris == {"/api/ImagePush"}


def test_everything_that_can_go_wrong_is_drawn(many: list[Scenario]) -> None:
    """A kind of fault that never comes is never tried."""
    faults = Counter(type(fault) for it in many for fault in it.faults)
    beyond = {Forge, SignEarlier, ClockJump}  # not every target has what they need

    assert set(kinds(Fault)) - faults.keys() == beyond
    assert {it.step for s in many for it in s.faults if isinstance(it, Crash)} == {
        None, "before-response", "after-response", "before-notify", "after-notify",
    }  # fmt: skip
    assert 3 <= max(sum(isinstance(it, Crash | Restart) for it in s.faults) for s in many) <= 4


def test_what_needs_more_than_the_contract_is_drawn_where_the_target_has_it() -> None:
    """Signatures, envelopes, replicas, and a clock that is set."""
    able = [generate(seed, Space(capabilities=frozenset(CAPABILITIES))) for seed in range(300)]

    needed = {need for it in able for need in required_capabilities(it)}
    assert needed >= set(OPTIONAL_CAPABILITIES)
    assert {Forge, SignEarlier, ClockJump} <= {type(fault) for it in able for fault in it.faults}


def test_what_comes_after_the_retention_is_drawn() -> None:
    """Another configuration, a late completion, and a sink that is down for days."""
    able = [generate(seed, Space(capabilities=OUR_CAPABILITIES)) for seed in range(1_400)]
    longer = [it for it in able if it.timeout > RETENTION_MS]
    faults = [fault for it in able for fault in it.faults]
    of_sink = [it for it in faults if isinstance(it, SinkFault) and it.until is not None]

    assert any(isinstance(fault, Restart) and fault.timeout for it in longer for fault in it.faults)
    assert any(isinstance(fault, Restart) and fault.expects for it in longer for fault in it.faults)
    assert any(it.notifies_late for it in longer)
    assert any((it.until or 0) - it.since > 2 * DAY for it in of_sink)


def test_names_that_are_easily_mixed_up_are_drawn(many: list[Scenario]) -> None:
    """Ids, images and regions, several of a family in one scenario."""
    ids = [{operation.id for operation in it.operations} for it in many]
    images = [{operation.image for operation in it.operations} for it in many if it.correlation == "image"]
    regions = [set(it.regions) for it in many]

    assert sum(any(len(drawn & set(family)) > 1 for family in ID_FAMILIES) for drawn in ids) > 10
    assert sum(any(len(drawn & set(family)) > 1 for family in IMAGE_FAMILIES) for drawn in images) > 5
    assert sum(any(len(drawn & set(family)) > 1 for family in REGION_FAMILIES) for drawn in regions) > 15


@pytest.mark.parametrize("family", [*ID_FAMILIES, *IMAGE_FAMILIES, *REGION_FAMILIES], ids=count())
def test_no_two_names_of_a_family_are_one(family: Sequence[str]) -> None:
    """Each is another id, image or region by the contract, and stays itself when it is written and read."""
    assert len(set(family)) == len(family)
    if family in REGION_FAMILIES:
        assert len({"".join(name.casefold().split()) for name in family}) == len(family)
    if family in ID_FAMILIES:
        ids = Scenario("a", "a", operations=tuple(Operation(id=each) for each in family))
        assert [it.id for it in loads(dumps(ids)).operations] == list(family)


def test_no_timeout_is_longer_than_asked_for() -> None:
    """An application that polls needs short ones."""
    short = [generate(seed, Space(timeout_ms_max=60_000)) for seed in range(60)]

    assert max(it.timeout for it in short) <= 60_000


def test_a_filter_of_actions_meets_some_that_it_wants_and_some_that_it_does_not(many: list[Scenario]) -> None:
    """Also of one kind: what wants pushes of charts must not take those of images."""
    filtered = [it for it in many if it.actions != SUBSCRIBABLE]
    met = {operation.action in it.actions for it in filtered for operation in it.operations}
    unwanted = {op.action for it in filtered for op in it.operations if op.action not in it.actions}

    assert met == {True, False}
    assert {"push", "chart_push", "delete"} <= unwanted


def test_worlds_of_all_sizes_are_drawn(many: list[Scenario]) -> None:
    """From one region to ten, from a second to a month, every sender, with and without a network."""
    assert {1, 2, 3, 4, 5, 9, 10} <= {len(it.regions) for it in many}
    assert min(it.timeout for it in many) < 10_000
    assert {3 * 86_400_000, 2**31 - 1, 2**31, 30 * 86_400_000} <= {it.timeout for it in many}
    assert {it.sender.profile for it in many} == {"acr", "retry", "standard-webhooks", "cncf-distribution"}
    assert Delay(fixed=0) in {it.latency for it in many}
    assert {it.correlation for it in many} == {"event-id", "image"}


def test_ties_at_the_deadline_are_drawn(many: list[Scenario]) -> None:
    """A region that reports exactly one timeout after another is where two outcomes hide."""
    ties = [
        it
        for it in many
        for operation in it.operations
        for delays in [
            [delay.fixed for delay in operation.reaches.values() if delay and delay.fixed is not None]
        ]
        if delays and max(delays) - min(delays) == it.timeout
    ]

    assert len(ties) >= 5


def test_no_scenario_is_too_large_to_play_thousands_of(many: list[Scenario]) -> None:
    """The size of a run is bounded, copies aside."""
    sizes = [len(it.regions) * sum(op.repeat for op in it.operations) for it in many]

    assert max(sizes) <= DELIVERIES_MAX
