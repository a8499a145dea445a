"""The page about security names tests that exist, and the limits that the code has."""

import re

import pytest

from fanin.aggregator import auth, log_queue
from fanin.aggregator.engines.sqlite import file, unreadable
from fanin.aggregator.http import app, protocol, request_parser, shared_limits
from fanin.aggregator.notify import connection, retry_policy
from fanin.aggregator.wire import BODY_BYTES_MAX
from tests.paths import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
KIB = 1 << 10

LIMITS = {
    "request line and headers": (
        f"{request_parser.HEAD_BYTES_MAX // KIB} KiB, {request_parser.FIELDS_MAX} headers"
    ),
    "body of a webhook": f"{BODY_BYTES_MAX // KIB**2} MiB",
    "extensions of a body's chunks; trailers": (
        f"{request_parser.EXTENSION_BYTES_MAX // KIB} KiB; {request_parser.TRAILER_BYTES_MAX // KIB} KiB"
    ),
    "requests in progress, all connections together": f"{shared_limits.BYTES_MAX // KIB**2} MiB",
    "a head, a body, a response that is not read": f"{protocol.STALL_S:g} s each",
    "a receiver's response": (
        f"{connection.RESPONSE_BYTES_MAX // KIB} KiB, {connection.INFORMATIONAL_MAX} informational ones"
    ),
    "a key or the value of a secret header": f"{auth.SECRET_LENGTH_MAX:,} characters",
    "lines of the log that wait": f"{log_queue.QUEUE_CHARS_MAX // KIB**2} MiB",
    "ids of signed messages that are remembered": (
        f"{auth.MESSAGES_MAX:,}, for {auth.MESSAGE_S / 60:g} minutes"
    ),
    "unreadable rows that are counted and logged": f"{unreadable.FOUND_MAX:,}",
}


def test_every_test_that_is_named_exists() -> None:
    """A promise without its test is none."""
    named = re.findall(r"`(tests/[\w/.]+)`", PAGE)

    assert len(named) > 10
    assert [it for it in named if not (ROOT / it).is_file()] == []


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_is_the_codes(what: str) -> None:
    """Each row of the table."""
    assert f"| {what} | {LIMITS[what]} |" in PAGE


def test_no_limit_is_forgotten_here() -> None:
    """The table has the rows that are compared, and no other one."""
    table = PAGE.partition("| what | at most |\n")[2].partition("\n\n")[0].splitlines()[1:]

    assert [row.split(" | ")[0].removeprefix("| ") for row in table] == list(LIMITS)


def test_what_the_prose_says_is_so() -> None:
    """Figures outside of the table."""
    assert app.BODY_S == protocol.STALL_S
    assert f"room for {file.PROBE_BYTES // KIB} KiB" in PAGE
    assert f"{retry_policy.PAUSE_MS_MAX // 60_000} minutes at most" in PAGE
    assert f"a file of up to {file.CHECK_BYTES_MAX // KIB**2} MiB" in PAGE
