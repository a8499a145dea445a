"""What the pages are made of: the axis, the pictures, the table of events, the scenario's YAML."""

import re
from itertools import groupby, pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.analysis import RunAnalysis, analyse
from fanin.harness.report.html import diagram_svg, event_table, overview
from fanin.harness.report.html.axis import Extent, breaks, place, staggered, text_width
from fanin.harness.report.html.diagram import Block, Diagram
from fanin.harness.report.html.diagram_layout import diagrams
from fanin.harness.report.html.glyphs import Glyph, draw
from fanin.harness.report.html.markup import safe, tag
from fanin.harness.report.html.outcome_table import outcome_rows
from fanin.harness.report.line import Tone
from fanin.harness.report.representatives import examples
from fanin.harness.verdict import Finding, Rule, Validity
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import Duplicate, SinkDown, SinkRefuses
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    bit,
    crash,
    garbage,
    history,
    occurred,
    sent,
    told,
    unsent,
)  # fmt: skip

DAY = 86_400_000


def reading_of(played: History) -> RunAnalysis:
    return analyse(played, judge(played))


def staged(played: History) -> list[Diagram]:
    verdict = judge(played)
    analysis = analyse(played, verdict)
    return diagrams(analysis, verdict, examples(analysis, verdict))


def block(played: History) -> Block:
    return staged(played)[0].blocks[0]


def shown(played: History) -> Markup:
    return diagram_svg.draw(staged(played)[0], name="it", about="a run")


# --- markup ---


def test_markup_escapes_and_cleans_whatever_is_no_markup() -> None:
    """There is one door into markup, and nothing gets through it as it is."""
    made = tag("text", "</text><b>", tag("g"), class_='a"b', stroke_width=1.25, role=None)

    assert made == '<text class="a&#34;b" stroke-width="1.2">&lt;/text&gt;&lt;b&gt;<g></g></text>'
    assert safe("a\x1b\u202e\ud800b") == "a" + "\N{REPLACEMENT CHARACTER}" * 3 + "b"


def test_every_sign_has_a_shape_of_its_own() -> None:
    """Whoever does not see the colours sees the shapes."""
    shapes = [draw(glyph, "") for glyph in Glyph if glyph is not Glyph.NONE]

    assert len(set(shapes)) == len(Glyph) - 1


# --- the axis ---


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 10**10), st.sampled_from((0, 1, 1_000)), st.integers(0, 300)
        ),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_no_two_labels_of_a_track_ever_touch(wanted: list[tuple[int, int, int, int]]) -> None:
    """Columns move until every label has its room, whatever happens when."""
    claims: list[Extent] = []
    free: dict[int, int] = {}
    for track, begins, lasts, width in sorted(wanted, key=lambda it: it[1]):
        if free.get(track, -1) < begins:
            claims.append(Extent(track, begins, begins + lasts, width))
            free[track] = begins + lasts
    instants = [at for claim in claims for at in (claim.begins, claim.ends)]

    axis = place(instants, claims, left=50, width=1_000)

    assert list(axis.places) == sorted(axis.places)
    assert axis.places[0] == 50
    for _, group in groupby(sorted(claims, key=lambda it: (it.track, it.begins)), key=lambda it: it.track):
        for one, other in pairwise(group):
            assert axis.x(one.ends) + one.width <= axis.x(other.begins)


def test_milliseconds_and_days_are_both_readable() -> None:
    """Everything within 20 ms, then a copy six days later: each instant has a place that an eye can tell."""
    instants = [0, 1, 2, 3, 5, 8, 13, 20, 6 * DAY]

    axis = place(instants, [], left=0, width=1_000)

    steps = [after - before for before, after in pairwise(axis.places)]
    assert min(steps) >= 15
    assert max(steps) <= 500
    assert steps[-1] == max(steps)


def test_a_longer_wait_is_never_drawn_shorter() -> None:
    """Not to scale, and still no lie about which wait was the longer one."""
    axis = place([0, 10, 30, 1_030, 61_030, 61_031], [], left=0, width=1_000)

    steps = {b - a: axis.x(b) - axis.x(a) for a, b in pairwise(axis.instants)}
    assert [steps[gap] for gap in sorted(steps)] == sorted(steps.values())


