"""The oracle on notifications: keys, repetitions, content, and operations that rise again."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.faults.sink import SinkStalls
from tests.harness.oracle.histories import (
    ABSENT,
    EAST,
    NORTH,
    WEST,
    both,
    crash,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    unattributed,
)

DAY = 86_400
EPOCH = 1_772_323_200_000  # 2026-03-01T00:00:00Z
STALL = (SinkStalls(by=30_000),)


def timed_out(**body: Any) -> History:
    """One operation that timed out at 120 s, told with this body."""
    return history(sent(EAST, 0), notified("timed_out", 120, WEST, **body), run={"epoch": EPOCH})


def completed(**body: Any) -> History:
    return history(both(), notified("completed", 0.1, **body), run={"epoch": EPOCH})


def two_hosts(named: str, hostless: str, ids: str = "") -> History:
    """Two pushes of one image, the second without a host; both told, refused and told again."""
    first: dict[str, Any] = {"id": named, "key": "with"}
    second: dict[str, Any] = {"id": hostless, "key": "without", "op": "op2"}
    return history(
        occurred(ids=ids or "id-op1"), occurred("op2", tag="op1", host="", ids=ids or "id-op2"),
        both(), both(op="op2"),
        notified("completed", 0.1, status=503, **first), notified("completed", 0.1, status=503, **second),
        notified("completed", 1.1, **second), notified("completed", 1.2, **first),
        correlation="image",
    )  # fmt: skip


RIGHT = {
    "another key for another operation": history(
        both(), both(op="op2"), notified("completed", 0.1), notified("completed", 0.1, op="op2")
    ),
    "sent again after a lost answer": history(
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
    "sent again when nobody was left to read the answer": history(
        both(), notified("completed", 0.1, error="disconnected"), crash(0.1, 5), notified("completed", 5.1)
    ),
    "sent again while the first hangs": history(
        both(), fault_applied(0), notified("completed", 0.1, error="hung", after=60_000),
        notified("completed", 15),
        faults=STALL,
    ),
    "sent again by who gave up waiting while the answer was on its way": history(
        both(), fault_applied(0), notified("completed", 0.1, after=10_000, disconnected=0),
        notified("completed", 11.1),
        faults=STALL,
    ),
    "not sent again by who hung up as soon as it had read a slow answer": history(
        both(), fault_applied(0), notified("completed", 0.1, after=10_000, disconnected=1), faults=STALL
    ),
    "correlated by image, of which one payload names no host": two_hosts("id-op1", "id-op2"),
    "the same, with one id": two_hosts("one", "one", "one"),
    "the same, and named by the image": two_hosts("push:demo.azurecr.io/team/app:op1", "push:/team/app:op1"),
    "the same, and named by a digest of that": two_hosts("5f7aa2bf", "534d1503"),
    "a key that was reused": history(
        both(), occurred("op2", 10, ids="id-op1"), notified("completed", 0.1), both(10, op="op2")
    ),
    "late and repeated deliveries": history(
        sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 121), sent(EAST, 125), sent(WEST, 6 * DAY)
    ),
    "no tag, empty in the body": history(
        occurred(tag=None), both(), notified("completed", 0.1, tag=""),
    ),
    "no tag, absent in the body": history(occurred(tag=None), both(), notified("completed", 0.1, tag=ABSENT)),
    "content of the second of two with one key": history(
        occurred("op2", 0, ids="id-op1", repository="team/other"), both(), notified("completed", 0.1),
    ),
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
    "forgotten, and started by a delivery that was never answered": history(
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
    "forgotten while nobody took its notification, which is repeated besides the next one's": history(
        both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(1383)), sent(EAST, 8 * DAY),
        notified("timed_out", 8 * DAY + 120, WEST, key="again", status=503),
        notified("completed", 8 * DAY + 200),
        notified("timed_out", 8 * DAY + 300, WEST, key="again"),
    ),
    "forgotten, and repeated after a crash that nobody had noted its acceptance before": history(
        both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(1383)), sent(EAST, 8 * DAY),
        notified("timed_out", 8 * DAY + 120, WEST, key="again", status=503),
        notified("completed", 8 * DAY + 200),
        crash(8 * DAY + 200.1, 8 * DAY + 201), notified("completed", 8 * DAY + 202),
        notified("timed_out", 8 * DAY + 300, WEST, key="again"),
    ),
    "remembered after the retention": history(both(), notified("completed", 0.1), both(8 * DAY)),
    "a poisoned notification is repeated for longer than the retention": history(
        both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(1300)),
        notified("completed", 500 * 1300), sent(EAST, 7 * DAY + 1),
    ),
    "correlated by image": history(
        both(), occurred("op2", 0, tag="op1", ids="id-op2"), notified("completed", 0.1, id="id-op2"),
        correlation="image",
    ),
    "correlated by image, and named by it": history(
        both(), notified("completed", 0.1, id="push demo.azurecr.io/team/app"), correlation="image"
    ),
    "correlated by image, with one id for two images": history(
        occurred("op1", ids="one"), occurred("op2", ids="one"), both(), both(op="op2"),
        notified("completed", 0.1), notified("completed", 0.2, op="op2"), correlation="image",
    ),
    "an id per region, by event": history(
        occurred(ids={EAST: "e", WEST: "w"}, at=0), both(),
        notified("timed_out", 120, WEST, id="e", key="e"), notified("timed_out", 120, EAST, id="w", key="w"),
        ids="distinct",
    ),
    "an id per region, by image": history(
        occurred(ids={EAST: "e", WEST: "w"}, at=0, digest=None), both(), notified("completed", 0.1, id="w"),
        ids="distinct", correlation="image",
    ),
    "a right deadline": timed_out(deadline="2026-03-01T00:02:00Z"),
    "a deadline in another zone": timed_out(deadline="2026-03-01T01:02:00.002+01:00"),
    "a deadline in seconds": timed_out(deadline=EPOCH // 1000 + 120),
    "a deadline in milliseconds": timed_out(deadline=float(EPOCH + 120_003)),
    "a deadline of a shape that nobody reads": timed_out(deadline={"at": "noon"}),
}  # fmt: skip

WRONG: dict[str, tuple[History, Rule, tuple[str, ...]]] = {
    "completed and timed out": (
        history(both(), notified("completed", 0.1), notified("timed_out", 120, WEST)), Rule.OUTCOME, ("B36",),
    ),
    "a late delivery completes it": (
        history(sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 125),
            notified("completed", 125.1)),
        Rule.OUTCOME, ("B47",),
    ),
    "a late delivery starts it again": (
        history(
            sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 125),
            notified("timed_out", 245.1, EAST, key="second"),
        ), Rule.OUTCOME, ("B44",),
    ),
    "a repeated delivery starts it again under the same key": (
        history(both(), notified("completed", 0.1), sent(WEST, 5, copy=1),
            notified("timed_out", 125.1, EAST)),
        Rule.OUTCOME, ("B44",),
    ),
    "two outcomes, with a repeated delivery that cannot have caused the second": (
        history(both(), notified("completed", 0.1), sent(WEST, 5, copy=1), notified("timed_out", 120, EAST)),
        Rule.OUTCOME, ("B36",),
    ),
    "told for the third time as for the second": (
        history(
            sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 121, copy=1),
            notified("timed_out", 241, EAST), notified("timed_out", 400, EAST),
        ), Rule.OUTCOME, ("B44",),
    ),
    "started again just before the retention is over": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 7 * DAY - 1),
            notified("timed_out", 7 * DAY + 119.5, WEST, key="second"),
        ), Rule.OUTCOME, ("B44",),
    ),
    "after the retention, one that counted is named missing": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY), sent(WEST, 8 * DAY + 5),
            notified("timed_out", 8 * DAY + 120, WEST, key="b"),
        ), Rule.OUTCOME, ("B19",),
    ),
    "after the retention, completed with one that came a day before": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY), sent(WEST, 9 * DAY),
            notified("completed", 9 * DAY + 1, key="b"),
        ), Rule.DEADLINE, ("B33",),
    ),
    "after the retention, timed out long before": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
            notified("timed_out", 8 * DAY + 5, WEST, key="b")
        ), Rule.DEADLINE, ("B67",),
    ),
    "after the retention, timed out without the one that started it": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
            notified("timed_out", 8 * DAY + 120, EAST, key="b"),
        ), Rule.OUTCOME, ("B22",),
    ),
    "timed out without the one that may have started it, and with another that nobody sent": (
        history(sent(EAST, 0, error="reset", after=5), crash(0.004, 0.006), notified("timed_out", 121, EAST)),
        Rule.OUTCOME, ("B25",),
    ),
    "wrong even after the retention": (
        history(both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
            notified("completed", 8 * DAY + 1, key="b")),
        Rule.OUTCOME, ("B22",),
    ),
    "timed out twice": (
        history(sent(EAST, 0), notified("timed_out", 120, WEST),
            notified("timed_out", 120.1, WEST, key="second")),
        Rule.NOTIFICATION, ("B43b",),
    ),
    "told again beside the next operation's, though it was accepted": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
            notified("timed_out", 8 * DAY + 120, WEST, key="again"), notified("completed", 8 * DAY + 200),
        ), Rule.NOTIFICATION, ("B43b", "B52"),
    ),
    "completed twice": (
        history(both(), notified("completed", 0.1), notified("completed", 0.2, key="second")),
        Rule.NOTIFICATION, ("B15",),
    ),
    "another key after a crash": (
        history(both(), notified("completed", 0.1), crash(0.2, 1), notified("completed", 1.1, key="second")),
        Rule.NOTIFICATION, ("B52",),
    ),
    "another content under the same key": (
        history(
            sent(EAST, 0), sent(WEST, 119.999), notified("timed_out", 120.1, WEST, status=503),
            notified("timed_out", 120.3, WEST, tag="other"),
        ), Rule.NOTIFICATION, (),
    ),
    "an outcome that nobody knows, the second time": (
        history(both(), notified("completed", 0.1, status=503), notified("done", 1)), Rule.OUTCOME, ("B36",),
    ),
    "sent again after it was accepted": (
        history(both(), notified("completed", 0.1), notified("completed", 60)), Rule.NOTIFICATION,
        ("B43b", "B52"),
    ),
    "told at the instant of a start, and again": (
        history(both(), crash(0.05, 5), notified("completed", 5), notified("completed", 60)),
        Rule.NOTIFICATION, ("B43b", "B52"),
    ),
    "sent again long after it was accepted and before a crash": (
        history(both(), notified("completed", 0.1), crash(5, 6), notified("completed", 6.1)),
        Rule.NOTIFICATION, ("B43b", "B52"),
    ),
    "sent again after a slow answer that nobody hung up on": (
        history(
            both(), fault_applied(0), notified("completed", 0.1, after=10_000), notified("completed", 11.1),
            faults=STALL
        ), Rule.NOTIFICATION, ("B43b", "B52"),
    ),
    "sent again twice, the second time after an answer that was read": (
        history(
            both(), fault_applied(0), notified("completed", 0.1, after=10_000, disconnected=0),
            notified("completed", 11.1),
            notified("completed", 12), faults=STALL,
        ), Rule.NOTIFICATION, ("B43b", "B52"),
    ),
    "sent again before the answer": (
        history(both(), fault_applied(0), notified("completed", 0.1, after=30_000),
            notified("completed", 15), faults=STALL),
        Rule.NOTIFICATION, ("B56",),
    ),
    "no key": (history(both(), notified("completed", 0.1, key=None)), Rule.NOTIFICATION, ("B52",)),
    "one key for two": (
        history(
            both(), both(op="op2"), notified("completed", 0.1, key="same"),
            notified("completed", 0.2, op="op2", key="same"),
        ), Rule.NOTIFICATION, ("B19",),
    ),
    "another id": (completed(id="id-op7"), Rule.CONTENT, ()),
    "no id": (completed(id=ABSENT), Rule.CONTENT, ()),
    "another repository": (completed(repository="team/other"), Rule.CONTENT, ()),
    "another tag": (completed(tag="1.0"), Rule.CONTENT, ()),
    "another digest": (completed(digest=None), Rule.CONTENT, ()),
    "another action": (completed(action="delete"), Rule.CONTENT, ()),
    "an unknown outcome": (completed(outcome="all-done"), Rule.CONTENT, ()),
    "an outcome that is no word": (completed(outcome=["completed"] * 30), Rule.CONTENT, ()),
    "no list of the arrived": (completed(arrived=ABSENT), Rule.CONTENT, ()),
    "a list that is no list": (completed(missing="none"), Rule.CONTENT, ()),
    "a list of numbers": (completed(arrived=[1, 2]), Rule.CONTENT, ()),
    "a region twice": (completed(arrived=[EAST, EAST, WEST]), Rule.CONTENT, ()),
    "a region nowhere": (completed(arrived=[EAST]), Rule.CONTENT, ()),
    "a region on both sides": (timed_out(arrived=[EAST, WEST]), Rule.CONTENT, ()),
    "completed, and somebody missing": (completed(arrived=[EAST], missing=[WEST]), Rule.CONTENT, ()),
    "timed out, and nobody missing": (
        history(sent(EAST, 0), sent(WEST, 119.999), notified("timed_out", 120.1)), Rule.CONTENT, (),
    ),
    "a region that nobody expects": (
        completed(arrived=[EAST, WEST, "mars"]), Rule.EXPECTED_REGIONS, ("B32",),
    ),
    "a deadline that slid": (timed_out(deadline="2026-03-01T00:03:00Z"), Rule.CONTENT, ()),
    "a deadline that is no instant": (timed_out(deadline="soon"), Rule.CONTENT, ()),
    "a deadline without a zone": (timed_out(deadline="2026-03-01T00:02:00"), Rule.CONTENT, ()),
    "a deadline out of this world": (timed_out(deadline=float("inf")), Rule.CONTENT, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_notification_is_valid(name: str) -> None:
    """One decision, told at least once."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_notification_breaks_its_rule(name: str) -> None:
    """One finding, of the rule that it is about, and what it looks like."""
    played, rule, looks_like = WRONG[name]

    verdict = judge(played)

    assert verdict.validity is Validity.INVALID
    assert [(it.rule, it.looks_like) for it in verdict.findings] == [(rule, looks_like)]


