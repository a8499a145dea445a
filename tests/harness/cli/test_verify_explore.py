"""``fanin verify --explore``: what random search finds is part of the card."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli import verify_explore
from fanin.harness.cli.main import main
from fanin.simulator.language.load import load
from tests.paths import ROOT

APPS = str(ROOT / "tests/harness/world/foreign_apps")
APP = ("--app", "unmodified:create_app", "--app-dir", APPS, "--lacks", "process")


def verify(*words: str) -> Result:
    return CliRunner().invoke(main, ["verify", *APP, *words], prog_name="fanin")


@pytest.fixture(autouse=True)
def _few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast the machine is, the first seeds are enough."""
    monkeypatch.setattr(verify_explore, "_ENDLESS", 10)


def test_what_is_found_joins_the_card_as_scenarios(tmp_path: Path) -> None:
    """With a file that the next command plays, and a note of how much was searched."""
    result = verify("slow-region", "--explore", "60s", "--report", str(tmp_path))

    found = sorted((tmp_path / "found").iterdir())
    assert result.exit_code == 1
    assert "valid    slow-region" in result.stdout
    assert "note: 10 random scenarios in 1m: " in result.stdout
    assert found
    assert {load(path).scenario for path in found} == {path.stem for path in found}
    for path in found:
        assert f"invalid  {path.stem}" in result.stdout
        assert f"note: {path.stem}: found by random search (seed " in result.stdout
    assert "next: fanin verify --app unmodified:create_app" in result.stdout.splitlines()[-1]
    assert str(tmp_path / "found") in result.stdout.splitlines()[-1]
    assert "--explore" not in result.stdout.splitlines()[-1]


def test_without_a_report_the_scenarios_are_printed() -> None:
    """To be kept by who reads them."""
    result = verify("slow-region", "--explore", "60s")

    assert ".yaml:\n    scenario: " in result.stdout


def test_json_has_them_among_the_scenarios() -> None:
    """And nothing else is printed."""
    result = verify("slow-region", "--explore", "60s", "--format", "json")

    card = json.loads(result.stdout)
    assert card["exit_code"] == 1
    assert card["scenarios"][0]["scenario"] == "slow-region"
    assert any("found by random search" in note for it in card["scenarios"] for note in it["notes"])


def test_no_time_is_refused_before_anything_is_played() -> None:
    """As `fanin explore --for 0s` is."""
    result = verify("slow-region", "--explore", "0s")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "no time at all; write 60s or 10m" in result.stderr
    assert "against" not in result.stderr


def test_a_command_cannot_be_explored() -> None:
    """The error says what can be done instead."""
    result = CliRunner().invoke(main, ["verify", "--command", "node server.js", "--explore", "60s"])

    assert result.exit_code == 2
    assert "needs --app for that; to a command" in " ".join(result.stderr.split())
