"""The first error in what a process prints: the line that names it, and the lines that belong to it."""

import pytest

from fanin.harness.targets.error_in_output import SHOWN_LINES_MAX, first_error

TRACEBACK = ["Traceback (most recent call last):", '  File "a.py", line 1, in push', "    event.get()"]
NODE = ["SyntaxError: Unexpected token", "    at JSON.parse (<anonymous>)"]


@pytest.mark.parametrize(
    ("printed", "error"),
    [
        ([*TRACEBACK, "KeyError: 'id'"], "KeyError: 'id'"),
        (["ERROR:agg:Exception on /api/ImagePush [POST]", *TRACEBACK, "KeyError: 'id'"], "KeyError: 'id'"),
        (["ERROR:    Exception in ASGI application", *TRACEBACK, "a.b.MineError: no"], "a.b.MineError: no"),
        ([*TRACEBACK, "requests.exceptions.ReadTimeout: no"], "requests.exceptions.ReadTimeout: no"),
        (NODE, NODE[0]),
        (["Exception in thread main", "java.lang.IllegalStateException: no"], "Exception in thread main"),
        (
            ["Unhandled exception.", "System.InvalidOperationException: no"],
            "System.InvalidOperationException: no",
        ),
        (
            ["panic: runtime error: index out of range", "goroutine 1:"],
            "panic: runtime error: index out of range",
        ),
        (["12:00 WARN ConnectionError, trying again"], "12:00 WARN ConnectionError, trying again"),
    ],
)
def test_the_line_that_names_it_comes_first(printed: list[str], error: str) -> None:
    """Then all lines from the first that speaks of it."""
    assert first_error(["listening", *printed]).splitlines() == [error, *printed]


def test_what_is_printed_after_a_traceback_does_not_belong_to_it() -> None:
    """Such as the next one."""
    printed = [*TRACEBACK, "KeyError: 'id'", "ERROR:agg:Exception on /", *TRACEBACK, "ValueError"]

    assert first_error(printed).splitlines() == ["KeyError: 'id'", *printed[:4]]


def test_an_exception_of_python_need_not_be_called_an_error() -> None:
    """A log goes on after it, and a worker that is ended at a timeout has no message."""
    printed = [*TRACEBACK, "SystemExit", "[2026-12-01 02:02:36 +0000] [25388] [INFO] Shutting down: Master"]

    assert first_error(printed).splitlines() == ["SystemExit", *printed[:4]]


def test_of_an_exception_that_led_to_another_one_that_is_named() -> None:
    """It is what came of both."""
    printed = [*TRACEBACK, "KeyError: 'id'", "", "During handling of the above exception, …", "", *TRACEBACK]

    assert first_error([*printed, "RuntimeError: so"]).startswith("RuntimeError: so\nTraceback")


def test_of_a_long_traceback_the_end_is_shown() -> None:
    """There the exception stands, and the code of the application."""
    frames = [f'  File "{n}.py", line 1, in f' for n in range(60)]

    shown = first_error([TRACEBACK[0], *frames, "KeyError: 'id'", "more"]).splitlines()

    assert (shown[0], shown[-1], len(shown)) == ("KeyError: 'id'", "KeyError: 'id'", SHOWN_LINES_MAX + 1)


def test_without_an_error_there_is_nothing_to_show() -> None:
    """A process may end without one."""
    assert first_error(["listening", "bye"]) == first_error([]) == ""
