"""The intervals of a picture: aggregator, sink, timer, deadline."""

from fanin.harness.report.html.diagram import IntervalKind
from fanin.harness.report.html.glyphs import Glyph
from fanin.simulator.faults.sink import SinkDown, SinkLosesResponse, SinkRefuses
from tests.harness.oracle.histories import (
    EAST,
    WEST,
    crash,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    up,
)
from tests.harness.report.reported import block, laid_out


def test_the_timer_runs_until_it_is_cancelled_and_the_deadline_stays_visible() -> None:
    """That nothing fired one second later is what the scenario is about."""
    intervals = block(history(sent(EAST, 0), sent(WEST, 119), notified("completed", 119.01))).intervals

    timer = [
        (interval.kind, interval.begins, interval.ends)
        for interval in intervals
        if interval.kind in ("armed", "cancelled", "deadline")
    ]

    assert timer == [("armed", 0, 119_000), ("cancelled", 119_000, 120_000), ("deadline", 120_000, 120_003)]


def test_no_timer_runs_before_anything_was_sent() -> None:
    """In real time a deadline may be a little earlier than a timeout later, because clocks differ."""
    run = {"time": "real", "clock_drift": 22}

    intervals = block(history(sent(EAST, 1), sent(WEST, 2), notified("completed", 2.01), run=run)).intervals

    assert [interval.begins for interval in intervals if interval.kind == "armed"] == [1_000]
    assert [interval.begins for interval in intervals if interval.kind == "deadline"] == [120_978]


def test_the_aggregators_states_are_intervals_without_gaps() -> None:
    """Up, down, up, to the end of the watch."""
    played = history(sent(EAST, 0), crash(10, 15), sent(WEST, 20), notified("completed", 20.01), end=1_000)

    states = [
        (interval.kind, interval.begins, interval.ends)
        for interval in block(played).intervals
        if interval.kind in ("up", "down")
    ]

    assert states == [("up", 0, 10_000), ("down", 10_000, 15_000), ("up", 15_000, 1_000_000)]


def test_a_fault_of_the_sink_is_an_interval_and_refused_connections_are_markers() -> None:
    """They explain a late notification."""
    played = history(
        sent(EAST, 0), sent(WEST, 5), fault_applied(5.1), fault_applied(7), notified("completed", 40),
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
        notified("timed_out", 120.01, WEST, op="one"), notified("timed_out", 121.01, WEST, op="two"),
        faults=(SinkRefuses(operation="one"),),
    )  # fmt: skip

    shaded = {
        part.heading: any(interval.kind == "sink-fault" for interval in part.intervals)
        for part in laid_out(played)[0].blocks
    }

    assert shaded["one"]
    assert not shaded["two"]


def test_a_fault_that_only_loses_answers_holds_no_interval() -> None:
    """Where it lost one, the notification's marker says so."""
    played = history(sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01), faults=(SinkLosesResponse(),))

    assert [it for it in block(played).intervals if it.kind is IntervalKind.SINK_FAULT] == []


def test_a_fault_after_the_watch_holds_no_interval() -> None:
    """Nor does a deadline."""
    played = history(sent(EAST, 0), end=60, complete=False, faults=(SinkDown(since=90_000),))

    kinds = [it.kind for it in block(played).intervals]
    assert kinds == [IntervalKind.UP, IntervalKind.ARMED]


def test_an_aggregator_that_starts_late_is_down_until_then() -> None:
    """And the title says that it had not started."""
    played = history(up(10), sent(EAST, 20), boot=False)

    down, *_ = (it for it in block(played).intervals if it.kind is IntervalKind.DOWN)
    assert (down.begins, down.ends, down.title) == (0, 10_000, "aggregator down (not started) for 10s")
