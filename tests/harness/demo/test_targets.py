"""Every bug of the zoo can be shown with its lines."""

import pytest

from fanin.harness.demo.targets import bug, catalogue, source_of, variant_with
from fanin.harness.mutants.registry import MUTANTS


@pytest.mark.parametrize("name", MUTANTS)
def test_every_bug_has_lines_of_its_own(name: str) -> None:
    """What is wrong with it is in them, and they are not the whole aggregator."""
    source = source_of(MUTANTS[name])

    assert source.parts
    assert 1 <= sum(part["wrong"].count("\n") + 1 for part in source.parts) < 260
    assert all(part["where"].startswith("harness/mutants/") for part in source.parts)


def test_the_right_lines_stand_beside_the_wrong_ones() -> None:
    """Of a method, what it replaces; of a step function, the state machine's."""
    method = source_of(MUTANTS["dedupe-by-id-only"]).parts[0]
    step = source_of(MUTANTS["completes-after-timeout"]).parts[0]

    assert "async def deliver" in method["wrong"]
    assert "class" not in method["right"]
    assert "async def deliver" in method["right"]
    assert "def step" in step["right"]


def test_the_catalogue_lists_the_whole_zoo() -> None:
    """By family, as `fanin bug` does."""
    listed = [it["name"] for family in catalogue() for it in family["bugs"]]

    assert listed == list(MUTANTS)


def test_what_is_not_there_is_refused() -> None:
    """With the nearest name, or with what would be needed."""
    with pytest.raises(LookupError, match="did you mean"):
        bug("counts-deliverys")
    with pytest.raises(LookupError, match="needs wings, which no aggregator here has"):
        variant_with(["wings"])