def test_an_instant_without_a_column_stands_between_its_neighbours() -> None:
    """In proportion inside, at the nearest end outside."""
    axis = place([100, 200], [], left=10, width=10)

    assert axis.x(150) == pytest.approx((axis.x(100) + axis.x(200)) / 2)
    assert (axis.x(0), axis.x(900)) == (axis.x(100), axis.x(200))


def test_a_break_marks_a_wait_far_longer_than_all_before() -> None:
    """And none where the scale merely goes on."""
    assert breaks([0, 1_000, 2_000, 119_000, 120_000, 6 * DAY]) == [(2_000, 119_000), (120_000, 6 * DAY)]
    assert breaks([0, 119_000]) == []


def test_tick_labels_never_overlap() -> None:
    """They step up a row, and beyond the last row the label goes, not the reader's patience."""
    labels = [(float(x), clock(x)) for x in range(0, 400, 12)]

    placed = staggered(labels, 3)

    assert 3 < len(placed) < len(labels)
    for row in range(3):
        mine = [(x, text) for x, text, its_row in placed if its_row == row]
        assert all(x + text_width(text) < after for (x, text), (after, _) in pairwise(mine))


# --- what the picture shows ---


def test_each_region_aggregator_timer_and_sink_has_a_lane() -> None:
    """In the order in which a webhook goes through them."""
    svg = shown(history(sent(EAST, 0), sent(WEST, 1), told("completed", 1.01)))

    names_svg = svg[: svg.index("</svg>")]
    assert re.findall(r">([a-z]+)</text>", names_svg) == [
        "registry", "eastus", "westus", "aggregator", "timer", "sink",
    ]  # fmt: skip


def test_every_fate_of_a_webhook_has_its_sign() -> None:
    """Counted, again, late, refused, lost, in doubt, never sent."""
    markers = block(
        history(
            sent(EAST, 0), sent(EAST, 1, copy=1), sent(WEST, 2, error="lost", after=5_000),
            sent(WEST, 3, invalid="no-id", status=400), sent(WEST, 4, error="reset"),
            sent(WEST, 5, invalid="no-id"), unsent(NORTH, 6), told("timed_out", 120.01, WEST, NORTH),
            sent(NORTH, 130), regions=(EAST, WEST, NORTH), faults=(Duplicate(region=EAST),),
        )
    ).markers  # fmt: skip

    signs = [
        (marker.lane, marker.begins, marker.glyph, marker.transmission)
        for marker in markers
        if marker.lane in (EAST, WEST, NORTH)
    ]

    assert sorted(signs, key=lambda it: it[1]) == [
        (EAST, 0, Glyph.COUNTED, "reached"),
        (EAST, 1_000, Glyph.DUPLICATE, "reached"),
        (WEST, 2_000, Glyph.LOST, "lost"),
        (WEST, 3_000, Glyph.REFUSED, "reached"),
        (WEST, 4_000, Glyph.INDEFINITE, "indefinite"),
        (WEST, 5_000, Glyph.WRONG, "reached"),
        (NORTH, 6_000, Glyph.UNSENT, None),
        (NORTH, 130_000, Glyph.LATE, "reached"),
    ]


def test_the_timer_runs_until_it_is_called_off_and_the_deadline_stays_visible() -> None:
    """That nothing fired one second later is what the scenario is about."""
    intervals = block(history(sent(EAST, 0), sent(WEST, 119), told("completed", 119.01))).intervals

    timer = [
        (interval.kind, interval.begins, interval.ends)
        for interval in intervals
        if interval.kind in ("armed", "cancelled", "deadline")
    ]

    assert timer == [("armed", 0, 119_000), ("cancelled", 119_000, 120_000), ("deadline", 120_000, 120_003)]


def test_no_timer_runs_before_anything_was_sent() -> None:
    """In real time a deadline may be a little earlier than a timeout later, because clocks differ."""
    run = {"time": "real", "clock_drift": 22}

    intervals = block(history(sent(EAST, 1), sent(WEST, 2), told("completed", 2.01), run=run)).intervals

    assert [interval.begins for interval in intervals if interval.kind == "armed"] == [1_000]
    assert [interval.begins for interval in intervals if interval.kind == "deadline"] == [120_978]


