"""One line per decision, that people can read and ``grep`` can find."""

import json
import logging
import subprocess
import sys

import pytest

from fanin.aggregator import log
from fanin.aggregator.fanin import Phase


def test_an_event_is_a_name_with_facts() -> None:
    """In the order given; what is None is left out; several values are joined by commas."""
    line = log.line(
        "decided", operation="5b7c-1f0e", outcome=Phase.TIMED_OUT, arrived=("a", "b"), missing=None
    )

    assert line == "decided operation=5b7c-1f0e outcome=timed_out arrived=a,b"


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("push:demo.azurecr.io/team/app:1.0@sha256:11", "push:demo.azurecr.io/team/app:1.0@sha256:11"),
        ("two words", '"two words"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('quo"te', '"quo\\"te"'),
        ("line\nbreak", '"line\\nbreak"'),
        (1.5, "1.5"),
        (True, "True"),
        (("a b", "c"), '"a b,c"'),
        (["a", 2], "a,2"),
        ((), '""'),
    ],
)
def test_a_strange_value_is_quoted(value: object, word: str) -> None:
    """An id cannot forge a second line, or another field."""
    assert log.line("x", key=value) == f"x key={word}"


def test_every_line_carries_its_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    """Several events logged at once still get a line each."""
    handler = log._Lines()
    record = logging.LogRecord("fanin", logging.WARNING, "", 0, "a x=1\nb y=2", None, None)
    record.created = 1_772_323_320.042

    handler.handle(record)
    handler.flush()

    assert capsys.readouterr().err == (
        "2026-03-01T00:02:00.042Z warning a x=1\n2026-03-01T00:02:00.042Z warning b y=2\n"
    )


def test_an_exception_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug leaves evidence on stderr, and only there."""
    record = logging.LogRecord("fanin", logging.ERROR, "", 0, "a request crashed", None, None)
    crash = ZeroDivisionError("by zero")
    record.exc_info = (type(crash), crash, None)

    handler = log._Lines()
    handler.handle(record)
    handler.flush()

    assert "ZeroDivisionError: by zero" in capsys.readouterr().err


def test_a_collector_gets_one_object_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers and lists stay what they are; other packages' warnings are objects, too."""
    monkeypatch.setattr(log, "_json_lines", True)
    handler = log._Lines()
    said = [
        log.line("decided", operation="a b", missing=("x", "y")),
        log.line("notified", attempt=2, no=None),
    ]
    handler.handle(logging.LogRecord("fanin", logging.INFO, "", 0, "\n".join(said), None, None))
    handler.handle(logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, "two\nlines", None, None))
    handler.flush()

    rows = [json.loads(row) for row in capsys.readouterr().err.splitlines()]
    assert all(row.pop("time").endswith("Z") for row in rows)
    assert rows == [
        {"level": "info", "event": "decided", "operation": "a b", "missing": ["x", "y"]},
        {"level": "info", "event": "notified", "attempt": 2},
        {"level": "warning", "event": "message", "logger": "uvicorn.error", "message": "two\nlines"},
    ]


def test_configured_again_each_line_is_written_once() -> None:
    """A process that builds the application twice has one log, not two."""
    script = (
        "import logging; from aggregator import log;"
        " log.configure(logging.INFO); log.configure(logging.INFO); log.event(logging.INFO, 'once')"
    )

    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stderr.count("info once") == 1
