"""Durations in both naming schemes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.aggregator.durations import MAX_MS, format_duration, parse_duration, parse_time_span


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("250ms", 250),
        ("80s", 80_000),
        ("1m30s", 90_000),
        ("2h", 7_200_000),
        ("3d", 259_200_000),
        ("1.5s", 1_500),
        (" 80s ", 80_000),
        ("3650d", MAX_MS),
    ],
)
def test_our_own_form(text: str, ms: int) -> None:
    """A number with a unit, or several."""
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("80", r"'80' has no unit; write 80s, 80m, 80h or 80d"),
        ("1.5", "has no unit"),
        ("", "is not a duration such as 80s"),
        ("80 s", "is not a duration"),
        ("-1s", "is not a duration"),
        ("0:01:20", "is not a duration such as 80s"),
        ("1w", "is not a duration"),
        ("0s", "above zero"),
        ("0.5ms", "finer than a millisecond"),
        ("3651d", "at most ten years"),
        ("٣s", "is not a duration"),
    ],
)
def test_our_own_form_refuses_the_rest(text: str, why: str) -> None:
    """With the reason and what to write instead."""
    with pytest.raises(ValueError, match=why):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0:01:20", 80_000),
        ("00:01:20", 80_000),
        ("0:00:00.500", 500),
        ("0:00:00.5", 500),
        ("0:00:01.2500000", 1_250),
        ("23:59:59", 86_399_000),
        ("1.00:00:00", 86_400_000),
        ("30.12:00:00", 30 * 86_400_000 + 43_200_000),
    ],
)
def test_the_originals_form(text: str, ms: int) -> None:
    """h:mm:ss[.fff] and d.hh:mm:ss, as .NET's TimeSpan reads them."""
    assert parse_time_span(text) == ms


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("80", r"bare number, which .NET would read as 80 days; write 0:01:20"),
        ("120", "120 days"),
        ("24:00:00", "has 24 hours; from 24 hours on write d.hh:mm:ss, such as 1.00:00:00"),
        ("0:60:00", "more than 59 minutes or seconds"),
        ("0:00:60", "more than 59 minutes or seconds"),
        ("1:20", "is not of the form h:mm:ss"),
        ("80s", "is not of the form h:mm:ss"),
        ("0:1:20", "is not of the form"),
        ("-0:01:20", "is not of the form"),
        ("0:00:00", "above zero"),
        ("0:00:00.0001", "finer than a millisecond"),
        ("9999.00:00:00", "at most ten years"),
    ],
)
def test_the_originals_form_refuses_the_rest(text: str, why: str) -> None:
    """Above all the bare number: an 80 is meant as seconds, and .NET would wait 80 days."""
    with pytest.raises(ValueError, match=why):
        parse_time_span(text)


@settings(deadline=None)
@given(st.integers(1, MAX_MS))
def test_what_is_written_can_be_read(ms: int) -> None:
    """The greeting shows durations as they may be set."""
    assert parse_duration(format_duration(ms)) == ms
