"""What it looks like that a notification is absent, comes again, or comes under another key."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.simulator.faults.aggregator import ClockJump
from tests.harness.oracle.histories import (
    EAST,
    WEST,
    Line,
    both,
    crash,
    fault_applied,
    history,
    notified,
    occurred,
    pause,
    sent,
    unattributed,
    up,
)

IMAGE: dict[str, Any] = {"tag": "t", "digest": "sha256:1"}
FIRST = (occurred(**IMAGE, ids="a"), both(), notified("completed", 0.1, key="a", tag="t"))
AGAIN = (occurred("op2", 600, **IMAGE, ids="b"), both(600, op="op2"))
WAITS = (occurred("op2", 5), sent(EAST, 5, op="op2"))


def timed_out(at: float = 120, *missing: str, **fields: Any) -> Line:
    return notified("timed_out", at, *(missing or (WEST,)), **fields)


def completed(at: float, **fields: Any) -> Line:
    return notified("completed", at, **fields)


ABSENT: dict[str, tuple[History, tuple[str, ...]]] = {
    "though complete": (history(both()), ("B06", "B51")),
    "though complete, in envelopes": (history(sent(EAST, 0, envelope=1), sent(WEST, 1)), ("B63",)),
    "though complete, with another push of its tag": (
        history(occurred("op2", tag="op1"), sent(EAST, 0, op="op2"), both(1), timed_out(op="op2")),
        ("B31", "B19"),
    ),
    "and what was read is no object": (history(both(), unattributed(1)), ()),
    "of an image that was pushed again": (history(*FIRST, *AGAIN, correlation="image"), ("B48",)),
    "of a push whose outcome had the key of the one before": (
        history(*FIRST, *AGAIN, completed(600.1, key="a", tag="t"), correlation="image"), ("B19",),
    ),
    "with a key that is like another one": (
        history(
            occurred(ids="A"), both(), occurred("op2", ids="a"), both(0, op="op2"), completed(1, op="op2"),
        ),
        ("B19",),
    ),
    "after a crash when it completed": (history(both(), crash(0.5, 1)), ("B51",)),
    "after a crash when it timed out": (history(sent(EAST, 0), crash(120.1, 121)), ("B43c", "B51")),
    "after a crash while it waited": (history(sent(EAST, 0), crash(60, 61)), ("B38", "B43c", "B50")),
    "though complete, after a crash while it waited": (
        history(sent(EAST, 0), crash(60, 61), sent(WEST, 90)), ("B50",),
    ),
    "at its deadline": (history(sent(EAST, 0)), ("B33",)),
    "at its deadline, and another one was": (
        history(sent(EAST, 0), timed_out(), *WAITS), ("B40",),
    ),
    "at its deadline, after another one's that had completed": (
        history(both(), completed(0.1), *WAITS), ("B43d", "B33"),
    ),
    "at its deadline, beside one that completes afterwards": (
        history(sent(EAST, 9), sent(WEST, 100), completed(100.1), *WAITS), ("B33",),
    ),
    "at its deadline, when the clock was set": (
        history(sent(EAST, 0), fault_applied(20), faults=(ClockJump(at=20_000, forward=50_000),)), ("B42",),
    ),
}  # fmt: skip
TWICE: dict[str, tuple[History, tuple[str, ...]]] = {
    "the same, with nothing near": (history(both(), completed(0.1), completed(60)), ("B43b",)),
    "the same, when it starts": (history(both(), completed(0.1), crash(60, 61), completed(61)), ("B53",)),
    "the same, when a copy comes": (
        history(both(), completed(0.1), sent(EAST, 60), completed(60.1)), ("B65", "B43b"),
    ),
    "the same, long after a copy": (
        history(both(), completed(0.1), sent(EAST, 60), completed(70)), ("B43b",),
    ),
    "without an outcome, when the last region is late": (
        history(
            sent(EAST, 0), timed_out(outcome=None), sent(WEST, 150), timed_out(150.1, outcome=None),
        ), ("B47",),
    ),
    "completed, under two keys": (
        history(both(), completed(0.1, key="a"), completed(0.1, key="b")), ("B15",),
    ),
    "timed out, under two keys": (
        history(sent(EAST, 0), timed_out(key="a"), timed_out(key="b")), ("B43b",),
    ),
    "another key after it was refused": (
        history(both(), completed(0.1, key="a", status=503), completed(5, key="b")), ("B52",),
    ),
    "another key after a crash": (
        history(both(), completed(0.1, key="a"), crash(1, 2), completed(2, key="b")), ("B52",),
    ),
    "another key after a copy": (
        history(both(), completed(0.1, key="a"), sent(EAST, 60), completed(60, key="b")), ("B44", "B18"),
    ),
    "of different regions": (
        history(sent(EAST, 0), timed_out(120, WEST, key="a"), timed_out(180, EAST, key="b")), ("B20",),
    ),
    "with a key that is like another one": (
        history(
            occurred(ids="A"), occurred("op2", ids="a"), both(), completed(0.1, key="a"),
            completed(1, key="b"),
        ),
        ("B19",),
    ),
    "two outcomes": (history(both(), completed(0.1), timed_out()), ("B36",)),
    "two outcomes, and a key like another one": (
        history(occurred(ids="A"), occurred("op2", ids="a"), both(), completed(0.1), timed_out()), ("B19",),
    ),
    "one timeout after a copy": (
        history(both(), completed(0.1), sent(EAST, 60), timed_out(180)), ("B44", "B18"),
    ),
    "when the missing region comes": (
        history(sent(EAST, 0), timed_out(), sent(WEST, 130), completed(130.1)), ("B47",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ABSENT)
def test_an_absent_outcome_looks_like_what_came_instead(name: str) -> None:
    """Crashes, deadlines, other operations; of the absence itself."""
    played, looks_like = ABSENT[name]

    absent = [it for it in judge(played).findings if "was not reported" in it.message]

    assert [it.looks_like for it in absent] == [looks_like]


@pytest.mark.parametrize("name", TWICE)
def test_a_second_notification_looks_like_what_came_before_it(name: str) -> None:
    """A start, a copy, a refusal, or nothing."""
    played, looks_like = TWICE[name]

    assert judge(played).findings[-1].looks_like == looks_like


def replicas(*lines: Line) -> History:
    return history(up(0, replica=1), up(0, replica=2), *lines, boot=False, replicas=2)


def test_two_replicas_that_report_under_two_keys_decide_each_for_itself() -> None:
    """Or one of them had been paused, and acts on what it knew before."""
    told = (completed(0.1, key="a"), completed(30, key="b"))

    assert judge(replicas(both(), *told)).findings[-1].looks_like == ("B26", "B54")
    paused = replicas(both(), pause(0.05, 29.5, replica=2), *told)
    assert judge(paused).findings[-1].looks_like == ("B53", "B56")


def test_a_second_outcome_after_an_early_one_looks_like_what_made_that_early() -> None:
    """The second one is right."""
    early = history(sent(EAST, 0), timed_out(60, key="a"), sent(EAST, 119), timed_out(120, key="b"))
    anew = history(sent(EAST, 0), timed_out(60, key="a"), sent(EAST, 61), timed_out(181, key="b"))

    assert judge(early).findings[-1].looks_like == ("B67",)
    assert judge(anew).findings[-1].looks_like == ("B67",)
