"""The registry: each mutant has a name, a sentence, a scenario, and a run that shows how it differs."""

import importlib
import re

import pytest

from fanin.harness.mutants.registry import FAMILIES, HEALTHY, MUTANTS, WITHOUT_MUTANT, families
from fanin.simulator.pack import names
from tests.paths import DOCS

# The catalogue of what went wrong in public, which findings and pages quote by these numbers.
CATALOGUE = {f"B{number:02}" for number in range(1, 70)} | {"B43b", "B43c", "B43d"}


def test_each_name_is_given_once() -> None:
    """Of two mutants with one name, one would be hidden."""
    listed = [it.name for family in FAMILIES for it in family.MUTANTS] + [*HEALTHY]

    assert len(listed) == len(set(listed))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in listed)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_described_in_one_sentence_with_cause_and_effect(name: str) -> None:
    """Lists show the part before ", so", so there must be one."""
    it = MUTANTS[name]

    assert re.fullmatch(r"[A-Z][^\n]*, so [^\n]*\.", it.what)
    assert it.what.startswith(it.cause)
    assert ", so " not in it.cause


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_names_a_scenario_of_the_pack_and_entries_of_the_catalogue(name: str) -> None:
    """`fanin bug` plays that scenario."""
    assert MUTANTS[name].scenario in names()
    assert set(MUTANTS[name].catalogue) <= CATALOGUE


def test_every_entry_of_the_catalogue_has_a_mutant_or_a_reason_why_not() -> None:
    """A gap is a decision, never an oversight."""
    with_mutant = {number for it in MUTANTS.values() for number in it.catalogue}
    without = [number for numbers, _ in WITHOUT_MUTANT for number in numbers.split(", ")]

    assert with_mutant | set(without) == CATALOGUE
    assert with_mutant.isdisjoint(without)


def test_the_page_of_bugs_has_every_entry_of_the_catalogue_with_a_source() -> None:
    """Findings name an entry as what they look like."""
    rows = re.findall(
        r"^\| (B\d+[bcd]?) \|.*\|([^|]*)\|$", (DOCS / "bugs.md").read_text("utf-8"), re.MULTILINE
    )

    assert [number for number, _ in rows] == sorted(CATALOGUE)
    assert [number for number, sources in rows if "](https://" not in sources] == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda it: it.__name__.rpartition(".")[2])
def test_every_mutant_has_a_run_that_shows_how_it_differs(family: object) -> None:
    """Each family has a test module with a table of runs."""
    module = importlib.import_module(f"tests.harness.mutants.test_{family.__name__.rpartition('.')[2]}")  # type: ignore[attr-defined]

    assert list(module.RUNS) == [it.name for it in family.MUTANTS]  # type: ignore[attr-defined]


def test_families_have_headings() -> None:
    """The first line of the module's docstring; the generated page has a table under each."""
    assert [heading for heading, _ in families() if not heading.endswith(".")] == []
    assert [it for _, mutants in families() for it in mutants] == list(MUTANTS.values())
