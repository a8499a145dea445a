"""The oracle on late completions: told once, when it is so, and only of what had timed out."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity
from fanin.simulator.faults.sink import SinkDown
from tests.harness.oracle.histories import (
    DAY,
    EAST,
    NORTH,
    THREE,
    WEST,
    Line,
    both,
    crash,
    down,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    up,
)

TIMED_OUT = (sent(EAST, 0), notified("timed_out", 120.01, WEST))
LATE = (*TIMED_OUT, sent(WEST, 600))


def told(at: float, /, *missing: str, key: str = "late", **more: Any) -> Line:
    return notified("completed_late", at, *missing, key=key, **more)


def push(op: str) -> Line:
    """A push of the image that all others are pushes of."""
    return occurred(op, 0, tag="t", ids={EAST: f"{op}-{EAST}", WEST: f"{op}-{WEST}"})


# Two pushes of one image whose webhooks mix: the second region's of the first comes when both have outcomes.
MIXED = (
    push("op1"), push("op2"), sent(EAST, 0), sent(WEST, 0, op="op2"), sent(EAST, 1, op="op2"),
    notified("completed", 0.01, tag="t", key="a"), notified("timed_out", 121.01, WEST, tag="t", key="b"),
    sent(WEST, 3_600),
)  # fmt: skip


def run(*lines: Line, notifies_late: bool = True, **more: Any) -> History:
    return history(*lines, notifies_late=notifies_late, **more)


# After the retention, the same once more.
AGAIN = (
    sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120.01, WEST, key="b"), sent(WEST, 8 * DAY + 600),
    told(8 * DAY + 600.01, key="next"),
)  # fmt: skip

RIGHT = {
    "once": run(*LATE, told(600.01)),
    "again until it is accepted": run(*LATE, told(600.01, status=503), told(605)),
    "again if the 2xx was lost in a crash": run(*LATE, told(600.01), crash(600.5, 601), told(601.01)),
    "not at all, where it is not": run(*LATE, notifies_late=False),
    "not at all, of what was in time": run(both(), notified("completed", 0.1)),
    "not at all, of what never arrived": run(*TIMED_OUT),
    "not again before the watch ends": run(*LATE, told(600.01, status=503), end=700),
    "not again in a run that was cut short": run(*LATE, told(600.01, status=503), complete=False),
    "not at all, when it may be forgotten": run(*TIMED_OUT, sent(WEST, 8 * DAY)),
    "once more, of the operation after the retention": run(*LATE, told(600.01), *AGAIN),
    "of that one, after the first one had completed": run(both(), notified("completed", 0.1), *AGAIN),
    "of that one, a week later, though the first one may have timed out": run(
        sent(EAST, 0, ok=None),
        sent(WEST, 0),
        notified("completed", 0.1),
        *AGAIN[:2],
        sent(WEST, 16 * DAY),
        told(16 * DAY + 0.1),
    ),
    "of that one, under the key of the first message": run(
        *LATE, told(600.01), *AGAIN[:-1], told(8 * DAY + 600.01)
    ),
    "of that one, with the region that is expected since": run(
        sent(EAST, 0),
        notified("timed_out", 120.01, WEST, arrived=[EAST]),
        down(200, "stop"),
        up(201, expects=THREE),
        sent(WEST, 8 * DAY),
        sent(NORTH, 8 * DAY),
        notified("timed_out", 8 * DAY + 120.01, EAST, key="b"),
        sent(EAST, 8 * DAY + 600),
        told(8 * DAY + 600.01),
        regions=THREE,
        expects=(EAST, WEST),
    ),
    "again beside the next one, as it was refused": run(
        *LATE,
        *(told(600.01 + 500 * n, status=503) for n in range(1383)),
        *AGAIN[:-1],
        told(8 * DAY + 600.01, key="next"),
        told(8 * DAY + 601),
    ),
    "of one of two pushes that have mixed": run(
        *MIXED, told(3_600.01, tag="t"), correlation="image", ids="distinct"
    ),
    "where keys cannot be seen": run(
        sent(EAST, 0),
        notified("timed_out", 120.01, WEST, key=None),
        sent(WEST, 600),
        notified("completed_late", 600.01, key=None),
        run={"unobservable": ("key",)},
    ),
    "not yet": run(*LATE, end=600.5, complete=False),
    "soon after a start, if the last region reported just before": run(*LATE, crash(600.5, 700), told(704)),
    "when the sink is back": run(
        *LATE, fault_applied(550), told(900), faults=[SinkDown(since=550_000, until=800_000)]
    ),
}
WRONG = {
    "before the last region has reported": (run(*TIMED_OUT, told(500)), "though westus had not reported"),
    "of what was in time": (
        run(both(), notified("completed", 0.1), told(0.2)), "which had not timed out",
    ),
    "before the deadline": (run(sent(EAST, 0), sent(WEST, 1, ok=None), told(2)), "which had not timed out"),
    "under the key of the outcome": (run(*LATE, told(600.01, key="key-op1")), "under the key of its outcome"),
    "without a key": (
        run(*LATE, notified("completed_late", 600.01, key=None)), "at +10m00.01s, without a webhook-id",
    ),
    "under the key of another operation": (
        run(both(op="op2"), notified("completed", 0.1, op="op2"), *LATE, told(600.01, key="key-op2")),
        "under the key 'key-op2', used by op2",
    ),
    "under one key for two operations": (
        run(
            *LATE, told(600.01), sent(EAST, 1, op="op2"), notified("timed_out", 121.01, WEST, op="op2"),
            sent(WEST, 700, op="op2"), told(700.01, op="op2"),
        ),
        "under the key 'late', used by op1",
    ),
    "with a region missing": (run(*LATE, told(600.01, WEST)), "does not name every region as arrived"),
    "under two keys": (run(*LATE, told(600.01), told(700, key="later")), "though it was notified at"),
    "after it was accepted": (run(*LATE, told(600.01), told(700)), "which the sink had accepted before"),
    "not again although it was refused": (
        run(*LATE, told(600.01, status=503)), "which the sink has not accepted, and not again until",
    ),
    "of what was reported completed": (
        run(sent(EAST, 0), sent(WEST, 119.99, ok=20), notified("completed", 120), told(121)),
        "which had not timed out",
    ),
    "once more, when it cannot be forgotten": (
        run(*LATE, told(600.01), sent(EAST, 6 * DAY), told(6 * DAY + 1, key="next")),
        "though it was notified at",
    ),
    "before the next operation's deadline": (
        run(*LATE, told(600.01), both(8 * DAY), told(8 * DAY + 119, key="next")), "though it was notified at",
    ),
    "more often than an image was pushed": (
        run(
            *MIXED, *(told(3_600.01 + n, key=f"late{n}", tag="t") for n in range(3)),
            correlation="image", ids="distinct",
        ),
        "and there were 2 pushes",
    ),
    "never": (run(*LATE), "was completed late, at +10m00.003s, and that was not notified"),
    "a day late": (
        run(*LATE, told(DAY)), "at +1d, due at +10m00.003s and allowed until +10m01.003s",
    ),
    "long after a start": (run(*LATE, crash(601, 700), told(800)), "and allowed until +11m45s"),
    "after a start, though it was due long before": (
        run(*LATE, crash(650, 700), told(701)), "due at +10m00.003s",
    ),
    "where it is not": (
        run(*LATE, told(600.01), notifies_late=False), "timed_out at +2m00.01s and 'completed_late'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_the_contract_allows_is_valid(name: str) -> None:
    """Each of these is one way to be right."""
    assert judge(RIGHT[name]).findings == ()


@pytest.mark.parametrize("name", WRONG)
def test_what_it_does_not_allow_is_found(name: str) -> None:
    """Each of these is one way to be wrong."""
    played, words = WRONG[name]
    verdict = judge(played)

    assert verdict.validity is Validity.INVALID
    assert any(words in finding.message for finding in verdict.findings), verdict.findings
