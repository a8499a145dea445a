"""The matrix: what is concluded from it, and that the stored page is not older than the zoo."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fanin.harness.cli import mutants
from fanin.harness.mutants.grid import grid, shorten, summary
from fanin.harness.mutants.matrix import REPEAT_MAX, Matrix, is_played_with, scenario_of, verdicts_of
from fanin.harness.mutants.page import HEAD, healthy_lines, mutant_lines, page, without_mutant_lines
from fanin.harness.mutants.registry import HEALTHY, KILLS_NOTHING, MUTANTS
from fanin.harness.report.line import WIDTH, plain
from fanin.harness.verdict import Validity
from fanin.simulator.pack import names
from tests.paths import DOCS

PAGE = DOCS / "bug-matrix.md"
STORED = PAGE.read_text(encoding="utf-8")


def found(*, survivor: str = "", accused: str = "") -> Matrix:
    """What a run through two scenarios may find: the first kills all but the survivor, the second nobody."""
    valid, unknown = Validity.VALID, Validity.UNKNOWN
    mutants = {
        name: {
            "nothing-happened": unknown,
            "slow-region": valid if name == survivor else Validity.INVALID,
        }
        for name in MUTANTS
    }
    healthy = {
        name: {
            "nothing-happened": unknown,
            "slow-region": Validity.INVALID if name == accused else valid,
        }
        for name in HEALTHY
    }
    return Matrix(("nothing-happened", "slow-region"), mutants, healthy)


def test_a_row_is_what_the_oracle_said_of_each_scenario() -> None:
    """The second half of the pack, so to speak: one that kills, one that does not, one that cannot."""
    row = verdicts_of("counts-deliveries", ["duplicate-not-quorum", "slow-region", "nothing-happened"])

    assert row == {
        "duplicate-not-quorum": Validity.INVALID,
        "slow-region": Validity.VALID,
        "nothing-happened": Validity.UNKNOWN,
    }


def test_repetitions_are_limited() -> None:
    """A thousand operations would make a minute's work an hour's."""
    scenario = scenario_of("thousand-ops")

    assert {operation.repeat for operation in scenario.operations} == {REPEAT_MAX}


def test_every_scenario_gets_the_verdict_that_it_states_with_few_repetitions() -> None:
    """Otherwise the matrix would blame a bug for what its own short cut has done."""
    within = [name for name in names() if is_played_with(scenario_of(name), frozenset())]

    verdicts = verdicts_of("unmodified", within)

    assert verdicts == {name: scenario_of(name).verdict for name in within}


def test_survivors_and_accused_are_named() -> None:
    """They are what the matrix is made for."""
    text = "\n".join(
        plain(row) for row in summary(found(survivor="no-idempotency-key", accused="coarse-timer"))
    )

    assert text == (
        "no-idempotency-key survives every scenario\n"
        "coarse-timer is healthy and was accused in slow-region\n"
        f"2 scenarios kill {len(MUTANTS) - 1} of {len(MUTANTS)} mutants,"
        f" and accuse 1 of {len(HEALTHY)} healthy variants"
    )


def test_a_healthy_variant_may_be_unknown_where_that_is_what_the_scenario_states() -> None:
    """In a world where nothing happens nobody can be valid."""
    assert found().accused == []


def test_the_grid_fits_a_page() -> None:
    """Any number of scenarios is cut into pieces of the page's width."""
    row = dict.fromkeys(names(), Validity.VALID)
    wide = Matrix(tuple(names()) * 3, dict.fromkeys(MUTANTS, row), dict.fromkeys(HEALTHY, row))

    rows = [plain(row) for row in grid(wide)]

    assert max(map(len, rows)) <= WIDTH
    assert sum(row.startswith("original-sample") for row in rows) >= 3


def test_a_sentence_is_cut_at_a_word() -> None:
    """Nobody wants to guess the rest of one."""
    assert shorten("Counts deliveries instead of regions.", 20) == "Counts deliveries…"
    assert shorten("Counts deliveries.", 20) == "Counts deliveries."


