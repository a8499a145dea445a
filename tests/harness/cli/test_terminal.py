"""What is said on stderr fits the terminal."""

import sys

import pytest

from fanin.harness.cli.terminal import for_terminal
from tests.harness.terminal import Terminal


def test_a_sentence_for_a_terminal_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file it is one line. What follows it, such as the last lines of a process, keeps its own."""
    text = f"{'word ' * 30}end\n  its own line"

    in_a_file = for_terminal(text)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    rows = for_terminal(text).splitlines()

    assert in_a_file == text
    assert rows[0] == ("word " * 16).strip()
    assert rows[-1] == "  its own line"
    assert " ".join(" ".join(rows).split()) == " ".join(text.split())
