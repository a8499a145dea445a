"""``fanin explore``: what it prints of its runs, and how it ends."""

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli.explore import LACKS
from fanin.harness.cli.main import main
from fanin.harness.explore import search
from fanin.harness.explore.without_capabilities import REMOVABLE


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