def test_the_aggregators_lives_are_bands_without_gaps() -> None:
    """Up, down, up, to the end of the watch."""
    played = history(sent(EAST, 0), crash(10, 15), sent(WEST, 20), told("completed", 20.01), end=1_000)

    lives = [
        (interval.kind, interval.begins, interval.ends)
        for interval in block(played).intervals
        if interval.kind in ("up", "down")
    ]

    assert lives == [("up", 0, 10_000), ("down", 10_000, 15_000), ("up", 15_000, 1_000_000)]


def test_a_fault_of_the_sink_is_a_band_and_vain_knocks_are_marks() -> None:
    """Somebody who only sees a late notification must see why."""
    played = history(
        sent(EAST, 0), sent(WEST, 5), bit(5.1), bit(7), told("completed", 40),
        faults=(SinkDown(since=3_000, until=30_000),),
    )  # fmt: skip
    diagram = block(played)

    ill = [
        (interval.begins, interval.ends) for interval in diagram.intervals if interval.kind == "sink-fault"
    ]
    knocks = [marker.begins for marker in diagram.markers if marker.glyph is Glyph.LOST]
    assert ill == [(3_000, 30_000)]
    assert knocks == [5_100, 7_000]


def test_a_fault_of_one_operations_sink_does_not_shade_the_others() -> None:
    """What is poisoned for one flows for the rest."""
    played = history(
        occurred("one", 0), sent(EAST, 0, op="one"), occurred("two", 1), sent(EAST, 1, op="two"),
        told("timed_out", 120.01, WEST, op="one"), told("timed_out", 121.01, WEST, op="two"),
        faults=(SinkRefuses(operation="one"),),
    )  # fmt: skip

    shaded = {
        part.heading: any(interval.kind == "sink-fault" for interval in part.intervals)
        for part in staged(played)[0].blocks
    }

    assert shaded["one"]
    assert not shaded["two"]


def test_what_a_finding_rests_on_is_ringed() -> None:
    """The eye finds the evidence before it reads."""
    played = history(sent(EAST, 0), sent(WEST, 5), told("completed", 5.01), told("timed_out", 120.01, WEST))

    ringed = [marker.begins for marker in block(played).markers if marker.deciding]

    assert judge(played).validity is Validity.INVALID
    assert 120_010 in ringed
    assert shown(played).count('class="deciding"') == len(ringed)


def test_many_at_one_instant_are_counted_rather_than_piled_up() -> None:
    """Fifty copies in one millisecond would be fifty lines; what has no room is said."""
    copies = [sent(EAST, 1, copy=number) for number in range(1, 51)]
    svg = shown(history(sent(EAST, 0), *copies, faults=(Duplicate(region=EAST),)))

    assert "44 more at the same instants have no room here" in svg


def test_repetitions_are_folded_and_counted() -> None:
    """A hundred retries are not a hundred columns."""
    retries = [sent(EAST, second, error="refused", retry=second) for second in range(100)]

    diagram = staged(history(*retries))[0]

    assert len(diagram.instants) < 20
    assert [text for _, text in diagram.folded if "more instants like these" in text]


def test_operations_that_cross_share_one_axis() -> None:
    """Their interplay is the point."""
    played = history(
        occurred("first", 0), sent(EAST, 0, op="first"), occurred("second", 5), sent(EAST, 5, op="second"),
        sent(WEST, 10, op="second"), told("completed", 10.01, op="second"), sent(WEST, 15, op="first"),
        told("completed", 15.01, op="first"),
    )  # fmt: skip

    assert [part.heading for part in staged(played)[0].blocks] == ["first", "second"]


def test_a_notification_of_nothing_that_happened_is_in_the_picture() -> None:
    """Nobody's notification has a lane of its own when there are several operations."""
    played = history(
        occurred("one", 0), sent(EAST, 0, op="one"), occurred("two", 1), sent(EAST, 1, op="two"),
        garbage(5, {"id": "unheard-of", "outcome": "completed"}),
    )  # fmt: skip

    nobodys = staged(played)[0].blocks[-1]

    assert nobodys.heading == "whole run"
    assert [marker.label for marker in nobodys.markers if marker.tone is Tone.BAD] == [
        "completed of what? → 200"
    ]


