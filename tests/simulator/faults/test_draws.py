"""Faults that are drawn: of the kind that was asked for, and such that the loader takes them."""

from collections.abc import Sequence

import pytest

from fanin.harness.explore.draw import Draw
from fanin.simulator.faults.aggregator import AggregatorFault, ClockJump, Crash, Pause, Restart
from fanin.simulator.faults.delivery import DeliveryFault, Selection
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.registry import kinds
from fanin.simulator.faults.sink import SinkDown, SinkFault, SinkWindow
from fanin.simulator.faults.step import Step, StepTrigger
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import loads
from fanin.simulator.language.scenario import Operation, Scenario, Signing

SEEDS = range(40)
SECRET = "whsec_" + 32 * "A"
WINDOW = SinkWindow(since=10_000, until=20_000, operation="op1", until_of_first=15_000)


class Outages:
    """A crash is drawn for 5 s, or for the second time that a step is reached, if it is reached."""

    def __init__(self, seed: int, *, reached: bool = True) -> None:
        self._draw, self._reached = Draw(seed, "outages"), reached

    def chance(self, probability: float) -> bool:
        return self._draw.chance(probability)

    def instant(self) -> int:
        return 5_000

    def down_for(self) -> int:
        return 700

    @property
    def reconfigures(self) -> bool:
        return self._draw.chance(0.5)

    def expected(self) -> tuple[str, ...]:
        return self._draw.choice(((), ("northeurope",)))

    def timeout(self) -> int:
        return self._draw.choice((1_000, 2_000))

    def clock_step(self) -> int:
        return self._draw.choice((1_000, 2_000))

    def trigger(self, steps: Sequence[Step]) -> StepTrigger | None:
        return StepTrigger(self._draw.choice(steps), operation="op1", nth=2) if self._reached else None


def taken(fault: Fault) -> bool:
    """Whether the loader reads it back from what is written."""
    scenario = Scenario(
        "drawn", "Drawn", key="k", signing=Signing((SECRET,)),
        operations=(Operation(name="op1", home="northeurope"),), faults=(fault,),
    )  # fmt: skip
    return loads(dumps(scenario)).faults == (fault,)


def drawn_kinds(*families: type[Fault]) -> list[type[Fault]]:
    return [kind for family in families for kind in kinds(family) if kind.draw_weight]


@pytest.mark.parametrize("kind", kinds(DeliveryFault), ids=lambda kind: kind.__name__)
def test_a_fault_of_deliveries_is_drawn_for_those_that_were_selected(kind: type[DeliveryFault]) -> None:
    """And differs from seed to seed where there is something to choose."""
    selection = Selection("eastus", "op1", 0.5)

    faults = [kind.draw(Draw(seed, "fault"), selection, 60_000) for seed in SEEDS]

    assert kind.draw_weight > 0
    assert all(isinstance(it, kind) and taken(it) for it in faults)
    assert {(it.region, it.operation, it.chance) for it in faults} == {selection}
    has_fields_of_its_own = len(kind.__struct_fields__) > len(selection)
    assert (len(set(faults)) > 1) == has_fields_of_its_own


@pytest.mark.parametrize("kind", kinds(SinkFault), ids=lambda kind: kind.__name__)
def test_a_fault_of_the_sink_is_drawn_for_its_window(kind: type[SinkFault]) -> None:
    """A sink that is down is so from the start, because an open connection would not notice."""
    faults = [kind.draw(Draw(seed, "fault"), WINDOW) for seed in SEEDS]

    window = {(0, 15_000, "")} if kind is SinkDown else {(10_000, 20_000, "op1")}
    assert all(isinstance(it, kind) and taken(it) for it in faults)
    assert {(it.since, it.until, it.about) for it in faults} == window


@pytest.mark.parametrize("kind", drawn_kinds(AggregatorFault), ids=lambda kind: kind.__name__)
def test_a_fault_of_the_aggregator_is_drawn_at_an_instant_or_at_a_step(kind: type[AggregatorFault]) -> None:
    """A crash and a pause know steps; where none will be reached, they have an instant."""
    faults = [kind.draw(Outages(seed)) for seed in SEEDS]
    unreached = [kind.draw(Outages(seed, reached=False)) for seed in SEEDS]

    away_ms = 0 if kind is ClockJump else 700
    assert all(isinstance(it, kind) and it.away_ms == away_ms and taken(it) for it in faults)
    assert {it.trigger is None for it in faults} == ({True, False} if kind in (Crash, Pause) else {True})
    assert all(it.trigger is None and it.at_ms == 5_000 for it in unreached)


def test_a_restart_is_drawn_with_another_configuration_too() -> None:
    """Where the target can be configured anew: other regions, or another timeout."""
    faults = [Restart.draw(Outages(seed)) for seed in range(200)]

    assert {(bool(it.expects), it.timeout is not None) for it in faults} == {
        (False, False),
        (True, False),
        (False, True),
    }


def test_a_clock_is_put_forward_or_back() -> None:
    """By as much as was drawn."""
    assert {ClockJump.draw(Outages(seed)).clock_step_ms for seed in SEEDS} == {-2_000, -1_000, 1_000, 2_000}


def test_every_fault_of_the_language_can_be_drawn() -> None:
    """The explorer leaves out what has no weight."""
    never = {kind.__name__ for kind in kinds(Fault)} - {
        kind.__name__ for kind in drawn_kinds(DeliveryFault, SinkFault, AggregatorFault)
    }

    assert never == set()
