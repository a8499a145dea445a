"""The stored page docs/bug-matrix.md, as far as it can be checked without playing every variant."""

import re

import pytest

from fanin.harness.mutants.matrix import scenario_of
from fanin.harness.mutants.page import HEAD, healthy_lines, mutant_lines, page, without_mutant_lines
from fanin.harness.mutants.registry import HEALTHY, KILLS_NOTHING, MUTANTS
from fanin.simulator.pack import names
from tests.harness.mutants.matrices import matrix
from tests.paths import DOCS

STORED = (DOCS / "bug-matrix.md").read_text(encoding="utf-8")


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
    assert _marks(name)[names().index(MUTANTS[name].scenario)] == "x"


@pytest.mark.parametrize("name", [it.name for it in HEALTHY.values()])
def test_on_the_stored_page_no_healthy_variant_is_accused(name: str) -> None:
    """The whole pack was played to make it."""
    assert "x" not in _marks(name)


def test_no_scenario_kills_nothing_without_saying_why_it_is_there() -> None:
    """And a reason of one that kills something is out of date."""
    without = {name for name, kills in _kills().items() if not kills.isdecimal()}

    assert without == set(KILLS_NOTHING)


def _kills() -> dict[str, str]:
    """The column "kills" of the table of scenarios, by scenario."""
    table = STORED.partition("| scenario | is about | kills | alone |")[2].partition("##")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| .* \| ([^|]+) \| [^|]* ?\|$", table, re.MULTILINE))


def _marks(name: str) -> str:
    """A row of the grid: one character for each scenario."""
    grid_text = STORED.partition("```text\n")[2]
    rows = re.findall(rf"^{name} +([x·?-]+?)(?:  +\d+)?$", grid_text, re.MULTILINE)
    return "".join(rows)
