"""The timeline as a whole: heading, lanes or list, and what the watch proves."""

from typing import Any

import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.report.analysis import analyse
from fanin.harness.report.line import plain
from fanin.harness.report.timeline.render import render
from fanin.simulator.faults.transport import Drop
from tests.harness.oracle.histories import EAST, WEST, down, history, notified, sent


def timeline(*lines: Any, **scenario: Any) -> list[str]:
    played = history(*lines, **scenario)
    verdict = judge(played)
    return [plain(line) for line in render(analyse(played, verdict), verdict)]


def test_the_heading_says_what_is_played() -> None:
    """Of many faults, how many more."""
    lines = timeline(sent(EAST, 0), faults=tuple(Drop(region=EAST) for _ in range(6)))

    assert lines[0] == "by-hand: Written by hand"
    assert lines[1] == "  seed 0, timeout 2m, sender acr (one attempt); regions eastus, westus"
    assert "and 2 more" in " ".join(lines[2:5])


def test_why_it_could_not_start_stands_below_the_lanes() -> None:
    """It may be many lines of output, and none of them fits a lane."""
    error = "'serve' exited with 1; its last output:\n  Traceback\n  ImportError: no module named app"

    lines = timeline(sent(EAST, 0), down(1, "crash"), down(3, "failed", error), end=1_000)

    assert any(line.count("✗ cannot start") == 1 for line in lines)
    below = lines[next(nth for nth, line in enumerate(lines) if "cannot start: " in line) :]
    assert below[0].startswith("  +3s cannot start: 'serve' exited with 1")
    assert below[2].strip() == "ImportError: no module named app"


def test_the_last_line_says_how_long_nothing_more_happened() -> None:
    """Since the last notification."""
    lines = timeline(sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01), end=1_000)

    assert lines[-1] == "  watched until +16m40s: silence for 16m34.99s"


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({"end": 1_000}, "watched until +16m40s: no notification ever came"),
        ({"end": 60, "complete": False}, "the watch was cut short at +1m00s: silence proves nothing"),
        ({"end": None}, "the history has no end: it was cut off, and silence proves nothing"),
    ],
    ids=range(3),
)
def test_the_last_line_says_what_the_watch_proves(fields: dict[str, Any], last: str) -> None:
    """A watch that ended early proves nothing."""
    assert timeline(sent(EAST, 0), **fields)[-1] == f"  {last}"


@pytest.mark.parametrize(("count", "lanes"), [(8, True), (9, False)])
def test_more_regions_than_lanes_make_a_list(count: int, lanes: bool) -> None:  # noqa: FBT001 - a column of the table
    """With lanes, one line names them all."""
    lines = timeline(sent("r0", 0), regions=tuple(f"r{number}" for number in range(count)))

    assert any("aggregator" in line and "timer" in line for line in lines) is lanes
