"""Which operations may have had one key, one after the other, and which notification is whose."""

from typing import Any

import pytest

from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.generations import Generation, generations
from fanin.harness.oracle.pushes import separate
from tests.harness.oracle.histories import (
    DAY,
    DONE,
    EAST,
    NORTH,
    WEST,
    Line,
    both,
    history,
    notified,
    occurred,
    sent,
)

REFUSED = (both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(1383)))  # for eight days


def generations_of(*lines: Line, clock_drift: int = 0) -> list[Generation]:
    evidence = collect(history(*lines, run={"clock_drift": clock_drift}))
    return generations(evidence.operations[0], evidence, Allowances(evidence))


# By case: how many notifications each generation has.
SPLIT: dict[str, tuple[tuple[Line, ...], list[int]]] = {
    "no notification": ((both(),), [0]),
    "one": (DONE, [1]),
    "repeated": ((both(), notified("completed", 1, status=503), notified("completed", 2)), [2]),
    "two outcomes within the retention": ((*DONE, both(5), notified("timed_out", 125, WEST)), [2]),
    "a second outcome after the retention, and no delivery": ((*DONE, notified("completed", 8 * DAY)), [2]),
    "a second outcome after a delivery after the retention": (
        (*DONE, both(8 * DAY), notified("completed", 8 * DAY + 1, key="b")), [1, 1],
    ),
    "under the same key": ((*DONE, both(8 * DAY), notified("completed", 8 * DAY + 1)), [1, 1]),
    "after a delivery that was acknowledged when the retention was over": (
        (*DONE, sent(EAST, 7 * DAY - 0.003), notified("completed", 7 * DAY + 1, key="b")), [1, 1],
    ),
    "after a delivery that was acknowledged a millisecond before": (
        (*DONE, sent(EAST, 7 * DAY - 0.004), notified("completed", 7 * DAY + 1, key="b")), [2],
    ),
    "after a delivery without a response, which may count ten minutes later": (
        (*DONE, sent(EAST, 7 * DAY - 600, ok=None), notified("completed", 7 * DAY + 1, key="b")), [1, 1],
    ),
    "after a delivery without a response, more than ten minutes before": (
        (*DONE, sent(EAST, 7 * DAY - 601, ok=None), notified("completed", 7 * DAY + 1, key="b")), [2],
    ),
    "after a delivery that was refused": (
        (*DONE, sent(EAST, 8 * DAY, status=400), notified("completed", 8 * DAY + 1, key="b")), [2],
    ),
    "within the retention after the notification, though an earlier delivery may have counted": (
        (sent(EAST, 0, error="reset"), both(8 * DAY), notified("completed", 8 * DAY + 0.1),
         notified("completed", 8 * DAY + 600)), [2],
    ),
    "before its delivery": ((*DONE, notified("completed", 8 * DAY, key="b"), both(8 * DAY + 1)), [2]),
    "twice": (
        (*DONE, both(8 * DAY), notified("completed", 8 * DAY + 1, key="b"),
         both(16 * DAY), notified("completed", 16 * DAY + 1, key="c")), [1, 1, 1],
    ),
    "twice, the second time too early": (
        (*DONE, both(8 * DAY), notified("completed", 8 * DAY + 1, key="b"),
         both(14 * DAY), notified("completed", 14 * DAY + 1, key="c")), [1, 2],
    ),
    "the first repeated beside the second's, as it was refused": (
        (*REFUSED, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, WEST, key="b", status=503),
         notified("completed", 8 * DAY + 200), notified("timed_out", 8 * DAY + 300, WEST, key="b")),
        [1384, 2],
    ),
    "the first repeated beside the second's, though it was accepted": (
        (*DONE, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, WEST, key="b"),
         notified("completed", 8 * DAY + 200)), [2, 1],
    ),
    "the first was given up, and the second repeated": (
        (both(), sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, WEST, key="b"),
         notified("timed_out", 8 * DAY + 121, WEST, key="b")), [0, 2],
    ),
    "the first was given up, and the second said what it would have said, and again": (
        (both(), both(8 * DAY), notified("timed_out", 8 * DAY + 120.1, WEST, key="b"),
         both(16 * DAY), notified("timed_out", 16 * DAY + 120.1, WEST, key="b")), [0, 1, 1],
    ),
    "refused for longer than the retention, then accepted": (
        (*REFUSED, both(8 * DAY), notified("completed", 8 * DAY + 1)), [1384],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPLIT)
