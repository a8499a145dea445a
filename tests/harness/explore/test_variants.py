"""Variants of a scenario: a few changes, drawn from a seed."""

import msgspec
import pytest

from fanin.harness.explore.draw import Draw
from fanin.harness.explore.search import pack
from fanin.harness.explore.variants import CHANGES, NAME_MAX, Change, vary
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import load, loads
from fanin.simulator.language.scenario import Operation
from fanin.simulator.pack import find
from tests.harness.explore.scenarios import push

STORM, SLOW = load(find("storm")), load(find("slow-region"))


def test_a_variant_depends_on_its_base_and_seed_alone() -> None:
    """Another seed is another variant."""
    assert vary(SLOW, 7) == vary(SLOW, 7)
    other = vary(SLOW, 8)
    assert vary(SLOW, 7) != msgspec.structs.replace(
        other, scenario="slow-region-7", title=vary(SLOW, 7).title
    )


@pytest.mark.parametrize("name", pack()[::6])
def test_a_variant_differs_from_its_base_and_can_be_stored(name: str) -> None:
    """Its name and title say what it is a variant of."""
    base = load(find(name))

    variant = vary(base, 3)

    assert loads(dumps(variant)) == variant
    assert variant.scenario.endswith("-3")
    assert len(variant.scenario) <= NAME_MAX
    assert base.scenario in variant.title
    assert variant.expect == ()
    assert variant.verdict == "valid"


@pytest.mark.parametrize("change", dict.fromkeys(CHANGES))
def test_every_kind_of_change_changes_something(change: Change) -> None:
    """For most draws, of a scenario that has some of everything."""
    changed = [change(Draw(seed), STORM, seed) != STORM for seed in range(5)]

    assert sum(changed) >= 3


def test_a_scenario_in_which_nothing_is_acknowledged_has_no_variants() -> None:
    """They would all be unknown."""
    silent = push(operations=(Operation(reaches=dict.fromkeys(push().regions)),))

    with pytest.raises(ValueError, match="a has no variants: no delivery in it is ever acknowledged"):
        vary(silent, 0)


def test_no_region_is_added_that_differs_from_another_in_blanks_alone() -> None:
    """Some aggregators refuse two such names, and the run would prove nothing."""
    base = push(regions=("East US 2", "centralus"), operations=(Operation(),))

    for seed in range(300):
        bare = ["".join(region.casefold().split()) for region in vary(base, seed).regions]
        assert len(set(bare)) == len(bare)
