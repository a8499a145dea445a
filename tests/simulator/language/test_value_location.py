"""The parts of a scenario that was made in code stand nowhere, and what a file would give is known."""

import pytest

from fanin.simulator.faults.request import UnknownRegion
from fanin.simulator.faults.transport import DelayBy
from fanin.simulator.language.problems import NOWHERE
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.language.value_location import ValueLocation
from fanin.simulator.shapes import Delay

SCENARIO = Scenario(
    "two-parts",
    "Two parts",
    latency=Delay(fixed=5),
    operations=(Operation(name="first", reaches={"eastus": Delay(min=1, max=2)}),),
    faults=(UnknownRegion(region="eastus", url_region="mars"), DelayBy(by=Delay(fixed=1))),
)


@pytest.mark.parametrize(
    ("path", "step", "given"),
    [
        ((), "latency", True),
        ((), "timeout", False),
        ((), "nothing", False),
        (("operations",), 0, True),
        (("operations",), 1, False),
        (("operations", 0), "name", True),
        (("operations", 0), "image", False),
        (("operations", 0), "repeat", True),
        (("operations", 0, "reaches"), "eastus", True),
        (("operations", 0, "reaches"), "westus", False),
        (("operations", 0, "reaches", "eastus"), "sigma", False),
        (("faults", 0), "as", False),
        (("faults", 0), "region", True),
        (("faults", 1), "by", True),
        (("faults", 1, "by", "fixed"), "further", False),
    ],
)
def test_a_part_is_given_where_it_would_be_written(
    path: tuple[str | int, ...], step: str, *, given: bool
) -> None:
    """What equals a default is left out, and names are those of YAML."""
    assert ValueLocation(SCENARIO).at(*path).has(step) is given


def test_every_part_stands_nowhere() -> None:
    """A scenario that was made in code has no file, so no part has a line."""
    assert ValueLocation(SCENARIO).at("operations", 0, "missing").mark == NOWHERE
