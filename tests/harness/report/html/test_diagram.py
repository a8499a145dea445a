"""What a picture consists of, in words."""

from fanin.harness.report.html.diagram import lane_name, summary
from fanin.harness.report.timeline.events import AGGREGATOR, REGISTRY, SINK, TIMER
from tests.harness.oracle.histories import EAST, history, occurred, sent
from tests.harness.report.reported import analysed


def test_lanes_that_are_no_region_have_names() -> None:
    """A region is its own name."""
    lanes = (REGISTRY, EAST, AGGREGATOR, TIMER, SINK)

    assert [lane_name(lane) for lane in lanes] == ["registry", EAST, "aggregator", "timer", "sink"]


def test_a_picture_is_described_for_those_who_cannot_see_it() -> None:
    """Whose it is, which lanes it has, and where its content stands in words."""
    analysis = analysed(history(occurred("one", 0), sent(EAST, 0, op="one"), occurred("two", 1)))

    assert summary(analysis, analysis.operations) == (
        "Timeline of one, two: one lane each for eastus, westus, the aggregator, its timer and the sink. "
        "The table of events says the same in words."
    )
