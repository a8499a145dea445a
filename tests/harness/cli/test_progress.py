"""Progress on a terminal, and nowhere else."""

import io
import sys
import time

import pytest

from fanin.harness.cli.progress import Progress
from tests.harness.terminal import Terminal


def advance(progress: Progress) -> None:
    progress.show()
    progress.advance()
    progress.show()
    progress.wipe()


def test_a_terminal_shows_how_much_is_done_and_nothing_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is removed before a result is printed, which may go to the same screen."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)

    advance(Progress(2))

    assert screen.getvalue() == "\r\x1b[K0/2" + "\r\x1b[K" + "\r\x1b[K1/2" + "\r\x1b[K"


def test_a_terminal_shows_how_long_the_rest_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long for each as for those that are done."""
    screen, now_s = Terminal(), iter((100.0, 130.0))
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(time, "monotonic", lambda: next(now_s))
    progress = Progress(10)

    for _ in range(3):
        progress.advance()
    progress.show()

    assert screen.getvalue().endswith("3/10, about 1m10s left")


def test_what_is_left_out_is_neither_done_nor_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is skipped in no time would promise that the rest takes none."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress(10)

    for _ in range(3):
        progress.leave_out()
    progress.show()

    assert screen.getvalue().endswith("0/7")


def test_a_file_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of CI are not for control characters."""
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)

    advance(Progress(2))

    assert file.getvalue() == ""
