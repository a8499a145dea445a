"""``fanin run``: what it prints, where, and what it exits with."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli.main import main
from fanin.harness.history import History
from fanin.harness.world import play as world
from tests.harness.toy_aggregator import toy

VALID, INVALID, USAGE, UNKNOWN = 0, 1, 2, 3


def fanin(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="fanin")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is played meets an aggregator that counts deliveries instead of regions."""
    monkeypatch.setattr(world, "play", partial(world.play, factory=toy("counts-deliveries")))


def test_a_valid_run_prints_its_timeline_and_its_verdict_and_exits_0() -> None:
    """A new user runs this command first."""
    result = fanin("run", "slow-region")

    assert result.exit_code == VALID
    assert result.stdout.startswith("slow-region: ")
    assert "3 of 3: all" in result.stdout
    assert "\nVALID  slow-region" in result.stdout
    assert result.stderr == ""


@pytest.mark.usefixtures("broken")
def test_an_invalid_run_ends_in_its_replay_command_and_exits_1() -> None:
    """A failing run leaves behind what is needed to see it again."""
    result = fanin("run", "duplicate-not-quorum", "--seed", "7")

    assert result.exit_code == INVALID
    assert "INVALID  duplicate-not-quorum" in result.stdout
    assert result.stdout.endswith("  replay: fanin run duplicate-not-quorum --seed 7\n")


def test_an_unknown_run_exits_3_although_its_scenario_states_it() -> None:
    """One run exits with its verdict; 2 is a usage error."""
    result = fanin("run", "nothing-happened")

    assert result.exit_code == UNKNOWN
    assert "UNKNOWN  nothing-happened" in result.stdout


def test_quiet_prints_the_verdict_alone() -> None:
    """For scripts."""
    result = fanin("run", "slow-region", "--quiet")

    assert result.stdout.startswith("VALID  slow-region")


def test_json_is_one_object_with_stable_keys() -> None:
    """Programs rely on the keys."""
    result = fanin("run", "slow-region", "--seed", "7", "--format", "json")

    found = json.loads(result.stdout)
    assert list(found) == [
        "scenario", "seed", "verdict", "stated", "target", "time", "version", "trace", "findings", "doubts",
        "notes", "judgements", "replay",
    ]  # fmt: skip
    assert (found["scenario"], found["seed"], found["verdict"]) == ("slow-region", 7, "valid")
    assert found["judgements"][0]["outcome"] == "completed"


@pytest.mark.usefixtures("broken")
def test_json_holds_the_deciding_records_of_a_finding() -> None:
    """An index alone would need the history beside it."""
    result = fanin("run", "duplicate-not-quorum", "--format", "json")

    finding = json.loads(result.stdout)["findings"][0]
    assert result.exit_code == INVALID
    assert {"index", "type", "at"} <= set(finding["evidence"][0])


def test_another_seed_is_another_run() -> None:
    """The seed is not decoration."""
    traces = {
        json.loads(fanin("run", "duplicate-not-quorum", "--seed", seed, "--format", "json").stdout)["trace"]
        for seed in "12"
    }

    assert len(traces) == 2


def test_a_file_is_played_like_a_name(tmp_path: Path) -> None:
    """A user's file may hold whatever the pack's files hold."""
    file = tmp_path / "my-own.yaml"
    file.write_text(
        "scenario: my-own\ntitle: Mine\noperations:\n  - reaches: {eastus: never}\n", encoding="utf-8"
    )

    result = fanin("run", file, "--quiet")

    assert result.exit_code == VALID
    assert result.stdout.startswith("VALID  my-own")


def test_several_runs_print_one_line_each_in_order_and_a_summary() -> None:
    """Of many runs, the reader sees which one differs."""
    result = fanin("run", "slow-region", "nothing-happened", "dropped-region")

    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        ["VALID", "slow-region"], ["UNKNOWN", "nothing-happened"], ["VALID", "dropped-region"],
    ]  # fmt: skip
    assert lines[-1] == "3 runs, each with the verdict that its scenario states"
    assert result.exit_code == VALID  # unknown is what it states


@pytest.mark.usefixtures("broken")
def test_of_several_those_that_went_wrong_are_explained_and_decide_the_exit_code() -> None:
    """A summary that hides the reason would cost a second run."""
    result = fanin("run", "slow-region", "duplicate-not-quorum")

    assert result.exit_code == INVALID
    assert "must be valid" in result.stdout
    assert "\nINVALID  duplicate-not-quorum" in result.stdout
    assert "\nVALID  slow-region  target" not in result.stdout
    assert result.stdout.splitlines()[-1] == "2 runs, 1 with another verdict than the scenario states"


