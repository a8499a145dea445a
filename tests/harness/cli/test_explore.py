"""``fanin explore``: what it prints of its runs, and how it ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli.explore import LACKS, SHRUNK_PER_RULE
from fanin.harness.cli.main import main
from fanin.harness.explore import search
from fanin.harness.explore.without_capabilities import REMOVABLE
from fanin.harness.history import History
from fanin.harness.mutants.registry import MUTANTS
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario


def explore(*words: str) -> Result:
    return CliRunner().invoke(main, ["explore", *words], prog_name="fanin")


def test_runs_are_counted_by_their_verdict() -> None:
    """On our own aggregator none is invalid."""
    result = explore("--runs", "3", "--seed", "20")

    assert result.exit_code == 0
    assert "3 random scenarios against fanin's own aggregator, seeds 20 to 22" in result.stderr
    assert result.stdout.startswith("3 runs, seeds 20 to 22: ")
    assert " 0 invalid, " in result.stdout


def test_ctrl_c_reports_the_runs_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of searching are not thrown away."""
    exploring = search.explore

    def interrupted(*arguments: Any, **options: Any) -> Iterator[Any]:
        runs = exploring(*arguments, **options)
        yield next(runs)
        yield next(runs)
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "explore", interrupted)

    result = explore("--runs", "5")

    assert result.exit_code == 130
    assert result.stdout.startswith("2 runs, seeds 0 to 1: ")
    assert result.stderr.endswith("fanin: interrupted after 2 of 5 runs\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--variants-of", "slow-regoin"), "slow-regoin: neither a built-in scenario nor a file"),
        (("--app", "nowhere_at_all:app"), "cannot import 'nowhere_at_all'"),
        (("--lacks", "wings"), "'wings' is not one of"),
        (("--runs", "1", "--save", "/dev/null/found"), "--save /dev/null/found: Not a directory"),
    ],
)
def test_what_cannot_be_explored_is_a_usage_error(words: tuple[str, ...], complaint: str) -> None:
    """Before anything is played."""
    result = explore(*words)

    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())


def test_the_command_offers_what_can_be_taken_out() -> None:
    """The names are written twice, because importing them takes time."""
    assert LACKS == REMOVABLE


@pytest.fixture
def mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The aggregator that is played sends no idempotency key."""

    def play_mutant(scenario: Scenario, *, seed: int) -> History:
        return play(scenario, seed=seed, factory=MUTANTS["no-idempotency-key"].factory)

    monkeypatch.setattr(search, "play", play_mutant)


def test_the_totals_are_printed_last() -> None:
    """A right aggregator breaks no rule."""
    result = explore("--runs", "2", "--seed", "5")

    assert result.exit_code == 0
    assert "2 random scenarios against fanin's own aggregator, seeds 5 to 6" in result.stderr
    assert result.stdout == "2 runs, seeds 5 to 6: 2 valid, 0 invalid, 0 unknown\n"


@pytest.mark.usefixtures("mutant")
def test_an_invalid_run_is_printed_with_its_shrunk_scenario_and_replay() -> None:
    """The scenario is YAML, indented."""
    result = explore("--variants-of", "slow-region", "--runs", "1", "--seed", "3")

    assert result.exit_code == 1
    assert "INVALID  slow-region  seed=3  7-notification: " in result.stdout
    assert "  smallest, after " in result.stdout
    assert "\n    scenario: notification-3\n" in result.stdout
    assert "  replay: fanin explore --variants-of slow-region --seed 3 --runs 1\n" in result.stdout
    assert result.stdout.endswith("1 runs, seeds 3 to 3: 0 valid, 1 invalid, 0 unknown\n")


@pytest.mark.usefixtures("mutant")
def test_a_shrunk_scenario_is_saved_and_can_be_played(tmp_path: Path) -> None:
    """The replay plays the file."""
    folder = tmp_path / "found"

    result = explore("--variants-of", "slow-region", "--runs", "1", "--seed", "3", "--save", str(folder))

    (path,) = folder.iterdir()
    assert f"  replay: fanin run {path}\n" in result.stdout
    assert load(path).scenario == path.stem == "notification-3"


@pytest.mark.usefixtures("mutant")
def test_only_some_runs_are_shrunk_for_each_rule() -> None:
    """Further ones are mostly the same bug."""
    result = explore("--variants-of", "slow-region", "--runs", str(SHRUNK_PER_RULE + 1), "--jobs", "1")

    assert result.stdout.count("  smallest, after ") == SHRUNK_PER_RULE
    assert result.stdout.count(f"  not shrunk: {SHRUNK_PER_RULE} that break this rule are. replay: ") == 1
