"""The settings of an aggregator, and its data over a kill."""

import pytest

from fanin.harness.world.target import timespan


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (80_000, "0:01:20"),
        (2_500, "0:00:02.500"),
        (24 * 3_600_000, "1.0:00:00"),
        (30 * 24 * 3_600_000 + 1, "30.0:00:00.001"),
    ],
)
def test_timeouts_are_written_as_dotnet_reads_them(ms: int, text: str) -> None:
    """Hours end at 23; days have a dot."""
    assert timespan(ms) == text