@pytest.mark.parametrize(
    ("body", "rule", "what"),
    [
        (None, Rule.CONTENT, "is not a JSON object"),
        ({}, Rule.CONTENT, "has no id"),
        ({"id": "nobody"}, Rule.IDENTITY, "names the operation 'nobody', which never occurred"),
        ({"id": 7}, Rule.CONTENT, "has no id"),
    ],
)
def test_a_notification_that_names_no_operation_is_a_finding(
    body: dict[str, Any] | None, rule: Rule, what: str
) -> None:
    """Nobody asked for it."""
    verdict = judge(history(both(), notified("completed", 0.1), unattributed(5, body)))

    assert [(it.rule, it.message) for it in verdict.findings] == [(rule, f"the notification at +5s {what}")]


def test_a_body_without_its_id_is_nobodys_when_two_operations_fit() -> None:
    """Its content names the operation only when no other has the same."""
    twins = [both(), occurred("op2", 0, tag="op1"), both(op="op2"), notified("completed", 0.1, op="op2")]

    verdict = judge(history(*twins, notified("completed", 0.1, id="nobody")))

    assert [it.rule for it in verdict.findings] == [Rule.IDENTITY, Rule.NOTIFICATION]


def test_a_deadline_is_not_judged_when_nobody_knows_the_clock() -> None:
    """A target behind a URL has a clock of its own."""
    verdict = judge(history(sent(EAST, 0), notified("timed_out", 120, WEST, deadline="soon")))

    assert verdict.validity is Validity.VALID


def test_a_deadline_of_an_operation_that_never_started_has_nothing_to_be_compared_with() -> None:
    """The finding is that it was told at all."""
    verdict = judge(
        history(
            occurred(), notified("timed_out", 120, WEST, EAST, deadline=EPOCH // 1000), run={"epoch": EPOCH}
        )
    )

    assert [it.rule for it in verdict.findings] == [Rule.OUTCOME]


def test_a_notification_in_time_tells_the_regions_as_they_are_spelt() -> None:
    """Names compare folded, and findings name them as the scenario does."""
    verdict = judge(
        history(
            sent("EastUS", 0), notified("timed_out", 120, "EastUS", NORTH), regions=("EastUS", NORTH, WEST)
        )
    )

    assert verdict.findings[0].message == "op1 names EastUS missing, acknowledged by +0.003s"
