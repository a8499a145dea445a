"""``fanin bug`` and ``fanin matrix``."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fanin.harness.cli import mutants
from fanin.harness.mutants.matrix import Matrix
from fanin.harness.mutants.page import page
from fanin.harness.mutants.registry import MUTANTS
from fanin.harness.mutants.variation import vary
from tests.harness.mutants.matrices import matrix as by_hand

# --- fanin bug ---


def test_the_command_lists_the_mutants() -> None:
    """One line each, and none wider than a page."""
    result = CliRunner().invoke(mutants.bug)

    assert result.exit_code == 0
    assert all(f"  {name} " in result.stdout for name in MUTANTS)
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_the_command_shows_a_bug_and_what_would_have_been_right() -> None:
    """Cause, timeline, verdict, how to see it again, and the same scenario with a right aggregator."""
    result = CliRunner().invoke(mutants.bug, ["original-sample"])

    shown = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "original-sample like B10, B01, B46, B52, B67 The published sample of 2018" in shown
    assert "Shown by original-simple: Two regions report ten seconds apart" in shown
    assert "● sent → 202" in shown
    assert 'INVALID original-simple target="the bug original-sample"' in shown
    assert "replay: fanin bug original-sample --seed 0 And a right aggregator VALID" in shown
    assert "op1 completed at +10.0" in shown


def test_the_command_can_leave_the_timeline_out() -> None:
    """Then there are only the verdicts."""
    result = CliRunner().invoke(mutants.bug, ["counts-deliveries", "--quiet", "--seed", "5"])

    assert "● sent" not in result.stdout
    assert "replay: fanin bug counts-deliveries --quiet --seed 5" in result.stdout.replace(
        "counts-deliveries --seed", "counts-deliveries --quiet --seed"
    )


def test_a_bug_that_is_not_caught_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code says whether the judge has found it."""
    harmless = replace(MUTANTS["no-idempotency-key"], factory=vary())
    monkeypatch.setitem(MUTANTS, "no-idempotency-key", harmless)  # a dict, behind a Mapping

    result = CliRunner().invoke(mutants.bug, ["no-idempotency-key"])

    assert result.exit_code == 1


def test_a_misspelt_name_is_a_usage_error() -> None:
    """It names the nearest one."""
    result = CliRunner().invoke(mutants.bug, ["orignal-sample"])

    assert result.exit_code == 2
    assert "there is no bug 'orignal-sample'; `fanin bug` lists them; did you mean 'original-sample'?" in (
        " ".join(result.stderr.split())
    )


# --- fanin matrix ---


@pytest.mark.parametrize(
    ("matrix", "code"),
    [
        pytest.param(by_hand(), 0, id="all killed"),
        pytest.param(by_hand(survivor="no-idempotency-key"), 1, id="one survives"),
        pytest.param(by_hand(accused="coarse-timer"), 1, id="one is accused"),
    ],
)
def test_the_exit_code_says_whether_the_pack_is_good_enough(
    monkeypatch: pytest.MonkeyPatch, matrix: Matrix, code: int
) -> None:
    """For continuous integration."""
    monkeypatch.setattr(mutants, "_compute", lambda _jobs: matrix)

    result = CliRunner().invoke(mutants.matrix)

    assert result.exit_code == code
    assert "original-sample" in result.stdout


def test_a_page_that_is_up_to_date_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `--format markdown` prints is what `--check` compares with."""
    monkeypatch.setattr(mutants, "_compute", lambda _jobs: by_hand())
    stored = tmp_path / "page.md"
    stored.write_text(CliRunner().invoke(mutants.matrix, ["--format", "markdown"]).stdout, encoding="utf-8")

    result = CliRunner().invoke(mutants.matrix, ["--check", str(stored)])

    assert (result.exit_code, result.stderr) == (0, "")


def test_a_page_that_is_stale_fails_and_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The lines that differ, and what to do."""
    monkeypatch.setattr(mutants, "_compute", lambda _jobs: by_hand())
    stored = tmp_path / "page.md"
    stored.write_text(page(by_hand(survivor="no-idempotency-key")), encoding="utf-8")

    result = CliRunner().invoke(mutants.matrix, ["--check", str(stored)])

    assert result.exit_code == 1
    assert "`make docs` writes it again" in result.stderr
    assert re.search(r"^-no-idempotency-key +\?·", result.stderr, re.MULTILINE)
    assert re.search(r"^\+no-idempotency-key +\?x", result.stderr, re.MULTILINE)
