"""In which order scenarios begin in real time."""

import msgspec
import pytest

from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.start_order import start_order
from fanin.simulator.language.load import load, loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from fanin.simulator.pack import names as in_pack

SCALE = TimeScale()


def reaching(name: str, seconds: int) -> Scenario:
    """A scenario whose only region reports after so long."""
    return loads(
        f"""
scenario: {name}
title: A region that is late
regions: [eastus]
timeout: 120s
operations:
  - {{reaches: {{eastus: {seconds}s}}}}
"""
    )


def names(scenarios: list[Scenario]) -> list[str]:
    return [it.scenario for it in start_order(scenarios, seed=0, time_scale=SCALE)]


def test_short_and_long_ones_begin_in_turns() -> None:
    """The shortest first, then the longest; what lies in between comes last."""
    found = names([reaching(f"s{seconds}", seconds) for seconds in (30, 10, 50, 20, 40)])

    assert found == ["s10", "s50", "s20", "s40", "s30"]


@pytest.mark.parametrize("many", [0, 1, 2])
def test_none_is_left_out(many: int) -> None:
    """However few there are."""
    assert len(names([reaching(f"s{n}", n) for n in range(many)])) == many


@pytest.mark.parametrize("name", ["signed", "event-grid-expired", "stuck-sink"])
def test_retries_and_clients_that_wait_are_counted(name: str) -> None:
    """A sender that never succeeds tries until it gives up; a lost request and a hanging sink take time."""
    whole = load(find(name))
    faultless = msgspec.structs.replace(whole, scenario="faultless", faults=())
    between = reaching("between", 500)  # 21 s of real time

    assert names([whole, between]) == ["between", name]
    assert names([faultless, between]) == ["faultless", "between"]


def test_the_whole_pack_has_an_order() -> None:
    """Whatever its faults are, each scenario is there once."""
    assert sorted(names([load(find(name)) for name in in_pack()])) == in_pack()
