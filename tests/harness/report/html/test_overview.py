"""The overview of a run with many operations."""

import re

from fanin.harness.report.html import overview
from fanin.simulator.faults.transport import Duplicate
from tests.harness.oracle.histories import EAST, history, sent
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