@pytest.mark.parametrize(
    ("matrix", "code"),
    [
        pytest.param(found(), 0, id="all killed"),
        pytest.param(found(survivor="no-idempotency-key"), 1, id="one survives"),
        pytest.param(found(accused="coarse-timer"), 1, id="one is accused"),
    ],
)
def test_the_exit_code_says_whether_the_pack_is_good_enough(
    monkeypatch: pytest.MonkeyPatch, matrix: Matrix, code: int
) -> None:
    """Continuous integration looks at nothing else."""
    monkeypatch.setattr(mutants, "_compute", lambda _jobs: matrix)

    result = CliRunner().invoke(mutants.matrix)

    assert result.exit_code == code
    assert "original-sample" in result.stdout


def test_a_page_that_is_up_to_date_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `--format markdown` prints is what `--check` compares with."""
    monkeypatch.setattr(mutants, "_compute", lambda _jobs: found())
    stored = tmp_path / "page.md"
    stored.write_text(CliRunner().invoke(mutants.matrix, ["--format", "markdown"]).stdout, encoding="utf-8")

    result = CliRunner().invoke(mutants.matrix, ["--check", str(stored)])

    assert (result.exit_code, result.stderr) == (0, "")


def test_a_page_that_is_stale_fails_and_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The lines that differ, and what to do."""
    monkeypatch.setattr(mutants, "_compute", lambda _jobs: found())
    stored = tmp_path / "page.md"
    stored.write_text(page(found(survivor="no-idempotency-key")), encoding="utf-8")

    result = CliRunner().invoke(mutants.matrix, ["--check", str(stored)])

    assert result.exit_code == 1
    assert "`make docs` writes it again" in result.stderr
    assert re.search(r"^-no-idempotency-key +\?·", result.stderr, re.MULTILINE)
    assert re.search(r"^\+no-idempotency-key +\?x", result.stderr, re.MULTILINE)


# --- the stored page, as far as it can be checked without playing everything ---


def test_the_stored_page_describes_the_zoo_as_it_is() -> None:
    """If this fails, run `make docs`."""
    described = "\n".join([HEAD, *mutant_lines(), *healthy_lines(), *without_mutant_lines()])

    assert STORED.startswith(described)


def test_the_stored_page_knows_every_scenario() -> None:
    """If this fails, run `make docs`."""
    rows = [f"| `{name}` | {scenario_of(name).title} |" for name in names()]

    assert [row for row in rows if row not in STORED] == []
    assert len(_kills()) == len(rows)


@pytest.mark.parametrize("name", MUTANTS)
def test_on_the_stored_page_a_bug_dies_where_it_says(name: str) -> None:
    """If this fails, run `make docs`; if that does not help, the scenario has lost its bite."""
    assert _marks(name)[names().index(MUTANTS[name].scenario)] == "x"


@pytest.mark.parametrize("name", [it.name for it in HEALTHY.values()])
def test_on_the_stored_page_no_healthy_variant_dies(name: str) -> None:
    """The whole pack was played to make it."""
    assert "x" not in _marks(name)


def test_no_scenario_kills_nothing_without_saying_why_it_is_there() -> None:
    """One that says so and kills something is no better: its reason is out of date."""
    quiet = {name for name, kills in _kills().items() if not kills.isdecimal()}

    assert quiet == set(KILLS_NOTHING)


def _kills() -> dict[str, str]:
    """The column "kills" of the table of scenarios, by scenario."""
    table = STORED.partition("| scenario | is about | kills | alone |")[2].partition("##")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| .* \| ([^|]+) \| [^|]* ?\|$", table, re.MULTILINE))


def _marks(name: str) -> str:
    """A row of the grid: one character for each scenario."""
    grid_text = STORED.partition("```text\n")[2]
    rows = re.findall(rf"^{name} +([x·?-]+?)(?:  +\d+)?$", grid_text, re.MULTILINE)
    return "".join(rows)