def test_a_region_that_the_scenario_does_not_have_gets_a_lane_all_the_same() -> None:
    """A damaged history is shown as far as it goes."""
    played = history(sent("atlantis", 3, url_region=EAST), sent(EAST, 0))

    assert "atlantis" in block(played).lanes
    assert ">atlantis</text>" in shown(played)


# --- the whole run, the events, the outcomes ---


def many(count: int) -> History:
    lines = []
    for number in range(count):
        op = f"push/{number + 1}"
        lines += [occurred(op, number), sent(EAST, number, op=op), sent(WEST, number + 2, op=op)]
        lines += [told("completed", number + 2.01, op=op)]
    return history(*lines)


def test_the_overview_counts_everything() -> None:
    """No bar is lost in a bin."""
    svg = overview.draw(reading_of(many(100)), name="whole")

    bars = [int(count) for count in re.findall(r"<title>counted: (\d+)", svg)]
    assert sum(bars) == 200
    assert "counted, 200; completed, 100." in svg


def test_the_overview_cuts_out_silence() -> None:
    """An hour of storm and a copy six days later: the hour is readable."""
    played = history(
        *(sent(EAST, minute * 60, copy=minute) for minute in range(60)), sent(EAST, 6 * DAY / 1000, copy=60),
        faults=(Duplicate(region=EAST),),
    )  # fmt: skip

    svg = overview.draw(reading_of(played), name="whole")

    assert "<title>5d23h1m without anything</title>" in svg
    assert len(re.findall(r"<title>duplicate or late: ", svg)) > 40


def test_the_table_of_events_is_cut_but_keeps_what_decides() -> None:
    """Findings are never hidden; what is hidden is counted."""
    copies = [sent(EAST, 1 + number / 100, copy=number) for number in range(1, 1_001)]
    played = history(sent(EAST, 0), *copies, faults=(Duplicate(region=EAST),))
    analysis = reading_of(played)
    middle = analysis.evidence.attempts[500].index
    accused = msgspec.structs.replace(
        judge(played), findings=(Finding(Rule.IDENTITY, "something", "op1", (middle,)),)
    )

    table = event_table.table(analysis, accused, analysis.operations)

    hidden = sum(row.skipped for row in table.rows)
    shown = [row for row in table.rows if not row.skipped]
    assert len(shown) <= event_table.ROWS_MAX + 1
    assert hidden + len(shown) > 1_000
    assert [row.anchor for row in shown if row.deciding] == [table.anchors[middle]]


def test_what_decides_is_in_the_table_even_if_its_operation_is_not_drawn() -> None:
    """A finding that counts others like it points at their records."""
    played = many(50)
    analysis = reading_of(played)
    index = analysis.operations[40].records.notifications[0].index
    accused = msgspec.structs.replace(
        judge(played), findings=(Finding(Rule.CONTENT, "more", None, (index,)),)
    )

    table = event_table.table(analysis, accused, analysis.operations[:2])

    assert [row.operation for row in table.rows if row.deciding] == ["push/41"]


def test_rulings_say_what_was_told_and_what_was_right() -> None:
    """One row each; a wrong one is marked as wrong."""
    right = outcome_rows(reading_of(history(sent(EAST, 0), sent(WEST, 5), told("completed", 5.01))))
    wrong = outcome_rows(reading_of(history(sent(EAST, 0), told("completed", 5.01))))

    assert [(it.outcome, it.legal, it.right) for it in right] == [("completed", "completed", True)]
    assert [(it.outcome, it.legal, it.right) for it in wrong] == [("completed", "timed_out", False)]


def test_many_rulings_alike_share_a_row() -> None:
    """A thousand rows would explain less than one."""
    (row,) = outcome_rows(reading_of(many(30)))

    assert (row.count, row.example, row.outcome) == (30, "push/1", "completed")


def test_examples_are_what_each_rule_accuses_then_one_of_each_kind() -> None:
    """Nobody needs a thousand pictures, and nobody does without the accused one."""
    played = many(30)
    accused = msgspec.structs.replace(
        judge(played),
        findings=(
            Finding(Rule.CONTENT, "one", "push/20"), Finding(Rule.CONTENT, "two", "push/21"),
            Finding(Rule.DEADLINE, "three", "push/25"),
        ),
    )  # fmt: skip

    chosen = examples(analyse(played, accused), accused)

    assert [operation.name for operation in chosen] == ["push/1", "push/20", "push/25"]
