"""Durations: what people may write, what they may not, and that writing and reading are inverse."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.simulator.durations import DURATION_MS_MAX, format_duration, parse_duration

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("250ms", 250),
        ("45s", 45 * SECOND),
        ("1m30s", 90 * SECOND),
        ("2h", 2 * HOUR),
        ("3d", 3 * DAY),
        ("1d2h3m4s5ms", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5),
        ("119.999s", 119_999),
        ("3.5d", 3 * DAY + 12 * HOUR),
        ("1m5ms", MINUTE + 5),
        ("  45s\n", 45 * SECOND),
        ("0", 0),
        ("0s", 0),
        ("36500d", DURATION_MS_MAX),
    ],
)
def test_a_duration_is_read_to_the_millisecond(text: str, ms: int) -> None:
    """Units come in order, each at most once; decimals are exact, not floating point."""
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [("0.75 timeout", 90_000), ("1 timeout", 120_000), ("2 timeouts", 240_000), ("1.5timeout", 180_000)],
)
def test_a_multiple_follows_the_timeout(text: str, ms: int) -> None:
    """One file plays against deployments with timeouts of seconds and of days."""
    assert parse_duration(text, timeout_ms=120_000) == ms
    assert parse_duration(text, timeout_ms=60_000) == ms // 2


def test_a_multiple_is_rounded_to_whole_milliseconds() -> None:
    """A third of a timeout has no end in milliseconds, and is no error."""
    assert parse_duration("0.333 timeout", timeout_ms=1_000) == 333
    assert parse_duration("0.3335 timeout", timeout_ms=1_000) == 334


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("120", "'120' has no unit; write 120s, or another duration: 250ms, 45s, 1m30s, 2h, 3d"),
        ("1.5", "'1.5' has no unit; write 1.5s, or another duration: 250ms, 45s, 1m30s, 2h, 3d"),
        (
            "-5s",
            "'-5s' is negative; time only runs forward: write a duration such as 250ms, 45s, 1m30s, 2h, 3d",
        ),
        ("", "'' is not a duration; write a duration such as 250ms, 45s, 1m30s, 2h, 3d"),
        ("12:30", "'12:30' is not a duration; write a duration such as 250ms, 45s, 1m30s, 2h, 3d"),
        ("0.5ms", "'0.5ms' is finer than a millisecond"),
        ("36501d", "'36501d' is too long; at most 36500d, 100 years"),
        ("1 timeout", "'1 timeout' is a multiple of the timeout, which is not known here; write 45s or 2h"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, message: str) -> None:
    """The value is quoted, and what would be accepted is named."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "30s1m",
        "1m1m",
        "5 s",
        "1 hour",
        "5min",
        "PT5S",
        "1e3s",
        "+5s",
        "s",
        ".5s",
        "5.s",
        "\N{ARABIC-INDIC DIGIT FIVE}s",
        "1_000s",
        "9" * 5_000,
    ],
)
def test_what_only_looks_like_a_duration_is_refused(text: str) -> None:
    """Another notation, disorder, digits of other scripts, or more digits than ``int`` will read."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text, timeout_ms=1_000)


def test_a_multiple_may_not_last_for_centuries() -> None:
    """The limit holds however the duration is written."""
    with pytest.raises(ValueError, match="too long"):
        parse_duration("900000 timeout", timeout_ms=3650 * DAY)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (999, "999ms"),
        (1_000, "1s"),
        (90_000, "1m30s"),
        (119_250, "1m59.25s"),
        (DAY + 1, "1d0.001s"),
        (-1_500, "-1.5s"),
    ],
)
def test_a_duration_is_written_in_the_units_that_people_use(ms: int, text: str) -> None:
    """Days, hours, minutes, seconds with decimals; below a second, milliseconds."""
    assert format_duration(ms) == text


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=DURATION_MS_MAX))
def test_what_is_written_reads_back(ms: int) -> None:
    """Every duration survives being written and read."""
    assert parse_duration(format_duration(ms)) == ms


@settings(deadline=None)
@given(st.text(alphabet="0123456789.dhms timeoux-+\n", max_size=20))
def test_whatever_is_read_is_a_duration_or_a_value_error(text: str) -> None:
    """No other error, and never a negative or an endless duration."""
    try:
        ms = parse_duration(text, timeout_ms=120_000)
    except ValueError:
        return

    assert 0 <= ms <= DURATION_MS_MAX
