"""A picture as SVG: lanes, rings around evidence, and what has no room."""

import re

from markupsafe import Markup

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.html import diagram_svg
from fanin.harness.verdict import Validity
from fanin.simulator.faults.transport import Duplicate
from tests.harness.oracle.histories import EAST, WEST, history, notified, sent
from tests.harness.report.reported import block, laid_out


def drawn(played: History) -> Markup:
    return diagram_svg.draw(laid_out(played)[0], name="it", about="a run")


def test_each_region_aggregator_timer_and_sink_has_a_lane() -> None:
    """In the order in which a webhook goes through them."""
    svg = drawn(history(sent(EAST, 0), sent(WEST, 1), notified("completed", 1.01)))

    names_svg = svg[: svg.index("</svg>")]
    assert re.findall(r">([a-z]+)</text>", names_svg) == [
        "registry", "eastus", "westus", "aggregator", "timer", "sink",
    ]  # fmt: skip


def test_what_a_finding_rests_on_is_ringed() -> None:
    """The eye finds the evidence before it reads."""
    played = history(
        sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01), notified("timed_out", 120.01, WEST)
    )

    ringed = [marker.begins for marker in block(played).markers if marker.deciding]

    assert judge(played).validity is Validity.INVALID
    assert 120_010 in ringed
    assert drawn(played).count('class="deciding"') == len(ringed)


def test_many_at_one_instant_are_counted_rather_than_piled_up() -> None:
    """Fifty copies in one millisecond would be fifty lines; what has no room is counted."""
    copies = [sent(EAST, 1, copy=number) for number in range(1, 51)]
    svg = drawn(history(sent(EAST, 0), *copies, faults=(Duplicate(region=EAST),)))

    assert "44 more at the same instants have no room here" in svg


def test_a_region_that_the_scenario_does_not_have_gets_a_lane_all_the_same() -> None:
    """A damaged history is shown as far as it goes."""
    played = history(sent("atlantis", 3, url_region=EAST), sent(EAST, 0))

    assert "atlantis" in block(played).lanes
    assert ">atlantis</text>" in drawn(played)
