"""The folder of a report: everything that a CI system keeps."""

import json
from collections.abc import Sequence
from pathlib import Path

from fanin.harness import history as histories
from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.report import folder, jsonform
from fanin.harness.results import Card, Judged, Skipped
from tests.harness.report.reported import LACKING, Outline, bad, good, moot, replay


def card(*played: History, skipped: Sequence[Skipped] = (), notes: tuple[str, ...] = ()) -> Card:
    return Card("theirs", [*(Judged(one, judge(one)) for one in played), *skipped], notes)


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_a_folder_holds_everything_about_its_runs(tmp_path: Path) -> None:
    """Pages, histories, and the two forms that programs read."""
    folder.write(tmp_path / "new" / "report", card(good(), bad(), skipped=[LACKING]), replay=replay)

    assert files(tmp_path / "new" / "report") == {
        "index.html", "junit.xml", "report.json", "runs/good.seed-0.html", "runs/bad.seed-0.html",
        "histories/good.seed-0.jsonl", "histories/bad.seed-0.jsonl",
    }  # fmt: skip


def test_a_stored_history_gets_the_same_verdict(tmp_path: Path) -> None:
    """A reader who doubts the report can judge its history again."""
    folder.write(tmp_path, card(bad()), replay=replay)

    stored = histories.load(tmp_path / "histories" / "bad.seed-0.jsonl")

    assert judge(stored) == judge(bad())


def test_the_index_of_a_single_run_is_its_page(tmp_path: Path) -> None:
    """A card of one run would be one click too many."""
    folder.write(tmp_path, card(bad()), replay=replay)

    index = (tmp_path / "index.html").read_bytes()

    assert index == (tmp_path / "runs" / "bad.seed-0.html").read_bytes()


def test_the_index_of_several_runs_leads_to_each(tmp_path: Path) -> None:
    """Every link of the card has its file."""
    folder.write(tmp_path, card(good(), bad(), moot(), skipped=[LACKING]), replay=replay)

    outline = Outline((tmp_path / "index.html").read_text(encoding="utf-8"))

    links = {link for link in outline.values("href") if link != "data:,"}
    assert outline.wrong == []
    assert links == {f"runs/{name}.seed-0.html" for name in ("good", "bad", "moot")}
    assert {"wrong-key", "needs function-keys"} <= set(outline.texts)


def test_runs_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    """Two files may hold scenarios of one name, and a foreign history any name at all."""
    runs = card(good("same"), bad("same"), good("same", seed=7), good("../../out/of here"))
    folder.write(tmp_path / "report", runs, replay=replay)

    pages = {path for path in files(tmp_path) if path.startswith("report/runs/")}
    assert pages == {
        "report/runs/same.seed-0.html", "report/runs/same.seed-0.2.html", "report/runs/same.seed-7.html",
        "report/runs/------out-of-here.seed-0.html",
    }  # fmt: skip
    assert all(path.startswith("report/") for path in files(tmp_path))


def test_the_json_says_what_each_run_prints_and_where_its_files_are(tmp_path: Path) -> None:
    """One form for programs, whether from the command line or from the folder."""
    folder.write(tmp_path, card(good(), bad(), skipped=[LACKING]), replay=replay)

    written = json.loads((tmp_path / "report.json").read_bytes())

    (_, wrong) = written["runs"]
    printed = json.loads(jsonform.encode(bad(), judge(bad()), replay=replay(bad())))
    assert written["exit_code"] == 1
    files_of = {"page": "runs/bad.seed-0.html", "history": "histories/bad.seed-0.jsonl"}
    assert written["skipped"] == [{"scenario": "wrong-key", "lacks": ["function-keys"], "why": ""}]
    broken = [it["rule"] for it in written["rules"] if it["status"] == "BROKEN"]
    assert broken == [wrong["findings"][0]["rule"]]
    assert wrong == printed | {"notes": [], "errors": []} | files_of
    assert all((tmp_path / wrong[file]).is_file() for file in ("page", "history"))


def test_the_same_runs_make_the_same_folder(tmp_path: Path) -> None:
    """No time stamp, no machine name: a report can be compared."""
    for name in ("one", "two"):
        folder.write(tmp_path / name, card(good(), bad(), moot(), skipped=[LACKING]), replay=replay)

    for file in files(tmp_path / "one"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_what_was_noticed_besides_is_on_the_card(tmp_path: Path) -> None:
    """A process that ended by itself, and notifications of no operation."""
    noticed = Card("theirs", [Judged(bad(), judge(bad()), ("it exited with 3",)), LACKING], ("two strays",))

    folder.write(tmp_path, noticed, replay=replay)

    page = Outline((tmp_path / "index.html").read_text(encoding="utf-8"))
    written = json.loads((tmp_path / "report.json").read_bytes())
    assert "Note: two strays" in page.texts
    assert any("it exited with 3" in text for text in page.texts)
    assert (written["notes"], written["runs"][0]["notes"]) == (["two strays"], ["it exited with 3"])
