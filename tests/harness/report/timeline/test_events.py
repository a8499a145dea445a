"""A run as events: which lane, which kind, which words, and in which order."""

from typing import Any

from fanin.harness.report.timeline.event import AGGREGATOR, REGISTRY, SINK, TIMER, Event, EventKind
from fanin.harness.report.timeline.events import events, overall
from fanin.simulator.faults.aggregator import ClockJump
from fanin.simulator.faults.sink import SinkDown, SinkRefuses
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    crash,
    down,
    fault_applied,
    history,
    notified,
    occurred,
    pause,
    sent,
    up,
)
from tests.harness.report.reported import analysed


def found(*lines: Any, **scenario: Any) -> list[Event]:
    return events(analysed(history(*lines, **scenario)))


def texts(lane: str, *lines: Any, **scenario: Any) -> list[tuple[int, str]]:
    """Instants in seconds and words of one lane."""
    return [(it.at // 1_000, it.text) for it in found(*lines, **scenario) if it.lane == lane]


def test_a_run_is_told_lane_by_lane_in_its_order() -> None:
    """Within an instant: what happened in the registry, the request, what it came to."""
    kinds = [(it.at, it.kind) for it in found(sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01))]

    assert kinds == [
        (0, EventKind.REGISTRY_EVENT),
        (0, EventKind.ATTEMPT),
        (0, EventKind.COUNT),
        (0, EventKind.ARMED),
        (5_000, EventKind.ATTEMPT),
        (5_000, EventKind.COUNT),
        (5_000, EventKind.CANCELLED),
        (5_010, EventKind.NOTIFICATION),
    ]


def test_an_answer_shares_its_requests_row_only_if_nothing_decisive_came_between() -> None:
    """A slow answer, and one before which the aggregator died, have a row of their own."""
    lines = texts(EAST, sent(EAST, 0), sent(EAST, 10, copy=1, ok=6_000))
    cut = texts(EAST, sent(EAST, 20, ok=None), crash(20.001, 22), sent(WEST, 20, error="reset", after=500))

    assert lines == [(0, "sent → 202"), (10, "copy 1"), (16, "→ 202, duplicate, after 6s")]
    assert cut == [(20, "sent, no answer")]


def test_a_timer_that_is_not_cancelled_fires_and_names_what_is_missing() -> None:
    """More than two are counted; one that may have counted has a question mark."""
    assert texts(TIMER, sent(EAST, 0)) == [(0, "armed: fires at +2m00s"), (120, "fires")]
    assert texts(AGGREGATOR, sent(EAST, 0), sent(WEST, 1, error="reset"))[-1] == (
        120,
        "deadline: westus? missing",
    )
    four = (EAST, WEST, NORTH, "uaenorth")
    assert texts(AGGREGATOR, sent(EAST, 0), regions=four)[-1] == (120, "deadline: 3 regions missing")


def test_what_was_rightly_reported_completed_has_no_deadline_any_more() -> None:
    """The answer that was lost had counted: the timer is cancelled, not fired after the outcome."""
    lines = sent(EAST, 0), sent(WEST, 1, error="reset"), notified("completed", 1)

    assert texts(TIMER, *lines) == [(0, "armed: fires at +2m00s"), (1, "cancelled")]
    assert [text for _, text in texts(AGGREGATOR, *lines)] == ["1 of 2"]


def test_with_several_operations_each_event_names_its_own() -> None:
    """Otherwise their counts could not be distinguished."""
    lines = (occurred("one", 0), sent(EAST, 0, op="one"), occurred("two", 1), sent(EAST, 1, op="two"))

    assert texts(EAST, *lines) == [(0, "one → 202"), (1, "two → 202")]
    assert texts(TIMER, *lines)[:2] == [(0, "one armed: +2m00s"), (1, "two armed: +2m01s")]


def test_the_aggregators_changes_say_how_long_and_what_is_new() -> None:
    """Its first start is no news."""
    played = (
        sent(EAST, 0), crash(10, 15), pause(20, 25), down(30, "stop"),
        up(31, expects=(EAST, WEST), timeout=60_000), down(40, "failed", "port in use"),
    )  # fmt: skip

    changes = [text for at, text in texts(AGGREGATOR, *played, end=100) if at >= 10]
    assert changes == [
        "kill -9", "up again, after 5s", "paused", "resumed, after 5s", "stopped",
        "up again, after 1s, now 2 regions, timeout now 1m", "cannot start: port in use",
    ]  # fmt: skip


def test_where_replicas_are_left_the_aggregator_is_up() -> None:
    """Only the last that goes down and the first that comes up change that."""
    played = history(
        up(0, replica=1), up(0, replica=2), sent(EAST, 0), down(5, replica=1), down(6, replica=2),
        up(8, replica=2), up(9, replica=1), boot=False, replicas=2,
    )  # fmt: skip
    analysis = analysed(played)

    kinds = [it.kind for it in events(analysis) if it.lane == AGGREGATOR and it.kind is not EventKind.COUNT]
    assert kinds[:4] == [EventKind.REPLICA_DOWN, EventKind.DOWN, EventKind.UP, EventKind.REPLICA_UP]
    assert [entry.at for _, entry in overall(analysis.evidence.lifecycle)] == [0, 6_000, 8_000]


def test_faults_of_the_sink_begin_and_end() -> None:
    """One that holds from the start has no beginning, one that never ends no end."""
    faults = (
        SinkDown(since=3_000, until=30_000),
        SinkRefuses(until=10_000, operation="op1"),
        SinkRefuses(since=50_000),
    )

    lines = texts(SINK, sent(EAST, 0), fault_applied(5, 0), faults=faults)

    assert lines == [
        (3, "down from here"),
        (5, "no connection"),
        (10, "recovered for op1"),
        (30, "recovered"),
        (50, "refuses (503) from here"),
    ]


def test_a_clock_that_is_set_is_the_aggregators() -> None:
    """Forward or back."""
    faults = (ClockJump(at=3_000, forward=60_000), ClockJump(at=4_000, back=1_000))

    assert texts(AGGREGATOR, sent(EAST, 0), fault_applied(3, 0), fault_applied(4, 1), faults=faults)[1:3] == [
        (3, "its clock is set forward 1m"),
        (4, "its clock is set back 1s"),
    ]


def test_events_that_repeat_each_other_have_the_same_variant() -> None:
    """And those that differ in what became of them have not."""
    lines = (sent(EAST, 0), sent(EAST, 1, copy=1), sent(EAST, 2, copy=2))

    first, again, third = [it.variant for it in found(*lines) if it.kind is EventKind.ATTEMPT]

    assert first != again == third


def test_what_happens_in_the_registry_names_the_image() -> None:
    """Repository, tag, and the beginning of the digest."""
    digest = "sha256:" + "1" * 64
    pushed = occurred("a", 0, digest=digest)
    deleted = occurred("b", 1, action="delete", tag=None, digest=None)

    (push, delete) = texts(REGISTRY, pushed, deleted)

    assert push == (0, "push a: team/app:a  sha256:11111111…")
    assert delete == (1, "delete b: team/app")
