"""The oracle on notifications: one key for each outcome, and repetitions only while they are needed."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.faults.sink import SinkStalls
from tests.harness.oracle.histories import (
    DAY,
    EAST,
    WEST,
    both,
    crash,
    fault_applied,
    history,
    notified,
    occurred,
    pause,
    sent,
    unattributed,
)

STALL = (SinkStalls(by=30_000),)
# Refused for longer than the retention.
REFUSED = (both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(1383)))


def two_hosts(first_id: str, second_id: str, ids: str = "") -> History:
    """Two pushes of one image, the second without a host; both reported, refused and reported again."""
    first: dict[str, Any] = {"id": first_id, "key": "with"}
    second: dict[str, Any] = {"id": second_id, "key": "without", "op": "op2"}
    return history(
        occurred(ids=ids or "id-op1"), occurred("op2", tag="op1", host="", ids=ids or "id-op2"),
        both(), both(op="op2"),
        notified("completed", 0.1, status=503, **first), notified("completed", 0.1, status=503, **second),
        notified("completed", 1.1, **second), notified("completed", 1.2, **first),
        correlation="image",
    )  # fmt: skip


def pushed_again(at: float) -> History:
    """An image that is pushed again then, and reported under the key of the first push."""
    second = occurred("op2", at, tag="op1")
    told: dict[str, Any] = {"key": "a", "deadline": at + 120}
    return history(
        both(), notified("completed", 0.1, key="a", deadline=120), second, both(at, op="op2"),
        notified("completed", at + 0.1, op="op2", **told), correlation="image", run={"epoch": 0},
    )  # fmt: skip


RIGHT = {
    "another key for another operation": history(
        both(), both(op="op2"), notified("completed", 0.1), notified("completed", 0.1, op="op2")
    ),
    "the key of a push that may be forgotten, for a later one": pushed_again(8 * DAY),
    # --- sent again ---
    "sent again after a lost response": history(
        both(), notified("completed", 0.1, error="reset"), notified("completed", 1)
    ),
    "sent again after a crash": history(
        both(), notified("completed", 0.1), crash(0.2, 5), notified("completed", 5.1)
    ),
    "sent just before a crash, read by the sink after it, and sent again": history(
        both(), crash(0.1, 5), notified("completed", 0.102), notified("completed", 5.1)
    ),
    "sent again after two crashes": history(
        both(), notified("completed", 0.1), crash(0.2, 5), notified("completed", 5.1, status=503),
        crash(6, 7), notified("completed", 7.1), crash(7.5, 8), notified("completed", 8.1),
    ),
    "sent again when the aggregator was gone before the response": history(
        both(), notified("completed", 0.1, error="disconnected"), crash(0.1, 5), notified("completed", 5.1)
    ),
    "sent again while the first hangs": history(
        both(), fault_applied(0), notified("completed", 0.1, error="hung", after=60_000),
        notified("completed", 15), faults=STALL,
    ),
    "sent again by a client that gave up while the response was on its way": history(
        both(), fault_applied(0), notified("completed", 0.1, after=10_000, disconnected=0),
        notified("completed", 11.1), faults=STALL,
    ),
    "not sent again by a client that disconnected as soon as it had read a slow response": history(
        both(), fault_applied(0), notified("completed", 0.1, after=10_000, disconnected=1), faults=STALL
    ),
    # --- operations that have the same content, or the same key ---
    "correlated by image, of which one payload names no host": two_hosts("id-op1", "id-op2"),
    "the same, with one id": two_hosts("one", "one", "one"),
    "the same, and the id is the image": two_hosts("push:demo.azurecr.io/team/app:op1", "push:/team/app:op1"),
    "correlated by image, with one id for two images": history(
        occurred("op1", ids="one"), occurred("op2", ids="one"), both(), both(op="op2"),
        notified("completed", 0.1), notified("completed", 0.2, op="op2"), correlation="image",
    ),
    "a key that was reused": history(
        both(), occurred("op2", 10, ids="id-op1"), notified("completed", 0.1), both(10, op="op2")
    ),
    "late and repeated deliveries": history(
        sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 121), sent(EAST, 125), sent(WEST, 6 * DAY)
    ),
    # --- after the retention ---
    "remembered after the retention": history(both(), notified("completed", 0.1), both(8 * DAY)),
    "forgotten after the retention, and started anew": history(
        both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
        notified("timed_out", 8 * DAY + 120, WEST, key="again"),
    ),
    "forgotten after the retention, and completed anew under the same key": history(
        both(), notified("completed", 0.1), both(8 * DAY), notified("completed", 8 * DAY + 1)
    ),
    "forgotten in the instant in which the retention is over": history(
        both(), notified("completed", 0.1), sent(EAST, 7 * DAY - 0.003),
        notified("timed_out", 7 * DAY + 120, WEST, key="again"),
    ),
    "forgotten after it was refused first": history(
        both(), notified("completed", 0.1, status=503), notified("completed", 60),
        both(8 * DAY), notified("completed", 8 * DAY + 1),
    ),
    "forgotten between two deliveries, of which the first was late": history(
        both(), notified("completed", 0.1), sent(EAST, 8 * DAY), both(8 * DAY + 100),
        notified("completed", 8 * DAY + 101, key="b"),
    ),
    "forgotten after two deliveries, and started by a third": history(
        both(), notified("completed", 0.1), both(8 * DAY), sent(WEST, 9 * DAY),
        notified("timed_out", 9 * DAY + 120, EAST, key="b"),
    ),
    "forgotten, and started by a delivery without a response": history(
        both(), notified("completed", 0.1), sent(EAST, 8 * DAY, error="reset", after=5),
        crash(8 * DAY + 0.001, 8 * DAY + 1), sent(WEST, 8 * DAY + 60),
        notified("timed_out", 8 * DAY + 180.01, EAST, key="b"),
    ),
    "forgotten while a delivery is on its way": history(
        both(), notified("completed", 0.1), sent(EAST, 7 * DAY - 0.002), sent(WEST, 7 * DAY + 110),
        notified("timed_out", 7 * DAY + 230.01, EAST, key="b"),
    ),
    "forgotten twice": history(
        both(), notified("completed", 0.1), both(8 * DAY), notified("completed", 8 * DAY + 1, key="b"),
        both(16 * DAY), notified("completed", 16 * DAY + 1, key="c"),
    ),
    "forgotten while its notification is refused, which is repeated beside the next one's": history(
        *REFUSED, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, WEST, key="again", status=503),
        notified("completed", 8 * DAY + 200), notified("timed_out", 8 * DAY + 300, WEST, key="again"),
    ),
    "forgotten, and repeated after a crash before which its acceptance was not stored": history(
        *REFUSED, sent(EAST, 8 * DAY), notified("timed_out", 8 * DAY + 120, WEST, key="again", status=503),
        notified("completed", 8 * DAY + 200),
        crash(8 * DAY + 200.1, 8 * DAY + 201), notified("completed", 8 * DAY + 202),
        notified("timed_out", 8 * DAY + 300, WEST, key="again"),
    ),
    "refused for longer than the retention": history(
        both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(1300)),
        notified("completed", 500 * 1300), sent(EAST, 7 * DAY + 1),
    ),
    # --- what a target does not show ---
    "no key where the target shows none": history(
        both(), notified("completed", 0.1, key=None), run={"unobservable": ("key",)}
    ),
}  # fmt: skip

WRONG: dict[str, tuple[History, tuple[str, ...]]] = {
    "no key": (history(both(), notified("completed", 0.1, key=None)), ("B52",)),
    "sent again after a pause that came long after its acceptance": (
        history(both(), notified("completed", 0.1), pause(100, 200), notified("completed", 200.5)), ("B53",),
    ),
    "one key for two": (
        history(
            both(), both(op="op2"), notified("completed", 0.1, key="same"),
            notified("completed", 0.2, op="op2", key="same"),
        ), ("B19",),
    ),
    "sent again after it was accepted": (
        history(both(), notified("completed", 0.1), notified("completed", 60)), ("B43b",),
    ),
    "accepted at the instant of a start, and sent again": (
        history(both(), crash(0.05, 5), notified("completed", 5), notified("completed", 60)),
        ("B43b",),
    ),
    "sent again long after it was accepted and before a crash": (
        history(both(), notified("completed", 0.1), crash(5, 6), notified("completed", 6.1)),
        ("B53",),
    ),
    "sent again after a slow response for which the client waited": (
        history(
            both(), fault_applied(0), notified("completed", 0.1, after=10_000), notified("completed", 11.1),
            faults=STALL,
        ), ("B43b",),
    ),
    "sent again twice, the second time after a response that was read": (
        history(
            both(), fault_applied(0), notified("completed", 0.1, after=10_000, disconnected=0),
            notified("completed", 11.1), notified("completed", 12), faults=STALL,
        ), ("B43b",),
    ),
    "sent again before the response": (
        history(
            both(), fault_applied(0), notified("completed", 0.1, after=30_000), notified("completed", 15),
            faults=STALL,
        ), ("B56",),
    ),
    "sent again beside the next operation's, though it was accepted": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
            notified("timed_out", 8 * DAY + 120, WEST, key="again"), notified("completed", 8 * DAY + 200),
        ), ("B43b",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_notification_is_valid(name: str) -> None:
    """One decision, reported at least once."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_notification_breaks_clause_7(name: str) -> None:
    """One finding, and what it looks like."""
    played, looks_like = WRONG[name]

    verdict = judge(played)

    assert verdict.validity is Validity.INVALID
    assert [(it.rule, it.looks_like) for it in verdict.findings] == [(Rule.NOTIFICATION, looks_like)]


