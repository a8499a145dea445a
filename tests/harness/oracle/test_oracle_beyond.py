"""Histories of aggregators that stood still, had replicas, or were told something new; all by hand."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    Line,
    both,
    crash,
    down,
    history,
    notified,
    pause,
    sent,
    up,
)

TWO = (up(0, replica=1), up(0, replica=2))
THREE_OF_TWO: dict[str, Any] = {"regions": (EAST, WEST, NORTH), "expects": (EAST, WEST)}


def rules(it: History) -> list[Rule]:
    """What was broken; and that all else is beyond doubt."""
    verdict = judge(it)
    assert verdict.doubts == ()
    return [finding.rule for finding in verdict.findings]


def replicated(*lines: Line) -> History:
    return history(*TWO, *lines, boot=False, replicas=2)


# --- standing still ---


def test_a_request_to_one_that_stands_still_may_have_no_answer() -> None:
    """It lies in a socket; whether it will count, nobody can tell."""
    lines = (sent(EAST, 0), sent(WEST, 10, error="timeout", after=10_000), notified("timed_out", 120, WEST))

    assert rules(history(*lines, pause(9, 30))) == []
    assert rules(history(*lines)) == [Rule.ACKNOWLEDGEMENT]


@pytest.mark.parametrize(("at", "broken"), [(40.5, []), (45.5, [Rule.NOTIFICATION])])
def test_what_falls_due_in_a_pause_is_told_after_it(at: float, broken: list[Rule]) -> None:
    """With the grace of a start, and no more."""
    assert rules(history(sent(EAST, 0), sent(WEST, 10), pause(10.1, 40), notified("completed", at))) == broken


def test_a_pause_loses_nothing() -> None:
    """It is no crash: what was acknowledged is in memory still."""
    it = history(sent(EAST, 0), sent(WEST, 10), pause(10.1, 40), notified("timed_out", 120, WEST))

    assert rules(it) == [Rule.OUTCOME]
    assert "crash" not in judge(it).findings[0].message


# --- replicas ---


@pytest.mark.parametrize(
    ("lines", "broken"),
    [
        pytest.param([pause(10.01, 70, replica=1), notified("completed", 70.5)], [], id="it wakes and sends"),
        pytest.param(
            [pause(10.01, 70, replica=1), notified("completed", 75)],
            [Rule.NOTIFICATION],
            id="long after it woke",
        ),
        pytest.param(
            [pause(10.01, 70, replica=1), notified("completed", 70.5, key="another")],
            [Rule.NOTIFICATION],
            id="under another key",
        ),
        pytest.param(
            [pause(10.01, 70, replica=1), notified("timed_out", 70.5, WEST)],
            [Rule.OUTCOME],
            id="another outcome",
        ),
        pytest.param(
            [pause(5, 70, replica=2), notified("completed", 70.5)],
            [Rule.NOTIFICATION],
            id="it stood still before there was anything to tell",
        ),
    ],
)
def test_a_zombie_may_send_what_it_had_begun(lines: list[Line], broken: list[Rule]) -> None:
    """Nobody can hold back a request whose sender was stopped just before it; but the sink must know it."""
    it = replicated(sent(EAST, 0, replica=1), sent(WEST, 10, replica=1), notified("completed", 12), *lines)

    assert rules(it) == broken


@pytest.mark.parametrize(
    ("fell", "told_at", "broken"),
    [
        pytest.param(60, 120.5, [], id="noticed long ago"),
        pytest.param(60, 140, [Rule.DEADLINE], id="noticed and late"),
        pytest.param(110, 140, [], id="not noticed yet"),
        pytest.param(110, 150, [Rule.DEADLINE], id="not noticed in time"),
    ],
)
def test_the_others_have_a_while_to_take_over(fell: float, told_at: float, broken: list[Rule]) -> None:
    """However long the one that is gone stays away."""
    lines = (sent(EAST, 0, replica=1), down(fell, replica=1), notified("timed_out", told_at, WEST))

    assert rules(replicated(*lines)) == broken


def test_while_nobody_works_nothing_is_due() -> None:
    """One after the other, and back one after the other."""
    lines = (
        sent(EAST, 0, replica=1),
        *(down(100, replica=1), down(101, replica=2), up(300, replica=2), up(400, replica=1)),
    )

    assert rules(replicated(*lines, notified("timed_out", 304, WEST))) == []
    assert rules(replicated(*lines, notified("timed_out", 320, WEST))) == [Rule.DEADLINE]


def test_only_the_replica_that_is_down_may_refuse() -> None:
    """The other one has no excuse."""
    lines = (
        down(5, replica=2),
        up(30, replica=2),
        sent(EAST, 0, replica=1),
        notified("timed_out", 120, WEST),
    )

    assert rules(replicated(*lines, sent(WEST, 10, error="refused", replica=2))) == []
    assert rules(replicated(*lines, sent(WEST, 10, error="refused", replica=1))) == [Rule.ACKNOWLEDGEMENT]


def test_two_that_tell_at_once_are_one_too_many() -> None:
    """Nobody fell, and nobody stood still."""
    it = replicated(both(), notified("completed", 1), notified("completed", 1.5))

    assert rules(it) == [Rule.NOTIFICATION]


def test_every_replica_comes_up() -> None:
    """One that is refused by the other leaves an aggregator of one, which nobody asked for."""
    alone = history(
        up(0, replica=1), down(0, "failed", "in use", replica=2), both(), notified("completed", 1), boot=False
    )

    assert rules(alone) == [Rule.ACKNOWLEDGEMENT]
    assert judge(alone).findings[0].message == "replica 2 did not start at +0s: in use"


# --- an orderly stop ---


@pytest.mark.parametrize(
    ("stop", "back", "broken"), [(60, 68, []), (50, 55, [Rule.NOTIFICATION]), (67.5, 68, [Rule.NOTIFICATION])]
)
def test_a_2xx_may_be_lost_while_it_stops(stop: float, back: float, broken: list[Rule]) -> None:
    """From SIGTERM on it may be gone at any time; it stopped waiting before the answer came."""
    lines = (sent(EAST, 0), sent(WEST, 63), down(stop, "stop"), up(back))

    assert rules(history(*lines, notified("completed", 63, after=3_000), notified("completed", 69))) == broken


# --- configured anew ---


def test_an_operation_is_judged_by_what_was_configured_when_it_began() -> None:
    """The first one began with two regions, the second with three."""
    news = (down(10, "stop"), up(11, expects=(EAST, WEST, NORTH)))
    of_two: dict[str, Any] = {"arrived": [EAST, WEST]}
    first = (sent(EAST, 0), sent(WEST, 20), notified("completed", 20.1, **of_two))
    second = (sent(EAST, 30, op="op2"), sent(WEST, 31, op="op2"))

    right = history(*news, *first, *second, notified("timed_out", 150, NORTH, op="op2"), **THREE_OF_TWO)
    hasty = history(*news, *first, *second, notified("completed", 31.1, op="op2", **of_two), **THREE_OF_TWO)
    fickle = history(*news, *first[:2], notified("timed_out", 120, NORTH), **THREE_OF_TWO)

    assert rules(right) == []
    assert Rule.OUTCOME in rules(hasty)
    assert Rule.EXPECTED_REGIONS in rules(fickle)


@pytest.mark.parametrize(
    ("status", "at", "broken"),
    [
        pytest.param(400, 5, [], id="refused before it is expected"),
        pytest.param(202, 5, [Rule.EXPECTED_REGIONS], id="accepted before it is expected"),
        pytest.param(202, 30, [], id="late for an operation that never expected it"),
        pytest.param(422, 30, [], id="refused for the same reason"),
    ],
)
def test_a_region_is_unknown_until_it_is_expected(status: int, at: float, broken: list[Rule]) -> None:
    """From then on it has its place in new operations; what an old one makes of it is open."""
    lines = (sent(EAST, 0), sent(WEST, 1), notified("completed", 1.1, arrived=[EAST, WEST]))
    news = (down(10, "stop"), up(11, expects=(EAST, WEST, NORTH)))

    assert rules(history(*lines, *news, sent(NORTH, at, status=status), **THREE_OF_TWO)) == broken


def test_a_new_timeout_is_for_new_operations() -> None:
    """The old one keeps its deadline."""
    news = (down(10, "stop"), up(11, timeout=30_000))
    new = (sent(EAST, 20, op="op2"), notified("timed_out", 50, WEST, op="op2"))

    assert rules(history(*news, *new, sent(EAST, 0), notified("timed_out", 120, WEST))) == []
    assert rules(history(*news, *new, sent(EAST, 0), notified("timed_out", 31, WEST))) == [Rule.DEADLINE]


def test_an_operation_that_may_have_begun_before_or_after_is_not_judged() -> None:
    """Its first delivery had no answer, and its second came after the news."""
    lines = (sent(EAST, 9.99, error="reset", after=20), down(10, "stop"), up(11, expects=(EAST, WEST, NORTH)))

    verdict = judge(history(*lines, sent(WEST, 20), notified("completed", 21), **THREE_OF_TWO))

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts == ("op1 may have begun under either of two configurations",)


# --- envelopes ---


def test_a_broken_event_in_an_envelope_may_be_acknowledged_and_must_not_count() -> None:
    """The 2xx is for the others."""
    sound = (*(sent(region, 0, envelope=1) for region in (EAST, WEST)), notified("completed", 1))
    broken = sent(EAST, 0, envelope=1, invalid="malformed:no-id", op="op2")

    assert rules(history(*sound, broken)) == []
    assert rules(history(*sound, sent(EAST, 0, invalid="malformed:no-id", op="op2"))) == [
        Rule.ACKNOWLEDGEMENT
    ]
    assert rules(history(*sound, broken, notified("timed_out", 120, WEST, op="op2"))) == [
        Rule.ACKNOWLEDGEMENT
    ]


def test_a_crash_is_still_a_crash() -> None:
    """The plain case, beside all of these."""
    assert rules(history(sent(EAST, 0), crash(10, 20), sent(WEST, 30), notified("completed", 30.1))) == []