def test_a_notification_belongs_to_the_operation_that_may_have_sent_it(name: str) -> None:
    """Only after the retention, and only after a delivery then, may there be another operation."""
    lines, counts = SPLIT[name]

    found = generations_of(*lines)

    assert [len(it.notifications) for it in found] == counts
    assert [it.first for it in found] == [True] + [False] * (len(found) - 1)


# By case: the last generation's bounds, as the window of its deadline since the retention's end, in ms.
AGAIN: dict[str, tuple[tuple[Line, ...], tuple[int, int]]] = {
    "one delivery, whose deadline explains it": (
        (sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, WEST, key="b")), (120_000, -1),
    ),
    "one delivery, and too early": (
        (sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 5, WEST, key="b")), (120_000, 120_003),
    ),
    "two deliveries, of which the second may have started it": (
        (sent(EAST, 8 * DAY), both(8 * DAY + 100), notified("completed", 8 * DAY + 101, key="b")),
        (120_000, -1),
    ),
    "completed with one that came a day later": (
        (sent(EAST, 8 * DAY), sent(WEST, 9 * DAY), notified("completed", 9 * DAY + 1, key="b")),
        (120_000, 120_003),
    ),
    "without the one that started it": (
        (sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, EAST, key="b")), (120_000, -1),
    ),
    "a delivery without a response, which may have started it later": (
        (sent(EAST, 8 * DAY, ok=None), sent(WEST, 8 * DAY + 60),
         notified("timed_out", 8 * DAY + 180, EAST, key="b")), (120_000, -1),
    ),
    "no outcome that anything could explain": (
        (sent(EAST, 8 * DAY), notified("done", 8 * DAY + 1, key="b")), (120_000, -1),
    ),
    "no region is named": (
        (sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, key="b", missing=None)),
        (120_000, 120_003),
    ),
    "a refused delivery before": (
        (sent(WEST, 8 * DAY - 60, status=400), sent(EAST, 8 * DAY),
         notified("timed_out", 8 * DAY + 5, WEST, key="b")), (120_000, 120_003),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGAIN)
def test_a_later_operation_is_measured_by_the_attempt_that_may_have_started_it(name: str) -> None:
    """By bounds that allow its outcome, or else by some that do not; -1: the window has no end."""
    lines, (earliest, latest) = AGAIN[name]

    bounds = generations_of(*DONE, *lines)[-1].bounds

    assert bounds.deadline_from == 8 * DAY * 1000 + earliest
    if latest >= 0:
        assert bounds.deadline_until == 8 * DAY * 1000 + latest
    else:
        assert bounds.must == {}


def test_a_clock_that_drifts_may_fire_a_later_operations_deadline_early() -> None:
    """As it may the first one's."""
    early = (*DONE, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 119.98, WEST, key="b"))

    assert generations_of(*early)[1].bounds.must != {}
    assert generations_of(*early, clock_drift=20)[1].bounds.must == {}


