"""``fanin bug`` and ``fanin matrix``: how they end that were not asked for something possible."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.explore import zoo
from fanin.harness.explore.zoo import Row, stored_rows
from fanin.harness.mutants import matrix
from fanin.harness.mutants.matrix import Matrix
from fanin.harness.mutants.page import page
from fanin.harness.mutants.registry import MUTANTS
from fanin.harness.parallel import WorkerKilledError
from fanin.harness.verdict import Rule
from tests.harness.mutants.matrices import matrix as by_hand


def test_the_number_of_processes_reaches_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--jobs``, or one per core."""
    asked: list[int | None] = []

    def compute(_advance: object, *, jobs: int | None, **_: object) -> Any:
        asked.append(jobs)
        raise WorkerKilledError("a process was killed")

    monkeypatch.setattr(matrix, "compute", compute)

    results = [CliRunner().invoke(main, ["matrix", *words]) for words in (["--jobs", "3"], [])]

    assert asked == [3, None]
    assert {(it.exit_code, it.stderr) for it in results} == {(2, "Error: a process was killed\n")}


def test_a_share_is_compared_with_the_page_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a page to compare with, a share would say of the other mutants that they survive."""
    stored = tmp_path / "page.md"
    stored.write_text(page(by_hand(survivor="lost-update")), encoding="utf-8")
    asked: list[tuple[int, int]] = []

    def compute(_advance: object, *, shard: tuple[int, int], **_: object) -> Matrix:
        asked.append(shard)
        return by_hand()

    monkeypatch.setattr(matrix, "compute", compute)

    result = CliRunner().invoke(main, ["matrix", "--check", str(stored), "--shard", "3/8"])
    alone = CliRunner().invoke(main, ["matrix", "--shard", "3/8"])

    assert asked == [(3, 8)]
    assert (result.exit_code, result.stderr.splitlines()) == (
        1,
        [
            f"{stored} is out of date; `make docs` writes it again",
            "lost-update in slow-region: · on the page, x when played",
        ],
    )
    assert alone.exit_code == 2
    assert "--shard needs --check" in alone.stderr


def test_ctrl_c_prints_no_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with gaps would accuse mutants of surviving."""

    def compute(_advance: object, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(matrix, "compute", compute)

    result = CliRunner().invoke(main, ["matrix"])

    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "fanin: interrupted\n")


def test_a_report_of_a_bug_has_both_runs_side_by_side(tmp_path: Path) -> None:
    """The wrong run and the right one, each with its own page, and one page with both."""
    result = CliRunner().invoke(main, ["bug", "counts-deliveries", "-q", "--report", str(tmp_path)])

    assert result.exit_code == 0
    assert f"side by side: {tmp_path / 'bug.html'}" in result.stderr
    page = (tmp_path / "bug.html").read_text(encoding="utf-8")
    assert page.count("<iframe ") == 2
    assert "With the bug counts-deliveries" in page
    runs = json.loads((tmp_path / "report.json").read_bytes())["runs"]
    assert [run["verdict"] for run in runs] == ["invalid", "valid"]
    assert [run["replay"] for run in runs] == [
        "fanin bug counts-deliveries --seed 0",
        "fanin run duplicate-not-quorum --seed 0",
    ]


@pytest.mark.parametrize("words", [["--report", "page"], ["--seed", "0"], ["--quiet"]])
def test_what_is_about_one_bug_needs_its_name(words: list[str]) -> None:
    """The list of bugs has no seed, no verdict and no page."""
    result = CliRunner().invoke(main, ["bug", *words])

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{words[0]} needs the name of a bug" in result.stderr


def test_a_report_needs_a_folder(tmp_path: Path) -> None:
    """In one sentence, before anything is played."""
    (tmp_path / "file").touch()

    no_folder = CliRunner().invoke(main, ["bug", "counts-deliveries", "--report", str(tmp_path / "file")])

    assert no_folder.exit_code == 2
    assert "choose a folder that can be written" in no_folder.stderr


def test_the_matrix_says_how_soon_random_search_finds_each_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """As text, or as a page; a bug that is not found, without a reason, is a failure."""
    found = [Row("lost-update", 10, Rule.NOTIFICATION, 4), Row("stale-reaper", None)]
    monkeypatch.setattr(zoo, "rows", lambda _runs, _bugs, *, jobs: iter(found))  # noqa: ARG005 - as the real one

    text = CliRunner().invoke(main, ["matrix", "--search", "1000"])
    markdown = CliRunner().invoke(main, ["matrix", "--search", "1000", "--format", "markdown"])
    both = CliRunner().invoke(main, ["matrix", "--search", "1", "--check", __file__])

    assert text.exit_code == markdown.exit_code == 1
    assert text.stdout.splitlines()[0].split() == [
        "lost-update",
        "10",
        "runs",
        "4",
        "lines",
        "7-notification",
    ]
    assert markdown.stdout.startswith("# What random search finds of the bug zoo\n")
    assert both.exit_code == 2


def test_an_interrupted_search_goes_on_with_the_page_that_it_updates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The page is written after each bug, and the next search leaves out those that it has."""
    path = tmp_path / "explored-bugs.md"
    searched: list[list[str]] = []

    def rows(_runs: int, bugs: list[str], *, jobs: int | None) -> Any:  # noqa: ARG001 - as the real one
        searched.append(bugs)
        yield Row(bugs[0], 10, Rule.NOTIFICATION, 4)
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo, "rows", rows)
    update = ["matrix", "--search", "1000", "--update", str(path)]

    first, second = (CliRunner().invoke(main, update) for _ in range(2))

    assert (first.exit_code, second.exit_code) == (130, 130)
    assert searched == [list(MUTANTS), list(MUTANTS)[1:]]
    assert [row.bug for row in stored_rows(path.read_text(encoding="utf-8"), 1000)] == list(MUTANTS)[:2]


def test_a_page_that_cannot_be_updated_is_refused(tmp_path: Path) -> None:
    """Before anything is searched for."""
    other = tmp_path / "other.md"
    other.write_text("# Something else\n", encoding="utf-8")

    results = [
        CliRunner().invoke(main, ["matrix", *words])
        for words in (["--search", "9", "--update", str(other)], ["--update", str(other)])
    ]

    assert [it.exit_code for it in results] == [2, 2]
    assert "other.md: it is not a page of `fanin matrix --search`; name another file" in results[0].stderr
    assert "--update needs --search, with the number of runs" in results[1].stderr
