"""The oracle on answers that wait for the sink."""

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule
from fanin.simulator.faults.sink import SinkDown, SinkStalls
from tests.harness.oracle.histories import (
    EAST,
    WEST,
    Line,
    down,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    up,
)

OPS = ("op1", "op2", "op3")


def one(op: str, *, takes: int = 3_005, before: int = 3, stalls: int = 3_000, at: float = 10) -> list[Line]:
    """An operation whose last delivery is answered after so long, and whose notification takes so long."""
    return [
        sent(EAST, at - 5, ok=before, op=op),
        sent(WEST, at, ok=takes, op=op),
        notified("completed", at + 0.001, after=stalls, op=op),
    ]


def stalled(*lines: Line) -> History:
    """The sink is slow."""
    return history(*lines, fault_applied(10.001), faults=(SinkStalls(by=3_000),))


def three(**each: int) -> list[Line]:
    return [line for op in OPS for line in one(op, **each)]


RIGHT = {
    "once, by chance": stalled(*one("op1")),
    "twice, by chance": stalled(*one("op1"), *one("op2")),
    "three times, and once not": stalled(*three(), *one("op4", takes=40)),
    "three times, and once the answer came before the notification": stalled(
        *three(), sent(EAST, 5, op="op4"), sent(WEST, 10, ok=2, op="op4"),
        notified("completed", 10.4, op="op4", after=3_000),
    ),
    "every answer takes three seconds": stalled(*three(before=3_000)),
    "a ping was answered after three seconds": stalled(
        *three(), occurred("op4", 1, action="ping"), sent(EAST, 1, status=200, after=2_500, op="op4")
    ),
    "a delivery was refused after three seconds": stalled(
        *three(), sent(EAST, 1, status=400, after=2_500, op="op1", invalid="malformed:no-id")
    ),
    "an answer comes well after the sink's": stalled(*three(takes=3_300)),
    "an answer comes before the sink's": stalled(*three(takes=2_900)),
    "the sink answers at once": history(*three(stalls=5)),
    "the sink never answers": history(
        *(sent(EAST, 5, op=op) for op in OPS), *(sent(WEST, 10, ok=3_005, op=op) for op in OPS),
        *(notified("completed", 10.1, after=None, op=op) for op in OPS),
        *(notified("completed", 20, op=op) for op in OPS),
    ),
    "the notification is sent after the answer": stalled(
        *(sent(EAST, 5, op=op) for op in OPS), *(sent(WEST, 10, ok=2, op=op) for op in OPS),
        *(notified("completed", 10.003, after=3_000, op=op) for op in OPS),
    ),
    "it was going down": stalled(*three(), down(12, "stop"), up(14)),
    "it is the deadline that is notified": stalled(
        *(sent(EAST, 5, op=op) for op in OPS),
        *(notified("timed_out", 125.1, WEST, after=3_000, op=op) for op in OPS),
    ),
    "two were held, and the third was answered before its notification was sent": stalled(
        *one("op1"), *one("op2"), *one("op3", takes=2, stalls=3_000)
    ),
    "three were answered just then, two of them no later than others are": stalled(
        *one("op1"), *one("op2", takes=3_100, stalls=3_000), *one("op3", takes=8_000, stalls=7_900),
        sent(EAST, 50, ok=2_500, op="op1"),
    ),
    "one of two came also after what the sink was told of the next push": history(
        *(occurred(op, 4, ids=f"id-{op}", tag="t") for op in ("op1", "op2")),
        *one("op1"), sent(EAST, 10.0005, op="op2"), sent(WEST, 10.0005, op="op2"),
        notified("completed", 10.002, op="op2", after=3_000), *one("op3"),
        fault_applied(10.001), faults=(SinkStalls(by=3_000),), correlation="image",
    ),
    "nothing was acknowledged": history(
        *(sent(EAST, 5, op=op, error="reset") for op in OPS), down(5.003), up(6),
        *(notified("timed_out", 125.1, WEST, after=3_000, op=op) for op in OPS),
    ),
}  # fmt: skip


def test_answers_that_come_when_the_sink_has_answered_were_held() -> None:
    """The sink never holds up the answer to a delivery."""
    verdict = judge(stalled(*three()))

    assert [it.rule for it in verdict.findings] == [Rule.ISOLATION] * 3
    assert verdict.findings[0].message == (
        "op1 had its delivery from westus, sent at +10s, answered at +13.005s, when the sink had answered"
        " the notification of +10.001s at +13.001s"
    )


WRONG = {
    "another delivery of one was open, and answered at once": stalled(
        *three(), sent(WEST, 10.0005, ok=2, op="op3", copy=1)
    ),
    "one was notified again meanwhile, as the sink may not have been heard": stalled(
        *three(), notified("completed", 13.002, op="op3", after=3_000)
    ),
    "one waited for both of its notifications": stalled(
        *one("op1"), *one("op2"), *one("op3", takes=6_005),
        notified("completed", 13.002, op="op3", after=3_000),
    ),
    "two deliveries of it waited": stalled(*three(), sent(WEST, 10.0005, ok=3_010, op="op3", copy=1)),
    "another was answered when the sink had refused the connection": history(
        *three(at=30), sent(EAST, 5, op="op4"), sent(WEST, 10, ok=2, op="op4"),
        notified("completed", 11.5, op="op4", after=3_000),
        fault_applied(10.001), fault_applied(9.9, fault=1),
        faults=(SinkStalls(by=3_000), SinkDown(since=9_900, until=11_000)),
    ),
    "another was sent again after a restart": stalled(
        *three(at=30), sent(EAST, 5, op="op4"), sent(WEST, 10, ok=2, op="op4"), down(10.001), up(10.5),
        notified("completed", 10.7, op="op4", after=3_000),
    ),
    "nothing says how the last delivery of another was answered": stalled(
        *three(), sent(EAST, 5, op="op4"), sent(WEST, 10, op="op4", error="timeout"),
        notified("completed", 20.4, op="op4", after=3_000),
    ),
    "another operation timed out, and a delivery of it was answered at once": stalled(
        *three(), sent(EAST, 10, op="op4"), sent(WEST, 129.999, ok=40, op="op4"),
        notified("timed_out", 130.003, WEST, after=3_000, op="op4"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_answer_to_the_delivery_that_completed_it_speaks_not_against_it(name: str) -> None:
    """A handler that waits holds up the one delivery by which its operation is complete."""
    held = [it for it in judge(WRONG[name]).findings if it.rule is Rule.ISOLATION]

    assert [it.op for it in held][:3] == list(OPS)


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_that_is_only_slow_was_not_held(name: str) -> None:
    """How fast an aggregator answers is its own affair."""
    assert judge(RIGHT[name]).findings == ()
