"""Operations that began when their key may have been forgotten, and how they are judged."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.evidence import Evidence, Notification, collect
from fanin.harness.oracle.oracle import judge
from fanin.harness.oracle.successors import Successors, fits
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.faults.sink import SinkDown
from tests.harness.oracle.histories import (
    DAY,
    DONE,
    EAST,
    NORTH,
    THREE,
    WEST,
    Line,
    both,
    down,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    up,
)

EPOCH_MS = 1_772_323_200_000
SHORTER = (down(10, "stop"), up(11, timeout=30_000))
LONGER = (down(10, "stop"), up(11, timeout=500_000))
OF_TWO: dict[str, Any] = {"arrived": [EAST, WEST]}
LARGER = (both(), notified("completed", 0.1, **OF_TWO), down(10, "stop"), up(11, expects=THREE))
OF_THREE: dict[str, Any] = {"regions": THREE, "expects": (EAST, WEST)}
# The sink is down from the start, for longer than a notification has to be tried.
NO_SINK = SinkDown(since=0, until=6 * DAY * 1000)


def due(at: float) -> str:
    """A body's deadline at this instant."""
    return datetime.fromtimestamp(EPOCH_MS / 1000 + at, UTC).isoformat()


def run(*lines: Line, **played: Any) -> History:
    return history(*lines, run={"epoch": EPOCH_MS}, **played)


RIGHT: dict[str, History] = {
    "by the timeout that was configured when it began": run(
        *DONE, *SHORTER, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 30, WEST, key="b"),
    ),
    "of a delivery that no process read until it went on, when its key may be forgotten": run(
        *DONE, down(6 * DAY - 1, "pause"), sent(EAST, 6 * DAY, error="timeout", after=10_000),
        up(8 * DAY, "resume"), notified("timed_out", 8 * DAY + 120, WEST, key="b"),
    ),
    "by the same, and it says so": run(
        *DONE, *SHORTER, sent(EAST, 8 * DAY),
        notified("timed_out", 8 * DAY + 30, WEST, key="b", deadline=due(8 * DAY + 30)),
    ),
    "later than that: nothing has to come of it": run(
        *DONE, *SHORTER, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 99, WEST, key="b"),
    ),
    "by the regions that were configured when it began": run(
        *LARGER, sent(NORTH, 8 * DAY), notified("timed_out", 8 * DAY + 120, EAST, WEST, key="b"), **OF_THREE,
    ),
    "in the course of a restart, by the old timeout": run(
        *DONE, sent(EAST, 8 * DAY, error="reset"), down(8 * DAY), up(8 * DAY + 1, timeout=30_000),
        sent(EAST, 8 * DAY + 5), notified("timed_out", 8 * DAY + 120, WEST, key="b"),
    ),
    "in the course of a restart, by the new timeout": run(
        *DONE, sent(EAST, 8 * DAY, error="reset"), down(8 * DAY), up(8 * DAY + 1, timeout=30_000),
        sent(EAST, 8 * DAY + 5),
        notified("timed_out", 8 * DAY + 35, WEST, key="b", deadline=due(8 * DAY + 35)),
    ),
    "as the old process stops": run(
        *DONE, down(8 * DAY, "stop"), sent(EAST, 8 * DAY + 1), up(8 * DAY + 2, timeout=30_000),
        notified("timed_out", 8 * DAY + 121, WEST, key="b", deadline=due(8 * DAY + 121.001)),
    ),
    "twice, each by its own timeout": run(
        *DONE, *LONGER, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 500, WEST, key="b"),
        down(10 * DAY), up(10 * DAY + 1, timeout=30_000), sent(WEST, 16 * DAY),
        notified("timed_out", 16 * DAY + 30, EAST, key="c"),
    ),
    "of two pushes that may have mixed, each by its own timeout": run(
        occurred("op1", 0, digest="sha256:1", tag="t", ids="a"),
        occurred("op2", 5, digest="sha256:1", tag="t", ids="b"),
        fault_applied(50), sent(EAST, 0), *SHORTER, sent(WEST, 20, ok=2000), sent(WEST, 21, op="op2"),
        notified("timed_out", 55, EAST, key="b", tag="t", deadline=due(51)),
        notified("completed", 55.1, key="a", tag="t", deadline=due(120)), correlation="image",
        faults=(SinkDown(since=0, until=55_000),),
    ),
}  # fmt: skip