SENTENCES = {
    "no key": "op1 was reported completed at +0.1s without a webhook-id",
    "one key for two": (
        "op2 was reported at +0.2s under the key 'same', used by op1 at +0.1s: a sink that drops repeats"
        " never sees it"
    ),
    "sent again after it was accepted": (
        "op1 was reported completed again at +1m00s under the key 'key-op1', which the sink answered 200 at"
        " +0.101s"
    ),
    "sent again before the response": (
        "op1 was reported completed again at +15s under the key 'key-op1', which the sink was to answer 200"
        " at +30.1s"
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_finding_says_what_was_wrong_in_one_sentence(name: str) -> None:
    """Under which key, when, and what the sink had answered."""
    assert judge(WRONG[name][0]).findings[0].message == SENTENCES[name]


def test_of_many_keys_that_two_operations_share_each_is_a_finding_of_the_second() -> None:
    """One finding for an operation, however often it is repeated."""
    ops = ("op1", "op2", "op3")
    lines = [
        line for op in ops for line in (both(op=op), notified("completed", 1, op=op, key="same", status=503))
    ]
    again = [notified("completed", 2, op=op, key="same") for op in ops]

    findings = judge(history(*lines, *again)).findings

    assert [(it.op, it.looks_like) for it in findings] == [("op2", ("B19",)), ("op3", ("B19",))]


def test_a_second_outcome_is_no_repetition() -> None:
    """It is wrong already; what follows it is not counted as well."""
    played = history(
        both(), notified("completed", 0.1), notified("timed_out", 120, WEST), notified("completed", 121)
    )

    assert [it.rule for it in judge(played).findings] == [Rule.OUTCOME]


@pytest.mark.parametrize(
    ("body", "rule", "problem"),
    [
        (None, Rule.CONTENT, "is not a JSON object"),
        ({}, Rule.CONTENT, "has no id"),
        ({"id": "x"}, Rule.IDENTITY, "names the operation 'x', which never occurred"),
        ({"id": 7}, Rule.CONTENT, "has no id"),
    ],
)
def test_a_notification_that_names_no_operation_is_a_finding(
    body: dict[str, Any] | None, rule: Rule, problem: str
) -> None:
    """It is no operation's."""
    verdict = judge(history(both(), notified("completed", 0.1), unattributed(5, body)))

    message = f"the notification at +5s {problem}"
    assert [(it.rule, it.message, it.op) for it in verdict.findings] == [(rule, message, None)]


def test_a_notification_whose_content_fits_two_operations_is_neithers() -> None:
    """Its content names the operation only when no other has the same."""
    twins = [both(), occurred("op2", 0, tag="op1"), both(op="op2"), notified("completed", 0.1, op="op2")]

    verdict = judge(history(*twins, notified("completed", 0.1, id="x")))

    assert [it.rule for it in verdict.findings] == [Rule.IDENTITY, Rule.NOTIFICATION]
