"""Every fault of the language is found by its class, and its class says all that is asked of it."""

import pytest
from msgspec import inspect

from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.registry import kinds
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.field_types import FieldType, shape_of, tags
from fanin.simulator.language.scenario import Scenario

FAMILIES = (DeliveryFault, SinkFault, AggregatorFault)
ASKED = {
    DeliveryFault: ("apply", "effect_text"),
    SinkFault: ("symptom", "effect_text"),
    AggregatorFault: ("at_ms", "describe"),
}


def test_the_language_has_every_fault_once() -> None:
    """What the loader reads is the registry, family by family, and nothing else."""
    field = next(each for each in shape_of(Scenario).fields if each.name == "faults")
    listed = FieldType.of(field.type).type
    assert isinstance(listed, inspect.VarTupleType)
    union = FieldType.of(listed.item_type).type
    assert isinstance(union, inspect.UnionType)

    found = [kind for family in FAMILIES for kind in kinds(family)]

    assert {shape.cls for shape in tags(union).values()} == set(found) == set(kinds(Fault))
    assert len(found) == len(set(found)) == len({kind.__struct_config__.tag for kind in found})


@pytest.mark.parametrize("kind", kinds(Fault), ids=lambda kind: str(kind.__struct_config__.tag))
def test_a_fault_says_what_it_does(kind: type[Fault]) -> None:
    """A shape that the loader accepts and that does nothing would make every run with it prove nothing."""
    (family,) = (each for each in FAMILIES if issubclass(kind, each))

    for name in ASKED[family]:
        assert getattr(kind, name) is not getattr(family, name), name


@pytest.mark.parametrize("kind", kinds(Fault), ids=lambda kind: str(kind.__struct_config__.tag))
def test_what_scales_in_a_way_of_its_own_is_a_field(kind: type[Fault]) -> None:
    """A field that was renamed would silently be in proportion again."""
    assert set(kind.scaling) <= set(kind.__struct_fields__)


def test_a_fault_that_is_no_part_of_the_language_is_not_found() -> None:
    """Neither a base class nor what a test defines."""

    class Elsewhere(DeliveryFault, frozen=True, tag_field="fault", tag="elsewhere"):
        """Not in the package."""

    assert Elsewhere not in kinds(Fault)
    assert not {*FAMILIES, Fault} & set(kinds(Fault))
