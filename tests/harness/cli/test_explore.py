"""``fanin explore``, ``sweep``, ``interleave``, ``merge``: what they print of their runs, how they end."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli import explore_output
from fanin.harness.cli.explore import LACKS
from fanin.harness.cli.explore_output import SHOWN_PER_KIND
from fanin.harness.cli.main import main
from fanin.harness.explore import runs
from fanin.harness.explore.without_capabilities import REMOVABLE
from fanin.simulator.language.load import load

MUTANT = ("--bug", "no-idempotency-key")
VARIANTS = ("--variants-of", "slow-region")
BROKEN = (*MUTANT, *VARIANTS, "--runs", "1", "--seed", "3")


def fanin(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="fanin")


def explore(*words: str) -> Result:
    return fanin("explore", *words)


def test_runs_are_counted_by_their_verdict() -> None:
    """On our own aggregator none is invalid."""
    result = explore("--runs", "3", "--seed", "25")

    assert result.exit_code == 0
    assert "3 random scenarios against fanin's own aggregator, numbers 25 to 27" in result.stderr
    assert result.stdout == "3 runs, 25 to 27: 3 valid, 0 invalid, 0 unknown\n"


RAISES = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})
    else:
        raise KeyError("no setting of this name")
"""


def test_what_escaped_the_application_stands_under_the_finding(tmp_path: Path) -> None:
    """A server error alone says where to look as little as it does in production."""
    (tmp_path / "raises.py").write_text(RAISES, encoding="utf-8")

    result = explore("--app", "raises:app", "--app-dir", str(tmp_path), "--runs", "1", *VARIANTS)

    assert result.exit_code == 1
    assert "answered 500" in result.stdout
    finding, _, rest = result.stdout.partition("  raised in ")
    assert "  smallest, after " in finding
    assert "KeyError: 'no setting of this name'" in rest
    assert "    scenario: " in rest


def test_ctrl_c_reports_the_runs_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of searching are not thrown away."""
    exploring = runs.explore

    def interrupted(*arguments: Any, **options: Any) -> Iterator[Any]:
        found = exploring(*arguments, **options)
        yield next(found)
        yield next(found)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "explore", interrupted)

    result = explore("--runs", "5")

    assert result.exit_code == 130
    assert result.stdout.startswith("2 runs, 0 to 1: ")
    assert result.stderr.endswith("fanin: interrupted after 2 of 5 runs\n")


def test_ctrl_c_while_a_finding_is_made_smaller_keeps_the_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was found."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "shrink_run", interrupted)

    result = explore(*BROKEN)

    assert result.exit_code == 130
    assert result.stdout.startswith("INVALID  slow-region  seed=3  7-notification: ")
    assert "\n  replay: fanin explore " in result.stdout
    assert result.stdout.endswith("\n1 run, number 3: 0 valid, 1 invalid, 0 unknown\n")


def test_a_search_ends_with_its_time() -> None:
    """And is complete: the time was what was asked for."""
    result = explore("--for", "3s", "--jobs", "1", "--format", "json")

    end = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 0
    assert "random scenarios against fanin's own aggregator, from 0 on" in result.stderr
    assert end["complete"] is True
    assert end["runs"] == len(result.stdout.splitlines()) - 2


def test_when_the_time_is_over_nothing_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many findings each would take seconds; a finding is printed as it is, with its replay command."""
    monkeypatch.setattr(explore_output, "SHRUNK_AFTER_S", -3_600)

    result = explore(*BROKEN, "--for", "1m")

    assert result.exit_code == 1
    assert "smallest" not in result.stdout
    assert "\n  replay: fanin explore " in result.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--variants-of", "slow-regoin"), "slow-regoin: neither a built-in scenario nor a file"),
        (("--app", "nowhere_at_all:app"), "cannot import 'nowhere_at_all'"),
        (("--lacks", "wings"), "'wings' is not one of"),
        (("--runs", "1", "--save", "/dev/null/found"), "--save /dev/null/found: Not a directory"),
        (("--bug", "lost-updates"), "there is no bug 'lost-updates'; `fanin bug` lists them; did you mean"),
        (("--bug", "lost-update", "--app", "a:b"), "--app and --bug name two aggregators"),
        (("--shard", "3/2"), "'3/2' is no share; write 1/4 for the first of four"),
        (("--shard", "half"), "'half' is no share"),
        (("--for", "60"), "60"),
        (("--for", "0s"), "no time at all; write 60s or 10m"),
        (("--timeout-max", "0"), "no random timeout is shorter than 1s; write at least 1s"),
        (("--timeout-max", "999ms"), "no random timeout is shorter than 1s; write at least 1s"),
        (("--variants-of", "mine.yaml"), "Error: mine.yaml: there is no such file"),
        (("--variants-of", ""), "an empty name"),
        (("--variants-of", "zombie", "--variants-of", "zombie"), "'zombie' is named 2 times"),
        (("--seed", "1", "--seed", "2"), "--seed is given 2 times; it takes one value"),
        (("--app-dir", "."), "--app-dir is the folder of --app, which is not given"),
        (("--tolerance", "11s"), "--tolerance and --redelivery-grace are about --app, which is not given"),
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


