"""Parts of a scenario, and the scenario with one of them changed or removed."""

import pytest

from fanin.harness.explore.edit import (
    changed,
    delays,
    durations,
    parts,
    without_operations,
    without_part,
    without_region,
)
from fanin.simulator.faults.sink import SinkHangs
from fanin.simulator.faults.transport import Drop
from fanin.simulator.language.scenario import Expectation, Operation
from fanin.simulator.shapes import Delay
from tests.harness.explore.scenarios import push

EAST, NORTH, WEST = push().regions
TWO = push(
    operations=(
        Operation(name="one", reaches={EAST: Delay(fixed=5)}),
        Operation(name="two", at=7, home=EAST),
    ),
    faults=(Drop(operation="one"), Drop(region=EAST), SinkHangs(since=0, until=9, operation="two/1")),
    expect=(
        Expectation("one", outcome="completed"),
        Expectation("two", outcome="timed_out", missing=(EAST,)),
    ),
)


def test_every_value_is_a_part_with_its_path() -> None:
    """Containers before their items."""
    paths = [it.path for it in parts(TWO)]

    assert paths.index(("operations",)) < paths.index(("operations", 0))
    assert paths.index(("operations", 0)) < paths.index(("operations", 0, "reaches", EAST, "fixed"))
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("part", list(parts(TWO)), ids=lambda it: ".".join(map(str, it.path)))
def test_a_part_that_is_set_to_itself_changes_nothing(part: object) -> None:
    """Its path leads to it."""
    assert changed(TWO, part.path, part.value) == TWO  # type: ignore[attr-defined]


def test_durations_and_delays_are_found() -> None:
    """Instants are durations since the start."""
    assert {("timeout",), ("operations", 1, "at"), ("faults", 2, "until")} <= {
        it.path for it in durations(TWO)
    }
    assert ("operations", 0, "reaches", EAST) in {it.path for it in delays(TWO)}


def test_an_item_of_a_list_or_mapping_is_removed() -> None:
    """The others stay in their order."""
    assert without_part(TWO, ("faults", 1)).faults == (TWO.faults[0], TWO.faults[2])
    assert without_part(TWO, ("operations", 0, "reaches", EAST)).operations[0].reaches == {}


def test_an_operation_is_removed_with_what_refers_to_it() -> None:
    """Faults and expectations, also those of its repetitions."""
    less = without_operations(TWO, (1,))

    assert [it.name for it in less.operations] == ["one"]
    assert less.faults == TWO.faults[:2]
    assert [it.operation for it in less.expect] == ["one"]


def test_a_region_is_removed_with_what_refers_to_it() -> None:
    """Operations that began there begin in another one."""
    less = without_region(TWO, EAST)

    assert less.regions == (NORTH, WEST)
    assert less.operations[0].reaches == {}
    assert less.operations[1].home == NORTH
    assert less.faults == (TWO.faults[0], TWO.faults[2])
    assert less.expect[1].missing == ()


def test_a_path_into_a_plain_value_is_an_error() -> None:
    """There is nothing inside it."""
    with pytest.raises(TypeError, match="nothing is inside 120000"):
        changed(TWO, ("timeout", "x"), 1)
