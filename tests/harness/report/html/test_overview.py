"""The overview of a run with many operations."""

import re

from fanin.harness.report.html import overview
from fanin.simulator.faults.sink import SinkDown
from fanin.simulator.faults.transport import Duplicate
from tests.harness.oracle.histories import EAST, WEST, crash, history, occurred, sent
from tests.harness.report.reported import analysed, many

DAY = 86_400_000


def test_the_overview_counts_everything() -> None:
    """No bar is lost in a bin."""
    svg = overview.draw(analysed(many(100)), name="whole")

    bars = [int(count) for count in re.findall(r"<title>counted: (\d+)", svg)]
    assert sum(bars) == 200
    assert "counted, 200; completed, 100." in svg


def test_the_overview_cuts_out_stretches_without_events() -> None:
    """An hour of storm and a copy six days later: the hour is readable."""
    played = history(
        *(sent(EAST, minute * 60, copy=minute) for minute in range(60)), sent(EAST, 6 * DAY / 1000, copy=60),
        faults=(Duplicate(region=EAST),),
    )  # fmt: skip

    svg = overview.draw(analysed(played), name="whole")

    assert "<title>5d23h1m without anything</title>" in svg
    assert len(re.findall(r"<title>duplicate or late: ", svg)) > 40


def test_the_overview_shades_when_the_aggregator_was_down_and_the_sink_had_faults() -> None:
    """Behind all histograms, with the instants in the title."""
    lines = [line for n in range(8) for line in (occurred(f"p/{n}", n), sent(EAST, n, op=f"p/{n}"))]
    lost = sent(WEST, 6, op="p/1", error="reset")
    played = history(*lines, crash(3, 5), lost, faults=(SinkDown(since=2_000, until=4_000),))

    svg = overview.draw(analysed(played), name="whole")

    assert "aggregator down (killed) for 2s, from +3s to +5s" in svg
    assert "from +2s to +4s</title>" in svg
    assert svg.count('class="down"') == svg.count('class="sink-fault"') == 1
