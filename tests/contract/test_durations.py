"""Both sides read durations alike, though neither knows the other: scenarios speak as settings do.

Three differences are meant, and stand in tests of their own: a scenario may say nothing (``0``) and multiples
of its timeout, and it may last a hundred years; a setting is above nothing and at most ten years.
"""

import pytest

from fanin.aggregator import durations as aggregator
from fanin.simulator import durations as simulator

DAY_MS = 86_400_000

ACCEPTED = {
    "1ms": 1,
    "250ms": 250,
    "45s": 45_000,
    "1m30s": 90_000,
    "1.5s": 1_500,
    "0.25s": 250,
    "1m30s250ms": 90_250,
    "1m5ms": 60_005,
    "2h": 7_200_000,
    "0.5h": 1_800_000,
    "1h0m1s": 3_601_000,
    "3d": 3 * DAY_MS,
    "1d2h3m4s5ms": 93_784_005,
    " 45s ": 45_000,
    "045s": 45_000,
    "0.000000001h0.9999964s": 1_000,
    "3650d": 3_650 * DAY_MS,
}

REFUSED = (
    "", " ", "s", "m", "45", "4.5", "45 s", "1m 30s", "30s1m", "30m1h", "5ms1s", "1s1s", "1m1m", "-5s", "+5s",
    "5S", "5 sec", "5sec", "5min", "1y", "1w", "1,5s", "1.s", ".5s", "1e3s", "0x10s", "0.1ms", "1.0005s",
    "٣s", "²s", "5\N{ARABIC-INDIC DIGIT THREE}s", "0:01:20", "PT45S", "1234567890123456s", "0.1234567891h",
    "101000d",
)  # fmt: skip


@pytest.mark.parametrize(("text", "ms"), ACCEPTED.items())
def test_both_read_it_alike(text: str, ms: int) -> None:
    """The same milliseconds."""
    assert simulator.parse_duration(text) == aggregator.parse_duration(text) == ms


@pytest.mark.parametrize("text", REFUSED)
def test_both_refuse_it(text: str) -> None:
    """What one side cannot read cannot be copied from the other."""
    with pytest.raises(ValueError):  # noqa: PT011 - each side has words of its own
        simulator.parse_duration(text)
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        aggregator.parse_duration(text)


@pytest.mark.parametrize("ms", [1, 999, 1_000, 1_500, 59_999, 90_000, 3_600_001, DAY_MS + 1, 3_650 * DAY_MS])
def test_each_reads_what_the_other_writes(ms: int) -> None:
    """A duration in a report may be copied into a setting, and one in a log into a scenario."""
    assert aggregator.parse_duration(simulator.format_duration(ms)) == ms
    assert simulator.parse_duration(aggregator.format_duration(ms)) == ms


@pytest.mark.parametrize("text", ["0", "0s", "0m0s"])
def test_nothing_is_for_scenarios(text: str) -> None:
    """A delay may be none; a timeout or a retention of nothing is a mistake."""
    assert simulator.parse_duration(text) == 0
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        aggregator.parse_duration(text)


def test_only_scenarios_have_multiples_of_their_timeout() -> None:
    """An aggregator has several timeouts."""
    assert simulator.parse_duration("0.5 timeout", timeout_ms=60_000) == 30_000
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        aggregator.parse_duration("0.5 timeout")


def test_a_scenario_may_last_a_hundred_years_and_a_setting_ten() -> None:
    """Up to ten years fit every clock and column of an aggregator."""
    assert simulator.parse_duration("36500d") == 36_500 * DAY_MS
    with pytest.raises(ValueError, match="ten years"):
        aggregator.parse_duration("3651d")