def test_a_run_that_proves_nothing_where_it_should_exits_3(tmp_path: Path) -> None:
    """Unknown is no pass."""
    file = tmp_path / "empty-world.yaml"
    text = "scenario: empty-world\ntitle: Lost\noperations: [{}]\nfaults: [{fault: lose-request}]\n"
    file.write_text(text, encoding="utf-8")

    assert fanin("run", file, "slow-region").exit_code == UNKNOWN


def test_a_scenario_that_states_a_defect_and_is_found_valid_has_failed(tmp_path: Path) -> None:
    """Otherwise the judge could go blind unnoticed."""
    file = tmp_path / "must-break.yaml"
    file.write_text(
        "scenario: must-break\ntitle: Breaks\noperations: [{}]\nverdict: invalid\n", encoding="utf-8"
    )

    assert fanin("run", file, "slow-region").exit_code == INVALID


def test_seeds_count_up_from_the_seed() -> None:
    """Races hide behind seeds."""
    result = fanin("run", "slow-region", "--seed", "5", "--seeds", "3", "--format", "json")

    assert [json.loads(line)["seed"] for line in result.stdout.splitlines()] == [5, 6, 7]


def test_runs_side_by_side_give_what_runs_one_by_one_give() -> None:
    """Another process, another hash seed, another order of finishing: same traces, same order."""
    together = fanin(
        "run", "original-simple", "slow-region", "--seeds", "5", "--format", "json"
    ).stdout.splitlines()
    alone = [
        fanin("run", name, "--seed", seed, "--format", "json").stdout.strip()
        for name in ("original-simple", "slow-region")
        for seed in "01234"
    ]

    assert together == alone


def test_a_history_is_json_lines(tmp_path: Path) -> None:
    """Header first, end last, so that any tool can read it."""
    file = tmp_path / "run.jsonl"

    fanin("run", "slow-region", "--history", file)

    kinds = [json.loads(line)["type"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert (kinds[0], kinds[-1]) == ("run", "end")


def test_several_histories_go_into_a_folder(tmp_path: Path) -> None:
    """One file each, named after scenario and seed."""
    fanin("run", "slow-region", "dropped-region", "--seeds", "2", "--history", tmp_path / "runs")

    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "dropped-region.seed-0.jsonl", "dropped-region.seed-1.jsonl",
        "slow-region.seed-0.jsonl", "slow-region.seed-1.jsonl",
    ]  # fmt: skip


def test_histories_of_scenarios_with_one_name_would_overwrite_each_other(tmp_path: Path) -> None:
    """The command refuses such scenarios before it plays one of them."""
    files = [tmp_path / folder / "mine.yaml" for folder in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_text("scenario: mine\ntitle: Mine\noperations: [{}]\n", encoding="utf-8")

    result = fanin("run", *files, "--history", tmp_path / "runs")

    assert result.exit_code == USAGE
    assert "have one name" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_misspelt_scenario_is_answered_with_the_nearest_name() -> None:
    """And with no traceback, and nothing on stdout."""
    result = fanin("run", "slow-regoin")

    assert result.exit_code == USAGE
    assert "did you mean 'slow-region'?" in result.stderr
    assert result.stdout == ""


def test_a_mistake_in_a_scenario_is_named_by_file_line_and_column(tmp_path: Path) -> None:
    """Before anything is played."""
    file = tmp_path / "bad.yaml"
    file.write_text("scenario: bad\ntitle: Bad\ntimeuot: 3s\n", encoding="utf-8")

    result = fanin("run", file)

    assert result.exit_code == USAGE
    assert f"{file}:3:1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "name scenarios or files, or say --all"),
        (("slow-region", "--all"), "--all plays the whole pack, and 'slow-region' is named as well"),
        (("slow-region", "slow-region"), "'slow-region' is named 2 times; --seeds plays it several times"),
        (("slow-region", "--history", "-"), "--history -: stdout has the report; name a file"),
        (("slow-region", "--history", "a", "--history", "b"), "--history is given 2 times; it takes one"),
        (("slow-region", "--seeds", f"{10**20}"), "is not in the range 1<=x<=1000000"),
        (("",), "an empty name; `fanin scenarios` lists the built-in scenarios"),
        (("slow-region", "--seed", "-1"), "--seed"),
        (("slow-region", "--seeds", "0"), "--seeds"),
        (("slow-region", "--format", "xml"), "'xml' is not one of 'text', 'json'"),
        (("/",), "/"),
    ],
)
def test_what_run_cannot_do_is_a_usage_error(arguments: tuple[str, ...], complaint: str) -> None:
    """2, and the message says what would have been accepted."""
    result = fanin("run", *arguments)

    assert result.exit_code == USAGE
    assert complaint in result.stderr


