"""The matrix as text."""

from fanin.harness.mutants.grid import grid, summary
from fanin.harness.mutants.matrix import Matrix
from fanin.harness.mutants.registry import HEALTHY, MUTANTS
from fanin.harness.report.line import WIDTH, plain
from fanin.harness.verdict import Validity
from fanin.simulator.pack import names
from tests.harness.mutants.matrices import matrix


def test_survivors_and_accused_are_named() -> None:
    """Before the totals."""
    text = "\n".join(
        plain(row) for row in summary(matrix(survivor="no-idempotency-key", accused="coarse-timer"))
    )

    assert text == (
        "no-idempotency-key survives every scenario\n"
        "coarse-timer is healthy and was accused in slow-region\n"
        f"2 scenarios kill {len(MUTANTS) - 1} of {len(MUTANTS)} mutants,"
        f" and accuse 1 of {len(HEALTHY)} healthy variants"
    )


def test_the_grid_fits_a_page() -> None:
    """Any number of scenarios is cut into pieces of the page's width."""
    row = dict.fromkeys(names(), Validity.VALID)
    wide = Matrix(tuple(names()) * 3, dict.fromkeys(MUTANTS, row), dict.fromkeys(HEALTHY, row))

    rows = [plain(row) for row in grid(wide)]

    assert max(map(len, rows)) <= WIDTH
    assert sum(row.startswith("original-sample") for row in rows) >= 3


def test_a_row_has_a_mark_for_each_scenario_and_the_number_of_those_that_kill() -> None:
    """Killed, survived, no verdict, not played."""
    found = matrix(survivor="no-timer")
    rows = {plain(row).split()[0]: plain(row).split()[1:] for row in grid(found) if plain(row).strip()}

    assert rows["two-timers"] == ["?x", "1"]
    assert rows["no-timer"] == ["?·", "0"]
    assert rows["coarse-timer"] == ["?·"]
