"""Random scenarios depend on their seed alone, can be played, and hold what is needed to find bugs."""

import os
import subprocess
import sys
from collections import Counter
from itertools import chain

from fanin.harness.explore.repair import DELIVERIES_MAX
from fanin.simulator.faults.aggregator import AggregatorFault, ClockJump, Crash, Pause, Restart
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.request import Forge, SignEarlier
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.shapes import Delay

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


def test_everything_that_can_go_wrong_is_drawn(many: list[Scenario]) -> None:
    """A kind of fault that never comes is never tried."""
    faults = Counter(type(fault) for it in many for fault in it.faults)
    kinds = {*_kinds(DeliveryFault), *_kinds(SinkFault), *_kinds(AggregatorFault)}
    kinds -= {Forge, SignEarlier, Pause, ClockJump}  # not every target has what they need

    assert kinds - faults.keys() == set()
    assert {it.step for s in many for it in s.faults if isinstance(it, Crash)} == {
        None, "before-response", "after-response", "before-notify", "after-notify",
    }  # fmt: skip
    assert max(sum(isinstance(it, Crash | Restart) for it in s.faults) for s in many) == 3


def _kinds(union: object) -> tuple[type, ...]:
    return tuple(chain(getattr(union, "__args__", ())))


def test_worlds_of_all_sizes_are_drawn(many: list[Scenario]) -> None:
    """From one region to eight, from a second to a month, every sender, with and without a network."""
    assert {len(it.regions) for it in many} == {1, 2, 3, 4, 5, 8}
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