OPENERS: dict[str, tuple[tuple[Line, ...], list[str]]] = {
    "nothing was sent": ((occurred(),), ["op1"]),
    "one event": (DONE, ["op1"]),
    "two events under one key": ((occurred("op2", 1, ids="id-op1"), *DONE), ["op1"]),
    "the first event's delivery was refused": (
        (occurred(), occurred("op2", 1, ids="id-op1"), sent(EAST, 0, status=400), sent(EAST, 2, op="op2")),
        ["op2"],
    ),
    "the second event after the retention": (
        (occurred("op2", 8 * DAY, ids="id-op1"), *DONE, both(8 * DAY, op="op2"),
         notified("completed", 8 * DAY + 1, op="op2")), ["op1", "op2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPENERS)
def test_a_generation_is_the_event_whose_delivery_may_have_started_it(name: str) -> None:
    """The first that may have counted; where none may, the first event."""
    lines, openers = OPENERS[name]

    assert [it.opener for it in generations_of(*lines)] == openers


def test_the_first_may_have_none_where_a_later_one_explains_what_was_read() -> None:
    """It was given up, and the sink has read the next one's outcome alone."""
    later = (sent(EAST, 0), sent(WEST, 8 * DAY), notified("timed_out", 8 * DAY + 120, EAST))
    none = (sent(EAST, 0), sent(WEST, 6 * DAY), notified("timed_out", 6 * DAY + 120, EAST))
    neither = (sent(EAST, 0), sent(WEST, 8 * DAY), notified("timed_out", 8 * DAY + 119, EAST))

    assert [len(it.notifications) for it in generations_of(*later)] == [0, 1]
    assert [len(it.notifications) for it in generations_of(*none)] == [1]
    assert [len(it.notifications) for it in generations_of(*neither)] == [1]


def test_what_is_refused_is_repeated_under_its_own_deadline() -> None:
    """Two that differ in their deadline alone are two, each until the sink accepts it."""
    first: dict[str, Any] = {"key": "a", "deadline": 1}
    lines = (
        sent(EAST, 0), notified("timed_out", 120, WEST, **first, status=503), sent(EAST, 8 * DAY),
        notified("timed_out", 8 * DAY + 120, WEST, key="a", deadline=2, status=503),
        notified("timed_out", 8 * DAY + 121, WEST, **first),
        notified("timed_out", 8 * DAY + 122, WEST, **first),
        notified("timed_out", 8 * DAY + 123, WEST, key="a", deadline=2),
    )  # fmt: skip

    assert [len(it.notifications) for it in generations_of(*lines)] == [3, 2]


def test_a_region_that_is_not_expected_is_not_missing() -> None:
    """A notification that names one is judged by the others."""
    lines = (*DONE, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, WEST, NORTH, key="b"))

    assert len(generations_of(*lines)) == 2


# --- pushes of one image that may have mixed ---

TWO = (
    occurred("op1", 0, digest="sha256:1", tag="t", ids="a"),
    occurred("op2", 1, digest="sha256:1", tag="t", ids="b"),
    sent(EAST, 0),
    both(1, op="op2"),
    sent(WEST, 1.5),
)


def mixed(*lines: Line) -> list[Generation]:
    """Of two pushes within a second of each other, whose deliveries cannot be told apart."""
    evidence = separate(collect(history(*TWO, *lines, correlation="image")))
    (operation,) = evidence.operations
    assert operation.pushes == 2
    return generations(operation, evidence, Allowances(evidence))


def test_as_many_outcomes_are_right_as_there_are_pushes() -> None:
    """A third one is not, nor a second one under the first one's key."""
    first, second, third = (notified("completed", 1 + n, key=f"k{n}", tag="t") for n in range(3))
    again = notified("timed_out", 9, WEST, key="k0", tag="t")

    assert [len(it.notifications) for it in mixed(first)] == [1]
    assert [len(it.notifications) for it in mixed(first, second)] == [1, 1]
    assert [len(it.notifications) for it in mixed(first, second, third)] == [1, 2]
    assert [len(it.notifications) for it in mixed(first, again)] == [2]


def test_after_the_retention_there_may_be_as_many_again() -> None:
    """Whose deliveries come once more, begins anew."""
    more = (both(8 * DAY), both(8 * DAY + 1, op="op2"))
    told = [notified("completed", at, key=f"k{at}", tag="t") for at in (2, 3, 8 * DAY + 2, 8 * DAY + 3)]

    assert [len(it.notifications) for it in mixed(*more, *told)] == [1, 1, 1, 1]


def next_push(at: float, *, told_after: float) -> Generation:
    """A push after another one's outcome, of which one region reports the earlier push once more."""
    first, second = (
        occurred(op, it, digest="sha256:1", tag="t", ids=op) for op, it in (("op1", 0), ("op2", at))
    )
    evidence = separate(
        collect(
            history(
                first, both(), notified("completed", 0.1, key="a", tag="t"), second,
                sent(EAST, at, op="op2"), sent(WEST, at + 10),
                notified("completed", at + told_after, key="b", op="op2", tag="t"), correlation="image",
            )
        )
    )  # fmt: skip
    (generation,) = generations(evidence.operations[1], evidence, Allowances(evidence))
    return generation


def test_of_a_forgotten_push_a_delivery_counts_for_the_next_one() -> None:
    """From when it comes; while the push is remembered, it is a duplicate."""
    assert {WEST, EAST} == {*next_push(8 * DAY, told_after=10.1).bounds.may}
    assert {EAST} == {*next_push(8 * DAY, told_after=9.9).bounds.may}
    assert {EAST} == {*next_push(6 * DAY, told_after=10.1).bounds.may}


# Two pushes whose webhooks overtake each other: a third operation may have begun with the last one.
OVERTAKEN = (
    *(occurred(op, 0, digest="sha256:1", tag="t", ids=op) for op in ("op1", "op2")),
    sent(EAST, 0), sent(EAST, 130, op="op2"), sent(WEST, 260), sent(WEST, 270, op="op2", error="reset"),
)  # fmt: skip


def overtaken(*lines: Line) -> list[int]:
    """How many notifications each generation of them has."""
    evidence = separate(collect(history(*OVERTAKEN, *lines, correlation="image")))
    (operation,) = evidence.operations
    found = generations(operation, evidence, Allowances(evidence))
    return [len(it.notifications) for it in found]


def timed_out(*instants: float, missing: str = WEST) -> list[Line]:
    return [notified("timed_out", at, missing, key=f"k{at}", tag="t") for at in instants]


def test_of_pushes_that_overtake_each_other_there_may_be_more_outcomes_than_pushes() -> None:
    """As many as may have begun, and no more."""
    two, third = timed_out(120.1, 250.1), timed_out(390.1, missing=EAST)

    assert overtaken(*two, *third) == [1, 1, 1]
    assert overtaken(*two, *third, *timed_out(500, missing=EAST)) == [1, 1, 2]


def test_after_the_retention_those_of_the_one_before_are_not_counted() -> None:
    """There may have been a third one then, of which the sink has read nothing."""
    more = (sent(EAST, 8 * DAY), sent(EAST, 8 * DAY + 300, op="op2"))

    assert overtaken(*more, *timed_out(120.1, 250.1, 8 * DAY + 120.1, 8 * DAY + 420.1)) == [1, 1, 1, 1]


def test_the_sink_may_have_read_the_later_outcome_first() -> None:
    """The first generation is the one whose bounds allow what it says."""
    wrong = notified("timed_out", 2, EAST, key="late", tag="t")
    right = notified("completed", 3, key="early", tag="t")
    none = notified("nonsense", 4, key="none", tag="t")

    found = mixed(wrong, none, right)

    assert found[0].notifications[0].received.key == "early"
    assert mixed(wrong)[0].notifications[0].received.key == "late"


def test_the_sink_may_have_read_the_later_outcome_alone() -> None:
    """The first one's may have been given up. Only what the later one explains is the later one's."""
    alone, odd = (notified("timed_out", at, WEST, key="b", tag="t") for at in (200, 100))

    assert [len(it.notifications) for it in mixed(alone)] == [0, 1]
    assert [len(it.notifications) for it in mixed(odd)] == [1]