def test_an_invalid_run_is_printed_with_its_shrunk_scenario_and_replay() -> None:
    """The scenario is YAML, indented."""
    result = explore(*BROKEN)

    assert result.exit_code == 1
    assert "INVALID  slow-region  seed=3  7-notification: " in result.stdout
    assert "  smallest, after " in result.stdout
    assert "\n    scenario: notification-3\n" in result.stdout
    assert (
        "  replay: fanin explore --variants-of slow-region --bug no-idempotency-key --seed 3 --runs 1\n"
    ) in result.stdout
    assert result.stdout.endswith("\n1 run, number 3: 0 valid, 1 invalid, 0 unknown\n")


def test_a_shrunk_scenario_is_saved_and_can_be_played(tmp_path: Path) -> None:
    """The replay plays the file."""
    folder = tmp_path / "found"

    result = explore(
        *MUTANT, "--variants-of", "slow-region", "--runs", "1", "--seed", "3", "--save", str(folder)
    )

    (path,) = folder.iterdir()
    command = f"fanin explore --bug no-idempotency-key --variants-of {path} --seed 0 --runs 1"
    assert f"  replay: {command}\n" in result.stdout
    assert load(path).scenario == path.stem == "notification-3"


def test_a_folder_that_takes_no_more_costs_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenario is printed instead, and the search goes on to its sum."""

    def full(_: Any, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("fanin.simulator.language.dump.dump", full)

    result = explore(*BROKEN, "--save", str(tmp_path / "found"))

    assert result.exit_code == 1
    assert ".yaml: No space left on device; it is not stored" in result.stderr
    assert "\n    scenario: " in result.stdout
    assert "\n  replay: fanin explore " in result.stdout
    assert result.stdout.splitlines()[-1] == "1 run, number 3: 0 valid, 1 invalid, 0 unknown"


def test_a_folder_that_cannot_be_written_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It exists, and the disk is full or it belongs to another user."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr(runs, "explore", lambda *_, **__: pytest.fail("it was played all the same"))

    result = explore("--runs", "1", "--save", str(tmp_path))

    assert result.exit_code == 2
    assert f"--save {tmp_path}: Permission denied; choose a folder" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("explore", "--runs", "6"), "they are dealt in blocks of 10; with 11 or more,"),
        (("explore", "--runs", "2", "--seed", "5"), "they are dealt in blocks of 10; with 6 or more,"),
        (("interleave", "photo-finish", "--orders", "3", "--schedules", "0"), "blocks of 8; with 9 or more,"),
    ],
)
def test_a_share_without_runs_says_why(words: tuple[str, ...], reason: str) -> None:
    """And how many would do."""
    result = fanin(*words, "--shard", "2/2")

    assert result.exit_code == 3
    assert "share 2 of 2 has no runs: " in result.stderr
    assert f"{reason} each of 2 shares has some\n" in result.stderr


def test_the_title_of_one_run_is_in_the_singular() -> None:
    """It is read more often than any other: every replay command prints it."""
    assert explore("--runs", "1").stderr.startswith(
        "1 random scenario against fanin's own aggregator, number 0\n"
    )
    assert explore(*VARIANTS, "--runs", "1").stderr.startswith("1 variant of slow-region against")
    assert fanin("sweep", "slow-region", "--only", "1").stderr.startswith("1 crash in slow-region against")


def test_the_description_of_a_finding_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command in it is not, so that it can be copied."""
    monkeypatch.setattr(runs, "_DESCRIPTION_WIDTH", 40)

    lines = explore(*BROKEN).stdout.splitlines()

    description = lines[lines.index("    description: |") + 1 :]
    command = next(
        n for n, line in enumerate(description) if line.startswith("      Found by: fanin explore ")
    )
    assert command > 1
    assert max(map(len, description[:command])) <= 46


def test_findings_of_one_kind_are_shrunk_once_and_counted() -> None:
    """Further ones are mostly the same bug."""
    result = explore(
        *MUTANT, "--variants-of", "slow-region", "--runs", str(SHOWN_PER_KIND + 2), "--jobs", "1"
    )

    assert result.stdout.count("  smallest, after ") == 1
    assert result.stdout.count("INVALID  ") == SHOWN_PER_KIND
    assert f"\n  invalid {SHOWN_PER_KIND + 2:>5}  7-notification: " in result.stdout