def test_a_history_that_cannot_be_written_is_complained_about_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after minutes."""
    monkeypatch.setattr(world, "play", lambda *_, **__: pytest.fail("it was played all the same"))

    missing = fanin("run", "slow-region", "--history", tmp_path / "none" / "run.jsonl")
    folder = fanin("run", "slow-region", "--history", tmp_path)

    assert (missing.exit_code, folder.exit_code) == (USAGE, USAGE)
    assert "No such file or directory" in missing.stderr
    assert "Is a directory; one run needs a file" in folder.stderr


def test_several_histories_need_a_folder(tmp_path: Path) -> None:
    """One file cannot hold two."""
    file = tmp_path / "taken"
    file.touch()

    result = fanin("run", "slow-region", "dropped-region", "--history", file)

    assert result.exit_code == USAGE
    assert "several runs need a folder" in result.stderr


def test_runs_before_an_interrupt_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Minutes of work are not thrown away: a summary, and the folder."""
    playing, runs = world.play, iter(range(3))

    def play(*arguments: Any, **options: Any) -> History:
        if next(runs) == 2:
            raise KeyboardInterrupt
        return playing(*arguments, **options)

    monkeypatch.setattr(world, "play", play)

    result = fanin("run", "slow-region", "dropped-region", "one-region", "--report", tmp_path)

    assert result.exit_code == 130
    assert result.stdout.splitlines()[-1] == "2 runs, each with the verdict that its scenario states"
    assert result.stderr.splitlines()[-1] == "fanin: interrupted after 2 of 3 runs"
    assert len(json.loads((tmp_path / "report.json").read_bytes())["runs"]) == 2


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_number_of_processes_changes_nothing(jobs: str) -> None:
    """One on a laptop that does something else, or as many as one likes."""
    names = ("slow-region", "dropped-region", "nothing-happened")

    result = fanin("run", *names, "--jobs", jobs, "--format", "json")

    assert [json.loads(line)["scenario"] for line in result.stdout.splitlines()] == list(names)
    assert {json.loads(line)["trace"] for line in result.stdout.splitlines()} == {
        json.loads(fanin("run", name, "--format", "json").stdout)["trace"] for name in names
    }


def test_run_skips_by_name_and_says_how_to_play_it_all_the_same() -> None:
    """Nothing was judged, so the exit code is that of unknown."""
    result = fanin("run", "zombie")

    assert result.exit_code == 3
    assert result.stdout.startswith("SKIPPED  zombie")
    assert "it needs replicas, which is beyond the contract; --capability replicas plays it" in result.stdout


def test_run_plays_what_is_left() -> None:
    """A skipped scenario is neither right nor wrong."""
    result = fanin("run", "zombie", "slow-region", "late-region")

    assert result.exit_code == 0
    assert result.stdout.startswith("SKIPPED  zombie")
    assert "2 runs, each with the verdict that its scenario states" in result.stdout


def test_run_skips_in_json_too() -> None:
    """One object a line."""
    result = fanin("run", "envelopes", "--format", "json")

    assert (result.exit_code, json.loads(result.stdout)) == (
        3,
        {"scenario": "envelopes", "skipped": ["envelopes"]},
    )


def test_run_plays_what_is_declared_and_our_own_aggregator_does_not_have_it() -> None:
    """A second process on its data is refused, and the verdict says so."""
    result = fanin("run", "zombie", "--capability", "replicas", "--quiet")
    single = fanin("run", "zombie", "--capability", "replicas", "--format", "json")

    assert result.exit_code == 1
    assert "replica 2 did not start" in result.stdout
    assert "is in use by another process" in result.stdout
    assert json.loads(single.stdout)["replay"] == "fanin run zombie --capability replicas --seed 0"


def test_a_misspelt_capability_names_the_nearest() -> None:
    """And all that there are."""
    result = fanin("run", "zombie", "--capability", "replica")

    assert result.exit_code == 2
    assert (
        "'replica' is no capability here; there are replicas, stepping-clock, envelopes, signatures, "
        "filters, completed-late, event-grid" in result.stderr
    )
    assert "did you mean 'replicas'?" in result.stderr
