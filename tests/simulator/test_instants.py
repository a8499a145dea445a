"""Instants as people read them."""

import pytest

from fanin.simulator.instants import clock, clock_column

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "+0s"),
        (7, "+0.007s"),
        (59_999, "+59.999s"),
        (60_000, "+1m00s"),
        (119_250, "+1m59.25s"),
        (7_505_000, "+2h05m05s"),
        (7_200_000, "+2h"),
        (7_500_000, "+2h05m"),
        (30 * DAY_MS, "+30d"),
        (30 * DAY_MS + 36_000_000, "+30d10h"),
        (100 * DAY_MS, "+100d"),
        (30 * DAY_MS + 7, "+30d00h00m00.007s"),
        (-1_500, "-1.5s"),
    ],
)
def test_an_instant_is_exact(ms: int, text: str) -> None:
    """Nothing is rounded: at a deadline, a millisecond decides."""
    assert clock(ms) == text


def test_a_column_of_instants_has_a_fraction_on_every_line() -> None:
    """So that decimal points stand below each other."""
    assert [clock_column(ms) for ms in (2_000, 119_006)] == [("+2", ".0s"), ("+1m59", ".006s")]
