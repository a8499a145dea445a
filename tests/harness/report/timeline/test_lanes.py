"""Rows as lanes: widths, names, lifelines, and what does not fit."""

from typing import Any

from fanin.harness.report.line import WIDTH, plain
from fanin.harness.report.timeline import lanes
from fanin.harness.report.timeline.event import AGGREGATOR, SINK, TIMER
from fanin.harness.report.timeline.events import events
from fanin.harness.report.timeline.lanes import ClockColumn, lay_out
from fanin.harness.report.timeline.selection import TimelineRow, select
from fanin.harness.verdict import Validity, Verdict
from tests.harness.oracle.histories import EAST, WEST, crash, history, notified, occurred, sent
from tests.harness.report.reported import analysed

LONG = ("southeastasia", "southeastasia-2", "southcentralus", "northeurope", "uaenorth", "uk")


def rows_of(*lines: Any, **scenario: Any) -> tuple[TimelineRow, ...]:
    analysis = analysed(history(*lines, **scenario))
    return select(analysis, events(analysis), Verdict(Validity.VALID)).rows


def drawn(rows: tuple[TimelineRow, ...], regions: tuple[str, ...], width: int = WIDTH) -> list[str]:
    layout = lay_out(regions, [row.at for row in rows], width)
    return [plain(row) for row in (*lanes.header(layout, rows), *lanes.lines(layout, rows))]


def test_decimal_points_stand_below_each_other() -> None:
    """And every instant is followed by two spaces at least."""
    instants = (0, 119_006, 3_600_000)
    column = ClockColumn(instants)

    texts = [column.text(at) for at in instants]
    assert {len(text) for text in texts} == {column.width}
    assert len({text.index(".") for text in texts}) == 1
    assert [text.strip() for text in texts] == ["+0.0s", "+1m59.006s", "+1h00m00.0s"]
    assert ClockColumn([]).width == len("+0.0s  ")


def test_all_lanes_share_the_width_of_the_page() -> None:
    """Two regions or eight."""
    for regions in ((EAST, WEST), LONG, ("r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8")):
        layout = lay_out(regions, [0, 120_001])

        assert [name for name, _ in layout.lanes] == [*regions, AGGREGATOR, TIMER, SINK]
        assert layout.clock.width + sum(width for _, width in layout.lanes) == WIDTH


def test_lanes_become_narrow_before_there_are_too_many() -> None:
    """Then regions show their short words, and the header explains them."""
    assert not lay_out((EAST, WEST), [0]).narrow
    assert lay_out(LONG, [0]).narrow

    header = "\n".join(drawn(rows_of(sent(LONG[0], 0), sent(LONG[0], 1, copy=1), regions=LONG), LONG))
    assert "copy = sent again" in header
    assert "dup = duplicate" in header


def test_a_wide_lane_has_short_words_only_where_they_break_none() -> None:
    """And then the header explains them as well."""
    name = "an-operation-with-a-name"
    rows = rows_of(
        occurred(), occurred(name, ids="2"), sent(EAST, 0), sent(EAST, 1, op=name, status=500),
    )  # fmt: skip
    layout = lay_out((EAST, WEST), [row.at for row in rows])

    text = "\n".join(drawn(rows, (EAST, WEST)))

    assert not layout.narrow
    assert "500, may" in text
    assert "500 ?" not in text


def test_a_cell_in_which_a_name_does_not_fit_says_how_many() -> None:
    """A name is not broken in the middle; the sink's cell and the verdict have it."""
    regions = (EAST, WEST, "a-region-with-a-long-name")
    rows = rows_of(sent(EAST, 0), sent(WEST, 1), regions=regions)

    text = "\n".join(drawn(rows, regions, 80))

    assert "2 missing" not in text
    assert "1 missing" in text
    assert "a-region-w" not in text.partition("deadline:")[2]


def test_names_that_begin_alike_are_cut_in_the_middle() -> None:
    """Otherwise two lanes would have one name."""
    header = drawn(rows_of(sent(LONG[0], 0), regions=LONG), LONG)

    titles = header[0].split()
    assert len(set(titles)) == len(titles)
    assert any("…" in title for title in titles)
    assert "= southeastasia-2" in " ".join(header)


def test_a_lifeline_shows_what_holds() -> None:
    """The aggregator's while it is down, the timer's while it runs."""
    lines = drawn(
        rows_of(sent(EAST, 0), crash(10, 15), sent(WEST, 20), notified("completed", 20.01)), (EAST, WEST)
    )

    down = next(line for line in lines if "kill -9" in line)
    after = lines[-1]
    assert "✗ kill -9" in down
    assert "┊" in down
    assert "┊" not in after


def test_several_counts_at_one_instant_are_one() -> None:
    """The last includes the others."""
    text = "\n".join(drawn(rows_of(sent(EAST, 0), sent(WEST, 0)), (EAST, WEST)))

    assert "2 of 2" in text
    assert "1 of 2" not in text


def test_what_has_no_lane_or_no_room_does_not_fit() -> None:
    """Then a list reads better."""
    strange = rows_of(sent("atlantis", 3, url_region=EAST), sent(EAST, 0))
    many = ("r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8")
    long_words = rows_of(*(sent("r1", at, op=f"a-long-name-{at}") for at in range(2)), regions=many)

    assert lanes.fits(lay_out((EAST, WEST), [0]), rows_of(sent(EAST, 0)))
    assert not lanes.fits(lay_out((EAST, WEST), [0]), strange)
    assert not lanes.fits(lay_out(many, [0]), long_words)
