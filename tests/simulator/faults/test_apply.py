"""Faults change the deliveries that they select, in their order, each with draws of its own."""

import pytest

from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.apply import _takes_effect
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkDown
from fanin.simulator.faults.transport import DelayBy, Drop, Duplicate, Reorder
from fanin.simulator.shapes import Delay
from tests.simulator.faults.pushes import EAST, SOUND, WEST, deliveries, in_east


class Zeros:
    """The rarest of draws."""

    def random(self) -> float:
        return 0.0


def test_without_faults_a_delivery_is_sound() -> None:
    """Valid, changed by no fault, nothing lost on the way."""
    sent, losses = deliveries()

    assert [(it.region, it.due_ms, it.copy, it.invalid_because, it.faults) for it in sent] == [
        (EAST, 0, 0, "", ()),
        (WEST, 0, 0, "", ()),
    ]
    assert (SOUND.lose_requests, SOUND.lose_responses, SOUND.body_over_ms) == (0, 0, 0)
    assert losses == []


def test_faults_of_sink_and_aggregator_are_not_the_registrys() -> None:
    """They stay in the numbering: a delivery's faults are indices into the whole list."""
    sent = in_east(SinkDown(), Crash(at=5), DelayBy(by=Delay(fixed=7)))

    assert (sent[0].due_ms, sent[0].faults) == (7, (2,))


@pytest.mark.parametrize(
    ("fault", "bitten"),
    [
        (Drop(region=EAST), [("op/1", EAST), ("op/2", EAST)]),
        (Drop(operation="op", region=WEST), [("op/1", WEST), ("op/2", WEST)]),
        (Drop(operation="op/2"), [("op/2", EAST), ("op/2", WEST)]),
        (Drop(operation="other"), []),
        (Drop(region="mars"), []),
    ],
)
def test_a_fault_selects_by_region_and_operation(fault: Fault, bitten: list[tuple[str, str]]) -> None:
    """An operation's name stands for all its repeats; with the number it stands for one."""
    _, losses = deliveries(fault, repeat=2)

    assert [(it.op, it.region) for it in losses] == bitten


def test_chance_0_never_takes_effect_and_chance_1_always_does() -> None:
    """A fault with probability 0 that takes effect has been seen elsewhere."""
    never, _ = deliveries(Drop(chance=0), repeat=500)
    always, _ = deliveries(Drop(chance=1), repeat=500)

    assert len(never) == 1_000
    assert always == []
    assert not _takes_effect(Drop(chance=0), Zeros())


def test_chance_is_drawn_for_each_delivery_from_the_seed() -> None:
    """About the share that it says, the same for one seed and another for another."""
    runs = [deliveries(Drop(chance=0.1), repeat=500, seed=seed)[1] for seed in (1, 1, 2)]

    assert 60 <= len(runs[0]) <= 140
    assert runs[0] == runs[1] != runs[2]


def test_chance_1_draws_nothing() -> None:
    """So a sure fault's own draws are those that it has without a chance."""
    sure = deliveries(Reorder(within=1_000, chance=1.0))
    likely = deliveries(Reorder(within=1_000, chance=0.999_999))

    assert sure == deliveries(Reorder(within=1_000))
    assert sure != likely


def test_faults_draw_apart_from_each_other() -> None:
    """Two equal faults change different deliveries, and the first one's draws do not move the second's."""
    half = Drop(chance=0.5)
    pairs: list[tuple[Fault, Fault]] = [
        (Drop(chance=0), half), (half, half), (DelayBy(by=Delay(min=1, max=9)), half),
    ]  # fmt: skip
    alone, both, behind = (deliveries(*pair, repeat=200)[1] for pair in pairs)

    second = {(it.op, it.region) for it in alone}
    assert set() < {(it.op, it.region) for it in both if it.fault == 1} < second
    assert {(it.op, it.region) for it in behind} == second


def test_a_copy_that_is_dropped_beside_others_is_noted_on_the_first_that_is_left() -> None:
    """Nothing is unsent, but the fault took effect."""
    sent = in_east(Duplicate(after=(1,) * 6), Drop(chance=0.5))

    assert [(it.copy, it.faults) for it in sent] == [(0, (1,)), *((n, (0,)) for n in (1, 2, 4, 5, 6))]
