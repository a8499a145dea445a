"""Clicks as changes of YAML: a fault is written, nothing else moves."""

import difflib

import pytest

from fanin.harness.demo.edit import AddFault, EditError, RemoveFault, SetTimeout, changed
from fanin.simulator.language.load import loads
from fanin.simulator.pack import find, names

TEXT = """\
# What it is for.
scenario: mine
title: "Two regions"  # quoted
regions: [east, "West Europe"]
operations:
  # why
  - image: team/app
    reaches: {east: 0s, West Europe: 5s}
expect:
  - {operation: op1, outcome: completed}
"""
DROP = AddFault({"fault": "drop", "region": "West Europe", "operation": "op1"})


def test_a_fault_is_one_line_and_the_rest_stays() -> None:
    """Comments, quotes and flow style survive; what was expected of the world before is gone."""
    text = changed(TEXT, DROP)

    lines = [it for it in difflib.ndiff(TEXT.splitlines(), text.splitlines()) if it[0] in "+-"]
    assert lines == [
        "- expect:",
        "-   - {operation: op1, outcome: completed}",
        "+ faults:",
        '+   - {fault: drop, region: "West Europe", operation: op1}',
    ]
    assert len(loads(text).faults) == 1


def test_a_fault_that_is_removed_leaves_no_empty_list() -> None:
    """The text is as if it had never been there."""
    before = changed(TEXT, SetTimeout("1m"))

    assert changed(changed(before, DROP), RemoveFault(0)) == before


def test_a_region_that_yaml_would_take_for_a_truth_is_quoted() -> None:
    """``no`` is a region's name, and False in YAML 1.1."""
    text = changed(
        TEXT.replace("east,", '"no",').replace("east:", '"no":'), AddFault({"fault": "drop", "region": "no"})
    )

    assert 'region: "no"' in text
    assert loads(text).faults[0].named_regions == ("no",)


def test_a_list_that_is_not_indented_stays_so() -> None:
    """The author's way of writing lists is kept."""
    text = "scenario: a\ntitle: A\noperations:\n- image: b\n"

    assert changed(text, AddFault({"fault": "drop"})) == text + "faults:\n- {fault: drop}\n"


@pytest.mark.parametrize("name", names())
def test_every_scenario_of_the_pack_can_be_changed(name: str) -> None:
    """Nothing but the timeout, and what was stated, differs; and it still loads."""
    text = find(name).read_text(encoding="utf-8")

    result = changed(text, SetTimeout("61s"))

    added = [it[2:] for it in difflib.ndiff(text.splitlines(), result.splitlines()) if it.startswith("+")]
    assert added == ["timeout: 61s"]
    assert loads(result).timeout == 61_000


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        ("a: [", DROP, "has an error"),
        ("[" * 2_000, DROP, "has an error"),
        ("a: 2000-99-99\n", DROP, "has an error"),
        ("a: !!int x\n", DROP, "has an error"),
        ("- a\n", DROP, "no mapping"),
        (TEXT, RemoveFault(3), "there is no fault 3; there are 0"),
        (TEXT + "faults: none\n", DROP, "'faults' is no list"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(
    text: str, change: AddFault | RemoveFault, message: str
) -> None:
    """One sentence, never a traceback."""
    with pytest.raises(EditError, match=message):
        changed(text, change)
