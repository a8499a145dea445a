"""The matrix of engines: what their cards say, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fanin.harness.verify.engine_page import BEGIN, END, main, table, with_table


def played(scenario: str, verdict: str = "valid", *, as_stated: bool = True) -> dict[str, Any]:
    return {
        "scenario": scenario, "verdict": verdict, "as_stated": as_stated,
        "doubts": ["nothing happened"] if verdict == "unknown" else [],
        "findings": [{"message": "op1 was reported twice"}] if verdict == "invalid" else [],
    }  # fmt: skip


def skipped(scenario: str, *lacks: str) -> dict[str, Any]:
    return {"scenario": scenario, "verdict": "skipped", "lacks": list(lacks), "why": ""}


CARDS = {
    "one": {
        "scenarios": [played("storm"), played("nothing-happened", "unknown"), skipped("pair", "replicas")]
    },
    "two": {"scenarios": [played("storm", "invalid", as_stated=False), played("pair")]},
}


def test_every_scenario_is_a_row_and_every_engine_a_column() -> None:
    """A verdict that is not the stated one is bold, and its reason stands below the table."""
    assert table(CARDS) == [
        "| scenario | one | two |",
        "|---|---|---|",
        "| *of 3* | 1 valid, 1 unknown as stated, 1 skipped | 1 invalid, 1 valid |",
        "| `storm` | valid | **invalid** |",
        "| `nothing-happened` | unknown as stated | not played |",
        "| `pair` | skipped: replicas | valid |",
        "\ntwo, `storm`: op1 was reported twice",
    ]


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    """The page around the table is written by people, and writing twice changes nothing."""
    page, card = tmp_path / "engines.md", tmp_path / "one.json"
    page.write_text(f"# Engines\n\n{BEGIN}\nold\n{END}\n\nMore.\n")
    card.write_text(json.dumps(CARDS["one"]))

    first = CliRunner().invoke(main, [str(page), f"one={card}"])
    once = page.read_text()
    CliRunner().invoke(main, [str(page), f"one={card}"])

    assert first.exit_code == 0, first.output
    assert once.startswith(f"# Engines\n\n{BEGIN}\n\n| scenario | one |")
    assert once.endswith(f"\n{END}\n\nMore.\n")
    assert "old" not in once
    assert page.read_text() == once


def test_a_page_without_marks_is_left_alone() -> None:
    """It would be overwritten whole."""
    with pytest.raises(ValueError, match="needs a line"):
        with_table("# Engines\n", table(CARDS))


def test_a_card_that_is_none_is_named(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    page = tmp_path / "engines.md"
    page.write_text(f"{BEGIN}\n{END}\n")

    result = CliRunner().invoke(main, [str(page), "one=missing.json"])

    assert result.exit_code == 2
    assert "one=missing.json: not NAME=FILE" in result.output
