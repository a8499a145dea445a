"""Lines of text: widths, what others wrote, and streams that cannot hold every character."""

import ast
import unicodedata
from pathlib import Path

import click
import pytest

import fanin.harness
from fanin.harness.explore.odd_names import ID_FAMILIES
from fanin.harness.report.line import (
    Tone,
    clean,
    encodable,
    in_columns,
    line,
    listed,
    paint,
    plain,
    shorten,
    wrap,
)

PACKAGE = Path(fanin.harness.__file__).resolve().parent
# Names for random scenarios, and the sign for what is not printable: both meant to be odd.
FOREIGN = {*"Ωμέγα", "\N{REPLACEMENT CHARACTER}", *"".join(name for family in ID_FAMILIES for name in family)}


def own_signs() -> dict[str, str]:
    """Every character outside ASCII in the harness's strings and templates, and a file that has it."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                found |= {sign: path.name for sign in node.value if not sign.isascii()}
    for path in sorted(PACKAGE.rglob("*.j2")):
        found |= {sign: path.name for sign in path.read_text(encoding="utf-8") if not sign.isascii()}
    return {sign: name for sign, name in found.items() if sign not in FOREIGN}


def test_no_sign_of_our_own_is_taken_for_what_may_do_harm() -> None:
    """A no-break space between a number and its noun once came out as U+FFFD."""
    signs = own_signs()

    assert {"…", "→", "●", "\N{EN DASH}", "\N{NO-BREAK SPACE}"} <= signs.keys()
    assert {sign: name for sign, name in signs.items() if clean(sign) != sign} == {}


def test_every_sign_of_our_own_has_a_stand_in_of_its_width() -> None:
    """A terminal that knows ASCII alone keeps its columns, and shows no question marks."""
    shown = {sign: encodable(sign, "ascii") for sign in own_signs()}

    assert {sign: ascii_ for sign, ascii_ in shown.items() if ascii_ == "?" or len(ascii_) != 1} == {}


@pytest.mark.parametrize("category", ["Cc", "Cf", "Cs", "Zl", "Zp", "Cn"])
def test_what_shows_nothing_and_may_steer_is_replaced(category: str) -> None:
    """Controls, marks that turn the direction of writing, separators, surrogates, unassigned characters."""
    characters = [chr(code) for code in range(0x11000) if unicodedata.category(chr(code)) == category]

    assert {clean(character) for character in characters} == {"\N{REPLACEMENT CHARACTER}"}
    assert clean("a\x1bb") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    "text", ["40\N{NO-BREAK SPACE}completed", "größer", "日本", "→ 202", "a\N{EN SPACE}b"]
)
def test_what_can_be_read_stays(text: str) -> None:
    """Spaces of any width are spaces to their reader."""
    assert clean(text) == text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp1252", "utf-8", "no-such-encoding"])
def test_a_painted_text_can_be_written_to_its_stream(encoding: str) -> None:
    """Characters that the stream can hold stay; the others lose their looks, not their place."""
    text = "größer │ ● → 40\N{NO-BREAK SPACE}日"

    shown = paint([line(text, Tone.GOOD)], colour=False, encoding=encoding)

    assert len(shown) == len(text)
    if encoding != "no-such-encoding":
        shown.encode(encoding)
    assert shown.startswith("größer" if encoding not in ("ascii", "no-such-encoding") else "gr??er")
    assert (shown == text) is (encoding == "utf-8")


def test_colours_change_nothing_but_colours() -> None:
    """Trailing space goes, in colour as without."""
    rows = [(("a", Tone.GOOD), (" b ", Tone.BAD), ("  ", Tone.PLAIN)), line("c", Tone.PLAIN)]

    coloured = paint(rows, colour=True)

    assert "\x1b[" in coloured
    assert click.unstyle(coloured) == paint(rows, colour=False) == "a b\nc"
    assert plain(rows[0]) == "a b"


def test_a_word_that_is_too_long_is_cut_and_no_other() -> None:
    """A cell is as wide as it is."""
    assert wrap("deadline: northeurope missing", 9) == ["deadline:", "northeuro", "pe", "missing"]
    assert wrap("not-an-object was refused", 10) == ["not-an-", "object", "was", "refused"]
    assert wrap("", 9, indent="  ") == ["  "]


def test_long_texts_and_lists_say_that_they_go_on() -> None:
    """With an ellipsis, and with a number."""
    assert [shorten("abcdef", width) for width in (6, 4, 0)] == ["abcdef", "abc…", "…"]
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcdefgh"), 6) == "a, b, c, d, e, f and 2 more"


def test_columns_are_as_wide_as_the_longest_name_and_sentences_go_on_below_themselves() -> None:
    """Nothing is cut, however narrow it is."""
    rows = [("a", "one two three four five six"), ("longer", "seven")]

    assert [plain(row) for row in in_columns(rows, width=32)] == [
        "a       one two three four five",
        "        six",
        "longer  seven",
    ]
    assert max(len(plain(row)) for row in in_columns(rows, indent="  ", width=1)) <= 2 + 8 + 24
