"""The page about security names tests that exist, and the limits that the code has."""

import re

import pytest

from fanin.aggregator import auth, log_queue
from fanin.aggregator.durations import format_duration
from fanin.aggregator.engines.sqlite import engine, file, unreadable
from fanin.aggregator.http import body, protocol, request_parser, shared_limits
from fanin.aggregator.notify import connection, retry_policy, target
from fanin.aggregator.notify.formats import template
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
    "an attempt at a notification, from the look-up to the response": (
        f"{target.TIMEOUT_MS // 1_000} s, or the target's `timeout`, "
        f"{format_duration(target.TIMEOUT_MS_MAX)} at most"
    ),
    "a notification that a template writes": f"{template.BODY_LENGTH_MAX // KIB**2} MiB",
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
    assert body.BODY_S == protocol.STALL_S
    assert f"room for {file.PROBE_BYTES // KIB} KiB" in PAGE
    assert retry_policy.BACKOFF_MS_MAX * 6 // 5 == 6 * 60_000
    assert "by six minutes at most after a restart" in PAGE
    assert engine.FLUSH_S == 5
    assert f"a file of up to {file.CHECK_BYTES_MAX // KIB**2} MiB" in PAGE
