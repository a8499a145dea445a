"""The oracle on pauses, stops and replicas: what may come late, or again, because of them."""

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity, Verdict
from fanin.simulator.faults.sink import SinkHangs
from tests.harness.oracle.histories import (
    EAST,
    WEST,
    Line,
    both,
    down,
    history,
    notified,
    pause,
    sent,
    up,
)

TWO = (up(0, replica=1), up(0, replica=2))
DAY_MS = 86_400_000
GRACES = {"start_grace": 5_000, "failover_grace": 30_000, "redelivery_grace": 600_000}


def rules(played: History) -> list[Rule]:
    """What was broken; and that all else is beyond doubt."""
    verdict = judge(played)
    assert verdict.doubts == ()
    return [finding.rule for finding in verdict.findings]


def replicated(*lines: Line) -> History:
    return history(*TWO, *lines, boot=False, replicas=2)


def test_a_request_to_a_paused_aggregator_may_have_no_response() -> None:
    """It lies in a socket, and whether it will count cannot be seen."""
    lines = (sent(EAST, 0), sent(WEST, 10, error="timeout", after=10_000), notified("timed_out", 120, WEST))

    assert rules(history(*lines, pause(9, 30))) == []
    assert rules(history(*lines)) == [Rule.ACKNOWLEDGEMENT]


@pytest.mark.parametrize(("at", "broken"), [(40.5, []), (45.5, [Rule.NOTIFICATION])])
def test_what_falls_due_in_a_pause_may_come_after_it(at: float, broken: list[Rule]) -> None:
    """With the grace of a start, and no more."""
    assert rules(history(sent(EAST, 0), sent(WEST, 10), pause(10.1, 40), notified("completed", at))) == broken


def test_a_pause_loses_nothing() -> None:
    """It is no crash: what was acknowledged is in memory still."""
    played = history(sent(EAST, 0), sent(WEST, 10), pause(10.1, 40), notified("timed_out", 120, WEST))

    assert rules(played) == [Rule.OUTCOME]
    assert "crash" not in judge(played).findings[0].message


PAUSED = pause(10.01, 70, replica=1)


@pytest.mark.parametrize(
    ("paused", "again", "broken"),
    [
        pytest.param(PAUSED, notified("completed", 70.5), [], id="it resumes and sends"),
        pytest.param(PAUSED, notified("completed", 75), [Rule.NOTIFICATION], id="long after it resumed"),
        pytest.param(
            PAUSED, notified("completed", 70.5, key="b"), [Rule.NOTIFICATION], id="under another key"
        ),
        pytest.param(PAUSED, notified("timed_out", 70.5, WEST), [Rule.OUTCOME], id="another outcome"),
        pytest.param(
            pause(5, 70, replica=2),
            notified("completed", 70.5),
            [Rule.NOTIFICATION],
            id="it was paused before there was an outcome",
        ),
    ],
)
def test_a_process_may_send_after_a_pause_what_it_had_begun(
    paused: Line, again: Line, broken: list[Rule]
) -> None:
    """Nothing can prevent a request whose sender was paused just before it; the sink can tell by its key."""
    lines = (sent(EAST, 0, replica=1), sent(WEST, 10, replica=1), notified("completed", 12))

    assert rules(replicated(*lines, paused, again)) == broken


@pytest.mark.parametrize(
    ("accepted", "broken"),
    [
        pytest.param(70.3, [], id="its time limit was over when it resumed"),
        pytest.param(75, [Rule.NOTIFICATION], id="it was sent long after"),
    ],
)
def test_a_process_that_was_paused_may_have_given_up_on_the_response(
    accepted: float, broken: list[Rule]
) -> None:
    """It repeats after its usual pause, however long that is: nine minutes are right."""
    lines = (sent(EAST, 0), sent(WEST, 10), pause(10.01, 70))

    assert rules(history(*lines, notified("completed", accepted), notified("completed", 610))) == broken


@pytest.mark.parametrize(
    ("down_at", "notified_at", "broken"),
    [
        pytest.param(60, 120.5, [], id="noticed long ago"),
        pytest.param(60, 140, [Rule.DEADLINE], id="noticed and late"),
        pytest.param(110, 140, [], id="not noticed yet"),
        pytest.param(110, 150, [Rule.DEADLINE], id="not noticed in time"),
    ],
)
def test_other_replicas_have_a_while_until_they_do_the_work(
    down_at: float, notified_at: float, broken: list[Rule]
) -> None:
    """However long the one that is down stays away."""
    lines = (sent(EAST, 0, replica=1), down(down_at, replica=1), notified("timed_out", notified_at, WEST))

    assert rules(replicated(*lines)) == broken


def test_while_all_replicas_are_down_nothing_is_due() -> None:
    """One goes down after the other, and comes back after the other."""
    lines = (
        sent(EAST, 0, replica=1),
        *(down(100, replica=1), down(101, replica=2), up(300, replica=2), up(400, replica=1)),
    )

    assert rules(replicated(*lines, notified("timed_out", 304, WEST))) == []
    assert rules(replicated(*lines, notified("timed_out", 320, WEST))) == [Rule.DEADLINE]


def test_only_the_replica_that_is_down_may_refuse() -> None:
    """No outage explains it for the other one."""
    lines = (
        down(5, replica=2),
        up(30, replica=2),
        sent(EAST, 0, replica=1),
        notified("timed_out", 120, WEST),
    )

    assert rules(replicated(*lines, sent(WEST, 10, error="refused", replica=2))) == []
    assert rules(replicated(*lines, sent(WEST, 10, error="refused", replica=1))) == [Rule.ACKNOWLEDGEMENT]


def test_two_replicas_that_notify_at_once_are_one_too_many() -> None:
    """Neither died, and neither was paused."""
    assert rules(replicated(both(), notified("completed", 1), notified("completed", 1.5))) == [
        Rule.NOTIFICATION
    ]


@pytest.mark.parametrize(
    ("stop", "back", "broken"), [(60, 68, []), (50, 55, [Rule.NOTIFICATION]), (67.5, 68, [Rule.NOTIFICATION])]
)
def test_a_2xx_may_be_lost_while_it_stops(stop: float, back: float, broken: list[Rule]) -> None:
    """From SIGTERM on it may be gone at any time; it stopped waiting before the response came."""
    lines = (sent(EAST, 0), sent(WEST, 63), down(stop, "stop"), up(back))

    assert rules(history(*lines, notified("completed", 63, after=3_000), notified("completed", 69))) == broken


def test_an_attempt_that_hangs_while_the_aggregator_stands_still_is_given_up_when_it_goes_on() -> None:
    """Then it may pause before it tries again, as after any attempt that failed."""

    def sent_again(at: float) -> Verdict:
        faults = (SinkHangs(until=3_000_000),)
        hangs = notified("completed", 0.1, error="hung", after=7_000_000)
        return judge(history(both(), hangs, pause(1, 7_000), notified("completed", at), faults=faults))

    assert sent_again(7_010).findings == ()
    assert sent_again(7_590).findings == ()
    assert sent_again(7_700).validity is Validity.INVALID