def test_json_is_one_object_a_line() -> None:
    """With what was asked for first, and the sum last."""
    result = explore(
        *MUTANT, "--variants-of", "slow-region", "--runs", "1", "--seed", "3", "--format", "json"
    )

    header, run, end = map(json.loads, result.stdout.splitlines())
    assert header == {
        "type": "exploration",
        "command": "fanin explore --variants-of slow-region --bug no-idempotency-key",
        "first": 3,
        "last": 3,
    }
    assert run["validity"] == "invalid"
    assert run["smallest"]["scenario"].startswith("scenario: notification-3\n")
    assert run["replay"].endswith("--seed 3 --runs 1")
    assert end == {"type": "end", "runs": 1, "valid": 0, "invalid": 1, "unknown": 0, "complete": True}


def test_shares_are_merged_to_what_one_search_finds(tmp_path: Path) -> None:
    """It does not matter which process played a run."""
    words = ("--runs", "30", "--timeout-max", "60s", "--format", "json")
    whole = explore(*words)
    for part in (1, 2):
        (tmp_path / f"{part}").write_text(explore(*words, "--shard", f"{part}/2").stdout, encoding="utf-8")

    merged = fanin("merge", str(tmp_path / "2"), str(tmp_path / "1"), "--format", "json")
    half = fanin("merge", str(tmp_path / "1"))

    assert merged.exit_code == 0
    assert merged.stdout == whole.stdout
    assert half.stderr == "runs 10 to 19 are in no file\n"
    assert half.stdout.startswith("20 runs, 0 to 29: ")


def test_a_merge_of_what_found_something_shows_its_smallest_scenario(tmp_path: Path) -> None:
    """As the search itself does."""
    path = tmp_path / "1"
    path.write_text(explore(*BROKEN, "--format", "json").stdout, encoding="utf-8")

    merged = fanin("merge", str(path))

    assert merged.exit_code == 1
    assert "\n    scenario: notification-3\n" in merged.stdout
    assert fanin("merge", __file__).exit_code == 2


def test_a_sweep_says_where_it_killed() -> None:
    """And its replay is that one step."""
    result = fanin("sweep", "crash-at-the-finish", "--bug", "timer-wins-replay")

    assert result.exit_code == 1
    assert "crashes in crash-at-the-finish against the bug timer-wins-replay" in result.stderr
    assert "is killed" in result.stdout.splitlines()[0]
    replay = next(line for line in result.stdout.splitlines() if line.startswith("  replay: "))
    again = fanin(*replay.removeprefix("  replay: fanin ").split())
    assert again.exit_code == 1
    assert again.stdout.splitlines()[0] == result.stdout.splitlines()[0]


def test_an_interleaving_says_how_many_orders_there_are() -> None:
    """All of them, or a sample."""
    whole = fanin("interleave", "photo-finish", "--orders", "3", "--schedules", "2")
    none = fanin("interleave", "slow-region", "--schedules", "2")

    assert whole.exit_code == none.exit_code == 0
    assert "9 simultaneous webhooks in 3 groups: a sample of 3 of 216 orders\n" in whole.stderr
    assert whole.stdout == "5 runs, 0 to 4: 5 valid, 0 invalid, 0 unknown\n"
    assert "nothing is simultaneous; --within says how close webhooks must be" in none.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("sweep", "slow-region", "--lacks", "process"), "--lacks process: a sweep kills the process"),
        (("sweep", "slow-region", "--only", "99"), "there are 11 steps, counted from 0"),
        (("sweep", "nowhere"), "nowhere: neither a built-in scenario nor a file"),
        (("interleave", "nowhere"), "nowhere: neither a built-in scenario nor a file"),
        (("interleave", "photo-finish", "--only", "300"), "there are 300 orders and schedules"),
        (("interleave", "slow-region", "--orders", "0", "--schedules", "0"), "there is nothing to play"),
        (("interleave", "photo-finish", "--only", "3", "--shard", "1/2"), "leave --shard out"),
        (("sweep", "slow-region", "--only", "3", "--shard", "1/2"), "leave --shard out"),
        (("sweep", "mine.yaml"), "Error: mine.yaml: there is no such file"),
    ],
)
def test_what_cannot_be_swept_or_interleaved_is_a_usage_error(words: tuple[str, ...], complaint: str) -> None:
    """In one sentence."""
    result = fanin(*words)

    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())
