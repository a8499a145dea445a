"""``--report``: the same folder from whichever command made the runs, and annotations in a CI."""

import json
import shlex
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli.main import main
from fanin.harness.world import play as world
from tests.harness.toy_aggregator import toy
from tests.paths import FOREIGN_APPS

VALID, INVALID, USAGE = 0, 1, 2
VERIFY = ("verify", "--app", "unmodified:create_app", "--app-dir", FOREIGN_APPS)


def fanin(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="fanin")


def suite_in(directory: Path) -> ET.Element:
    return ET.parse(directory / "junit.xml").getroot()  # noqa: S314 - we wrote it


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def nowhere_in_particular(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether these tests run in GitHub Actions themselves must not matter."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is played meets an aggregator that counts deliveries instead of regions."""
    monkeypatch.setattr(world, "play", partial(world.play, factory=toy("counts-deliveries")))


def test_one_run_leaves_its_page_and_all_else(tmp_path: Path) -> None:
    """Stdout is what it is without; where the page lies is said beside it."""
    plain = fanin("run", "slow-region")

    result = fanin("run", "slow-region", "--report", tmp_path / "new" / "report")

    assert (result.exit_code, result.stdout) == (VALID, plain.stdout)
    assert result.stderr == f"report: {tmp_path / 'new' / 'report' / 'index.html'}\n"
    assert files(tmp_path / "new" / "report") == {
        "index.html", "junit.xml", "report.json", "runs/slow-region.seed-0.html",
        "histories/slow-region.seed-0.jsonl",
    }  # fmt: skip


def test_several_runs_leave_every_page_also_of_those_that_went_well(tmp_path: Path) -> None:
    """Seeds and scenarios, made on several cores: each history is there, and can be judged again."""
    result = fanin("run", "slow-region", "photo-finish", "--seeds", "4", "--report", tmp_path)

    assert result.exit_code == VALID
    assert len([path for path in files(tmp_path) if path.startswith("runs/")]) == 8
    assert suite_in(tmp_path).get("tests") == "8"
    assert fanin("judge", tmp_path / "histories" / "photo-finish.seed-3.jsonl").exit_code == VALID


@pytest.mark.usefixtures("broken")
def test_a_run_that_went_wrong_is_a_failure_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JUnit, JSON, and an annotation where GitHub's runner reads them; stdout stays one object a line."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    result = fanin("run", "duplicate-not-quorum", "slow-region", "--format", "json", "--report", tmp_path)

    wrong = [json.loads(line)["scenario"] for line in result.stdout.splitlines() if '"invalid"' in line]
    suite = suite_in(tmp_path)
    assert result.exit_code == INVALID
    assert wrong == ["duplicate-not-quorum"]
    assert suite.get("failures") == "1"
    assert json.loads((tmp_path / "report.json").read_bytes())["exit_code"] == INVALID
    annotation, where = result.stderr.splitlines()
    assert annotation.startswith("::error title=duplicate-not-quorum (seed 0)::")
    assert annotation.endswith("%0Areplay: fanin run duplicate-not-quorum --seed 0")
    assert where.startswith("report: ")


def test_a_target_of_ones_own_gets_the_same_report_and_what_was_skipped(tmp_path: Path) -> None:
    """The card, with the missing capability in JUnit, and a command for each run that plays it again."""
    names = ("slow-region", "wrong-key", "duplicate-after-done")

    result = fanin(*VERIFY, *names, "--lacks", "function-keys", "--seed", "3", "--report", tmp_path)

    said = json.loads((tmp_path / "report.json").read_bytes())
    suite = suite_in(tmp_path)
    assert result.exit_code == said["exit_code"] == VALID
    assert said["target"] == "unmodified:create_app"
    assert said["skipped"] == [{"scenario": "wrong-key", "lacks": ["function-keys"], "why": ""}]
    assert [case.get("message") for case in suite.iter("skipped")] == ["needs function-keys"]
    assert said["runs"][0]["replay"] == (
        f"fanin verify --app unmodified:create_app --app-dir {shlex.quote(str(FOREIGN_APPS))}"
        " --lacks function-keys --seed 3 slow-region"
    )


def test_the_command_in_a_report_makes_the_run_again(tmp_path: Path) -> None:
    """Word by word."""
    fanin(*VERIFY, "slow-region", "dropped-region", "--seed", "3", "--report", tmp_path / "first")
    first = json.loads((tmp_path / "first" / "report.json").read_bytes())["runs"][1]

    fanin(*shlex.split(first["replay"])[1:], "--report", tmp_path / "again")

    (again,) = json.loads((tmp_path / "again" / "report.json").read_bytes())["runs"]
    assert again["trace"] == first["trace"]


def test_a_wrong_target_is_annotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It forgets everything in a crash, and GitHub shows it beside the build."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    result = fanin(*VERIFY, "crash-after-ack", "--report", tmp_path)

    assert result.exit_code == INVALID
    assert "::error title=crash-after-ack (seed 0)::" in result.stderr


@pytest.mark.parametrize("command", [("run", "slow-region"), (*VERIFY, "slow-region")])
def test_a_folder_that_cannot_be_is_told_before_anything_is_played(
    command: tuple[str | Path, ...], tmp_path: Path
) -> None:
    """The error comes at once, not after minutes of playing."""
    taken = tmp_path / "file"
    taken.write_text("", encoding="utf-8")

    result = fanin(*command, "--report", taken)

    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert f"--report {taken}: File exists; choose a folder that can be written" in result.stderr
