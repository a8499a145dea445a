"""The stored page docs/bug-matrix.md, as far as it can be checked without playing every variant."""

import re

import pytest

from fanin.harness.mutants.matrix import Matrix, scenario_of
from fanin.harness.mutants.page import (
    HEAD,
    differences,
    healthy_lines,
    mutant_lines,
    page,
    stored_marks,
    without_mutant_lines,
)
from fanin.harness.mutants.registry import HEALTHY, KILLS_NOTHING, MUTANTS
from fanin.harness.verdict import Validity
from fanin.simulator.pack import names
from tests.harness.mutants.matrices import matrix
from tests.paths import DOCS

STORED = (DOCS / "bug-matrix.md").read_text(encoding="utf-8")
_MARKS = stored_marks(STORED)


def test_a_page_names_what_each_scenario_kills_and_what_only_it_kills() -> None:
    """A scenario that kills nothing needs a reason."""
    lines = page(matrix()).splitlines()

    row = next(line for line in lines if line.startswith("| `slow-region` |"))
    assert f"| {len(MUTANTS)} |" in row
    assert "`original-sample`, `look-then-start`" in row
    assert any(line.startswith("| `nothing-happened` |") and "| nothing: it tests" in line for line in lines)


def test_the_stored_page_describes_the_variants_as_they_are() -> None:
    """If this fails, run `make docs`."""
    described = "\n".join([HEAD, *mutant_lines(), *healthy_lines(), *without_mutant_lines()])

    assert STORED.startswith(described)


def test_the_stored_page_knows_every_scenario() -> None:
    """If this fails, run `make docs`."""
    rows = [f"| `{name}` | {scenario_of(name).title} |" for name in names()]

    assert [row for row in rows if row not in STORED] == []
    assert len(_kills()) == len(rows)


@pytest.mark.parametrize("name", MUTANTS)
def test_on_the_stored_page_a_mutant_is_killed_by_the_scenario_that_it_names(name: str) -> None:
    """If this fails, run `make docs`; if that does not help, the scenario no longer kills it."""
    assert _MARKS[name][names().index(MUTANTS[name].scenario)] == "x"


@pytest.mark.parametrize("name", [it.name for it in HEALTHY.values()])
def test_on_the_stored_page_no_healthy_variant_is_accused(name: str) -> None:
    """The whole pack was played to make it."""
    assert "x" not in _MARKS[name]


def test_no_scenario_kills_nothing_without_saying_why_it_is_there() -> None:
    """And a reason of one that kills something is out of date."""
    without = {name for name, kills in _kills().items() if not kills.isdecimal()}

    assert without == set(KILLS_NOTHING)


def test_a_stored_page_says_what_was_played() -> None:
    """What is read from it is what was written, however many pieces the grid is cut into."""
    assert list(differences(page(matrix()), matrix())) == []
    assert {len(marks) for marks in _MARKS.values()} == {len(names())}
    assert set(_MARKS) == {*MUTANTS, *HEALTHY}


def test_a_share_is_compared_with_its_own_rows_of_the_page() -> None:
    """Each verdict that is another one is named; what the share does not play may be anything."""
    stored = page(matrix(survivor="counts-deliveries"))
    played = matrix()
    first, second = (
        Matrix(played.scenarios, {name: played.mutants[name] for name in names}, played.healthy)
        for names in (["counts-deliveries", "lost-update"], ["lost-update"])
    )

    assert list(differences(stored, first)) == [
        "counts-deliveries in slow-region: · on the page, x when played"
    ]
    assert list(differences(stored, second)) == []


def test_a_page_of_another_pack_is_another_page() -> None:
    """Its columns mean other scenarios."""
    fewer = Matrix(("slow-region",), {"lost-update": {"slow-region": Validity.INVALID}}, {})

    assert list(differences(page(matrix()), fewer)) == [
        "lost-update: the page has 2 verdicts, and there are 1 scenarios"
    ]


def _kills() -> dict[str, str]:
    """The column "kills" of the table of scenarios, by scenario."""
    table = STORED.partition("| scenario | is about | kills | alone |")[2].partition("##")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| .* \| ([^|]+) \| [^|]* ?\|$", table, re.MULTILINE))
