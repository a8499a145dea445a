"""Stored histories: what is read, and what is refused by its line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fanin.harness.history import HistoryError, load, save
from fanin.harness.world.play import play
from fanin.simulator.language.load import load as scenario
from fanin.simulator.pack import find

Lines = list[str]
NESTED = '{"a":' * 100_000


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """A valid history: header, start, push, then attempt 1 is sent (line 4) and ends (line 5)."""
    path = tmp_path_factory.mktemp("history") / "run.jsonl"
    save(play(scenario(find("slow-region"))), path)
    return path.read_text(encoding="utf-8").splitlines()


def write(path: Path, lines: Lines) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def changed(number: int, before: str, after: str) -> Callable[[Lines], Lines]:
    """A change of one line, counted from 1."""

    def change(lines: Lines) -> Lines:
        assert before in lines[number - 1]
        return [*lines[: number - 1], lines[number - 1].replace(before, after), *lines[number:]]

    return change


def replaced(number: int, text: str) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[: number - 1], text, *lines[number:]]


@pytest.mark.parametrize("name", ["crash-at-the-finish", "hundreds-in-hand", "replica-lost", "rude-traffic"])
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    """Faults that take effect twice at one instant, replicas and hostile senders are no contradiction."""
    history = play(scenario(find(name)), seed=1)
    save(history, tmp_path / "run.jsonl")

    assert load(tmp_path / "run.jsonl").trace_hash() == history.trace_hash()


def test_a_byte_order_mark_is_accepted(lines: Lines, tmp_path: Path) -> None:
    """Some editors write one, and scenario files may have one."""
    path = tmp_path / "run.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8-sig")

    assert len(load(path).entries) == len(lines) - 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda it: [*it, it[-1]], ":13: the history ended in line 12; nothing can follow"),
        (lambda it: [*it, it[4]], ":13: the history ended in line 12"),
        (lambda it: [*it[:5], it[4], *it[5:]], ":6: the end of attempt 1 is in line 5 already"),
        (lambda it: [*it[:3], it[2], *it[3:]], ":4: the registry's event of 'op1' is in line 3 already"),
        (lambda it: [*it[:3], *it[4:]], ":4: no line before this one has the start of attempt 1"),
        (lambda it: [*it[:2], *it[3:]], ":3: no line before this one has the registry's event of 'op1'"),
        (lambda it: [*it[:4], it[5], it[4], *it[6:]], ":6: 'at' is 4, and 2000 in the line before"),
        (changed(5, '"at":4', '"at":-1'), ":5: 'at' is -1, and cannot be negative"),
        (changed(5, '"at":4', f'"at":{10**30}'), ":5: 'at' is larger than 31536000000000"),
        (changed(5, '"attempt":1', '"attempt":-1'), ":5: 'attempt' is -1, and cannot be negative"),
        (changed(1, '"seed":0', '"seed":-3'), ":1: 'seed' is -3, and cannot be negative"),
    ],
)
def test_what_cannot_have_happened_is_refused(
    lines: Lines, change: Callable[[Lines], Lines], complaint: str, tmp_path: Path
) -> None:
    """Lines were lost, moved, repeated or written by hand: no verdict would mean anything."""
    path = write(tmp_path / "run.jsonl", change(lines))

    with pytest.raises(HistoryError, match=complaint):
        load(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda it: [*it[:3], "", *it[3:]], ":4: the line is empty"),
        (lambda it: [NESTED, *it[1:]], ":1: nested too deeply; a history, as"),
        (lambda it: [it[0], NESTED], ":2: nested too deeply"),
        (replaced(5, f'{{"type":"nothing","a":{NESTED}'), ":5: nested too deeply"),
        (replaced(5, "text"), ":5: no JSON: invalid character"),
        (replaced(5, '{"type":"e'), ":5: no JSON: the line ends in the middle of a value"),
        (replaced(5, "[]"), ":5: no JSON object, whose 'type' is one of attempt-ended, "),
        (replaced(5, "{}"), ":5: the field 'type' is missing; 'type' is one of attempt-ended, "),
        (changed(5, "attempt-ended", "run"), ":5: 'run' is no type of a line here; 'type' is one of att"),
        (replaced(5, '{"type":5}'), ":5: this is no type of a line here"),
        (
            changed(1, '"scenario":{', '"scenario":{"timeout":-5,'),
            ":1: scenario.timeout: a whole number >= 1 belongs here$",
        ),
        (changed(5, '"attempt":1,', ""), ":5: the field 'attempt' is missing"),
        (changed(5, "202", '"ok"'), ":5: status: a text stands where a whole number or null belongs"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_said_in_words(
    lines: Lines, change: Callable[[Lines], Lines], complaint: str, tmp_path: Path
) -> None:
    """With the line's number, and without the words of the library that reads it."""
    path = write(tmp_path / "run.jsonl", change(lines))

    with pytest.raises(HistoryError, match=complaint):
        load(path)


def test_what_is_not_utf_8_is_refused(lines: Lines, tmp_path: Path) -> None:
    """A history is."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines[0].encode() + b'\n{"type":"end","at":0,"reason":"\xff"}')

    with pytest.raises(HistoryError, match=":2: not UTF-8"):
        load(path)