UNKNOWN: dict[str, History] = {
    "the first outcome was given up, and nothing was read of it": run(
        sent(EAST, 0), sent(WEST, 9 * DAY),
        notified("timed_out", 9 * DAY + 120, EAST, key="b", deadline=due(9 * DAY + 120)), faults=(NO_SINK,),
    ),
    "and with that deadline it is not the first one's": run(
        sent(EAST, 0), sent(EAST, 9 * DAY),
        notified("timed_out", 9 * DAY + 120, WEST, key="b", deadline=due(9 * DAY + 120)), faults=(NO_SINK,),
    ),
}  # fmt: skip

WRONG: dict[str, tuple[Rule, History]] = {
    "before the timeout that was configured when it began": (
        Rule.DEADLINE,
        run(*DONE, *LONGER, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, WEST, key="b")),
    ),
    "before the shorter of the two under which it may have begun": (
        Rule.DEADLINE,
        run(
            *DONE, sent(EAST, 8 * DAY, error="reset"), down(8 * DAY), up(8 * DAY + 1, timeout=30_000),
            notified("timed_out", 8 * DAY + 29, WEST, key="b"),
        ),
    ),
    "by the regions that were configured before": (
        Rule.CONTENT,
        run(
            *LARGER, sent(EAST, 8 * DAY),
            notified("timed_out", 8 * DAY + 120, WEST, key="b", arrived=[EAST]), **OF_THREE,
        ),
    ),
    "with the deadline of the other timeout": (
        Rule.CONTENT,
        run(
            *DONE, *LONGER, sent(EAST, 8 * DAY),
            notified("timed_out", 8 * DAY + 500, WEST, key="b", deadline=due(8 * DAY + 120)),
        ),
    ),
    "the first outcome was never reported, and nothing was in the way": (
        Rule.NOTIFICATION,
        run(
            sent(EAST, 0), sent(WEST, 9 * DAY),
            notified("timed_out", 9 * DAY + 120, EAST, key="b", deadline=due(9 * DAY + 120)),
        ),
    ),
    "every region is missing": (
        Rule.OUTCOME,
        run(*DONE, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, EAST, WEST, key="b")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_some_configuration_explains_is_right(name: str) -> None:
    """Each of these is one way to begin anew."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert verdict.validity is Validity.VALID


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_successor_of_what_was_given_up_is_no_finding(name: str) -> None:
    """The sink may read nothing of an operation, and then an outcome of the next one."""
    assert judge(UNKNOWN[name]).validity is Validity.UNKNOWN


@pytest.mark.parametrize("name", WRONG)
def test_what_no_configuration_explains_is_found(name: str) -> None:
    """Each of these is one way to be wrong."""
    rule, played = WRONG[name]

    findings = judge(played).findings

    assert findings
    assert findings[0].rule is rule, findings


# --- the parts ---


def bounds_and(*lines: Line) -> tuple[Successors, Notification, Evidence]:
    evidence = collect(run(*lines))
    (operation,) = evidence.operations
    return Successors(operation, evidence), operation.notifications[-1], evidence


def test_what_nothing_explains_is_measured_by_what_it_is_not() -> None:
    """By bounds that do not allow it. What is no outcome is allowed by all; without attempts, by none."""
    since = 7 * DAY * 1000
    again = (*DONE, sent(EAST, 8 * DAY))

    found, early, _ = bounds_and(*again, notified("timed_out", 8 * DAY + 119, WEST, key="b"))
    assert found.of(since, early).explaining == []
    assert found.of(since, early).best in found.of(since, early).refuted
    found, done, _ = bounds_and(*again, notified("done", 8 * DAY + 1, WEST, key="b"))
    assert len(found.of(since, done).explaining) == 1
    found, none, _ = bounds_and(*DONE)
    assert found.of(since, none).best is None


def test_a_body_fits_the_regions_and_the_deadline_of_its_operation() -> None:
    """Where it names none, everything fits."""
    again = (*DONE, sent(EAST, 8 * DAY))
    bodies: dict[bool, list[dict[str, Any]]] = {
        True: [
            {},
            {"deadline": due(8 * DAY + 120)},
            {"deadline": "soon"},
            {"arrived": None, "missing": None},
        ],
        False: [{"arrived": [NORTH]}, {"deadline": due(8 * DAY + 60)}, {"deadline": due(9 * DAY)}],
    }

    for fit, fields in bodies.items():
        for body in fields:
            found, told, evidence = bounds_and(
                *again, notified("timed_out", 8 * DAY + 120.1, WEST, key="b", **body)
            )
            (bounds,) = found.possible(7 * DAY * 1000, told)
            assert fits(bounds, told, evidence) is fit, body
