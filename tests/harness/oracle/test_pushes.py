"""Pushes of one image: those that are operations of their own, and which notification is whose."""

from typing import Any

from fanin.harness.history import History
from fanin.harness.oracle.evidence import Operation, collect
from fanin.harness.oracle.oracle import judge
from fanin.harness.oracle.pushes import separate
from fanin.harness.verdict import Validity
from fanin.simulator.faults.sink import SinkDown
from tests.harness.oracle.histories import (
    EAST,
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

NORTH = "northeurope"
MINUTE, DAY = 60, 86_400
IMAGE: dict[str, Any] = {"id": "t@sha256:1 team/app", "op": "op2"}


def push(op: str, at: float, ids: str = "", **more: Any) -> Line:
    """A push of the same image as all others."""
    return occurred(op, at, digest="sha256:1", tag="t", ids=ids or f"id-{op}", **more)


def told(outcome: str, at: float, *missing: str, key: str | None, op: str = "op1", **body: Any) -> Line:
    return notified(outcome, at, *missing, key=key, op=op, tag="t", **body)


def pushed(op: str, at: float, ids: str = "") -> tuple[Line, ...]:
    """A push that both regions report at once."""
    return push(op, at, ids), both(at, op=op)


FIRST = (*pushed("op1", 0), told("completed", 0.1, key="a"))
AGAIN = (*pushed("op2", MINUTE), told("completed", MINUTE + 0.1, key="b", op="op2"))


def run(*lines: Line, **fields: Any) -> History:
    return history(*lines, correlation="image", **fields)


def operations(*lines: Line, **fields: Any) -> list[Operation]:
    return list(separate(collect(run(*lines, **fields))).operations)


def keys(found: list[Operation]) -> list[list[str | None]]:
    """The keys of each operation's notifications."""
    return [[it.received.key for it in operation.notifications] for operation in found]


def test_a_push_after_the_outcome_is_an_operation_of_its_own() -> None:
    """With its deliveries, its notifications and its name."""
    found = operations(*FIRST, *AGAIN)

    assert [it.name for it in found] == ["op1", "op2"]
    assert [len(it.attempts) for it in found] == [2, 2]
    assert keys(found) == [["a"], ["b"]]
    assert [it.pushes for it in found] == [1, 1]


def test_an_event_without_ids_belongs_to_the_latest_push() -> None:
    """Nothing says that it is another one."""
    found = operations(*FIRST, *AGAIN, occurred("op3", 2 * MINUTE, digest="sha256:1", tag="t", ids={}))

    assert [[event.op for event in it.events] for it in found] == [["op1"], ["op2", "op3"]]


def test_by_id_nothing_is_separated() -> None:
    """There, an operation is what the id names."""
    evidence = collect(history(*FIRST, *AGAIN))

    assert separate(evidence) is evidence


def test_pushes_that_may_have_mixed_stay_one_operation() -> None:
    """The later one began while the earlier one waited, or while a region had not reported it."""
    waiting = operations(push("op1", 0), sent(EAST, 0), *pushed("op2", 1))
    missing = operations(
        push("op1", 0), sent(EAST, 0), told("timed_out", 121, WEST, key="a"), *pushed("op2", 200)
    )
    and_one_more = operations(push("op1", 0), sent(EAST, 0), *pushed("op2", 1), *pushed("op3", 600))

    assert [it.pushes for it in waiting] == [2]
    assert [it.pushes for it in missing] == [2]
    assert [it.pushes for it in and_one_more] == [3]
    assert [it.index for it in waiting[0].attempts] == sorted(it.index for it in waiting[0].attempts)


def test_a_later_push_that_is_reported_first_may_have_mixed_with_the_earliest() -> None:
    """While that waits; a push between the two, which a region is slow to report, comes after both."""
    found = operations(
        push("op1", 0), push("op2", 1), push("op3", 2),
        sent(EAST, 0), sent(EAST, 3, op="op3"), sent(WEST, 5), sent(WEST, 6, op="op3"),
        sent(EAST, 1_000, op="op2"), sent(WEST, 1_001, op="op2"),
    )  # fmt: skip

    assert [([it.op for it in operation.events], operation.pushes) for operation in found] == [
        (["op1", "op2", "op3"], 3)
    ]


def test_a_push_may_join_what_a_delivery_of_a_forgotten_one_began() -> None:
    """While that waits. Its last region is late then; afterwards, the push is an operation of its own."""

    def pushes(after: float) -> list[int]:
        again, later = (sent(WEST, 8 * DAY), sent(EAST, 8 * DAY + after, op="op2"))
        return [it.pushes for it in operations(*FIRST, again, push("op2", 8 * DAY + after), later)]

    assert pushes(119) == [2]
    assert pushes(121) == [1, 1]


def test_an_id_that_is_used_again_is_no_push() -> None:
    """Of the latest push that it was of; what has no delivery that counts belongs to whatever came before."""
    same = operations(*FIRST, *pushed("op2", MINUTE, "id-op1"))
    earlier = operations(*FIRST, *AGAIN, *pushed("op3", 2 * MINUTE, "id-op1"))
    unheard = operations(*FIRST, push("op2", MINUTE), sent(EAST, MINUTE, op="op2", status=400))

    assert [[event.op for event in it.events] for it in same] == [["op1", "op2"]]
    assert [[event.op for event in it.events] for it in earlier] == [["op1", "op3"], ["op2"]]
    assert [[event.op for event in it.events] for it in unheard] == [["op1", "op2"]]
    assert [it.pushes for it in (*same, *earlier, *unheard)] == [1, 1, 1, 1]


def test_a_push_of_an_uncertain_configuration_is_not_separated() -> None:
    """It may have waited for other regions."""
    grown = up(0.002, "start", expects=(EAST, WEST, "northeurope"))
    found = operations(push("op1", 0), sent(EAST, 0.001), sent(WEST, 0.001), grown, *AGAIN)

    assert [it.pushes for it in found] == [2]


def test_a_region_that_is_expected_only_now_need_not_begin_a_push() -> None:
    """It has reported none before. It may be refused until another region has begun the push, or be taken."""
    regions = {"regions": [EAST, WEST, NORTH], "expects": [EAST, WEST]}
    grown = (down(0.5, "stop"), up(1, "start", expects=(EAST, WEST, NORTH)))
    early = sent(NORTH, MINUTE, op="op2", status=422)
    rest = (both(MINUTE + 10, op="op2"), told("timed_out", MINUTE + 130, NORTH, key="b", op="op2"))

    first = (*pushed("op1", 0), told("completed", 0.1, key="a", arrived=[EAST, WEST]))
    refused = run(*first, *grown, push("op2", MINUTE), early, *rest, **regions)
    verdict = judge(refused)

    assert (verdict.validity, verdict.findings) == (Validity.VALID, ())
    assert [it.pushes for it in separate(collect(refused)).operations] == [2]


def test_a_region_that_its_push_did_not_wait_for_has_not_reported_it() -> None:
    """Though its webhook was accepted: it need not begin the next push, nor count for it."""
    regions = {"regions": [EAST, WEST, NORTH], "expects": [EAST, WEST]}
    grown = (down(0.5, "stop"), up(1, "start", expects=(EAST, WEST, NORTH)), sent(NORTH, 2))
    first = (*pushed("op1", 0), told("completed", 0.1, key="a", arrived=[EAST, WEST]))
    ignored = (sent(NORTH, MINUTE, op="op2"), both(MINUTE, op="op2"))
    played = run(
        *first, *grown, push("op2", MINUTE), *ignored,
        told("timed_out", MINUTE + 120.1, NORTH, key="b", op="op2"), **regions,
    )  # fmt: skip

    assert judge(played).findings == ()


def test_notifications_go_to_their_push_by_key_deadline_or_order() -> None:
    """A deadline says it; without one, the earliest push that has none; what is repeated follows its key."""
    epoch = {"run": {"epoch": 1_000_000_000_000}}
    swapped = operations(
        *pushed("op1", 0), *pushed("op2", MINUTE),
        told("completed", MINUTE + 1, key="b", deadline=1_000_000_180, status=503),
        told("completed", MINUTE + 2, key="a", deadline=1_000_000_120),
        told("completed", MINUTE + 3, key="b", deadline=1_000_000_180),
        **epoch,
    )  # fmt: skip
    in_order = operations(
        *pushed("op1", 0), *pushed("op2", MINUTE),
        *(told("completed", MINUTE + n, key="ab"[n], id="team/app:t@sha256:1") for n in range(2)),
    )  # fmt: skip
    odd = operations(
        *pushed("op1", 0), *pushed("op2", MINUTE),
        told("completed", MINUTE + 1, key="a", deadline="soon"),
        told("completed", MINUTE + 2, key=None, deadline=7),
        **epoch,
    )  # fmt: skip

    assert keys(swapped) == [["a"], ["b", "b"]]
    assert keys(in_order) == [["a"], ["b"]]
    assert keys(odd) == [["a"], [None]]


def test_the_id_of_a_delivery_says_of_which_push_a_notification_is() -> None:
    """A sink that was down may read the later push's first, and that may have the image for its id."""
    own: dict[str, Any] = {"correlation": "image", "end": 5_000}
    both_pushed = (*pushed("op1", 0), *pushed("op2", MINUTE))
    swapped = history(
        *both_pushed, told("completed", 400, key="b", id="t@sha256:1 team/app", op="op2"),
        told("completed", 500, key="a"), faults=(SinkDown(since=0, until=400_000),), **own,
    )  # fmt: skip
    later_first = operations(
        *both_pushed, told("completed", 400, key="b", op="op2"), told("completed", 500, key="a")
    )

    assert judge(swapped).findings == ()
    assert keys(list(separate(collect(swapped)).operations)) == [["a"], ["b"]]
    assert keys(later_first) == [["a"], ["b"]]


def test_what_a_notification_says_counts_more_than_when_it_is_read() -> None:
    """Its deadline, its request's id, or an outcome that only one of the pushes can have."""
    epoch = {"run": {"epoch": 1_000_000_000_000}}
    by_deadline = operations(
        *pushed("op1", 0), *pushed("op2", MINUTE), told("completed", 400, key="b", **IMAGE),
        told("completed", 500, key="a", deadline=1_000_000_120), **epoch,
    )  # fmt: skip
    by_request = operations(
        push("op1", 0, details={"requestId": "r-1"}), both(),
        push("op2", MINUTE, details={"requestId": "r-2"}),
        both(MINUTE, op="op2"), told("completed", 400, key="b", requestId="r-2", **IMAGE),
        told("completed", 500, key="a", **IMAGE),
    )  # fmt: skip
    by_outcome = operations(
        *pushed("op1", 0), push("op2", MINUTE), sent(EAST, MINUTE, op="op2"),
        told("timed_out", 400, WEST, key="b", **IMAGE), told("completed", 500, key="a", **IMAGE),
    )  # fmt: skip

    assert [keys(it) for it in (by_deadline, by_request, by_outcome)] == [[["a"], ["b"]]] * 3


def test_of_two_pushes_a_notification_is_about_the_one_that_can_wait_least() -> None:
    """The sink was down when the first was due, and is known to be up when the second is."""
    played = run(
        *pushed("op1", 0), both(0, op="web"), notified("completed", 31, op="web", key="w"),
        *pushed("op2", MINUTE), told("completed", MINUTE + 0.1, key="b", **IMAGE),
        told("completed", 400, key="a", **IMAGE), fault_applied(1), faults=(SinkDown(since=0, until=30_000),),
    )  # fmt: skip

    assert not judge(played).findings
    assert keys(list(separate(collect(played)).operations)) == [["a"], ["b"], ["w"]]


def test_two_outcomes_that_only_the_other_push_can_have_are_exchanged() -> None:
    """Both were held up by the sink, and the later push's was read first. Its own it may have had as well."""
    played = run(
        push("op1", 0), sent(EAST, 0), sent(WEST, 119.999, after=3_000, status=202),
        *pushed("op2", 200), told("completed", 400, key="b", **IMAGE),
        told("timed_out", 500, WEST, key="a", **IMAGE), fault_applied(1),
        faults=(SinkDown(since=0, until=400_000),),
    )  # fmt: skip
    wrong = run(
        push("op1", 0), sent(EAST, 0), sent(WEST, 119), *pushed("op2", 200),
        told("completed", 200.1, key="b", **IMAGE), told("timed_out", 200.2, WEST, key="a", **IMAGE),
    )  # fmt: skip

    assert judge(played).findings == ()
    assert keys(list(separate(collect(played)).operations)) == [["a"], ["b"]]
    assert judge(wrong).validity is Validity.INVALID


def test_of_pushes_that_may_have_mixed_the_sink_may_have_read_the_second_ones_alone() -> None:
    """The first one's was given up; without a cause, that is wrong."""
    lines = (
        push("op1", 0), sent(EAST, 0), sent(WEST, 100), push("op2", 40), sent(EAST, 50, op="op2"),
        sent(WEST, 130, op="op2"), told("timed_out", 4 * DAY + 200, EAST, key="b", op="op2"),
    )  # fmt: skip
    given_up = run(*lines, fault_applied(1), faults=(SinkDown(since=0, until=4 * DAY * 1_000),))

    assert judge(given_up).findings == ()
    assert "op1 was not reported" in judge(run(*lines)).findings[0].message


def test_a_later_push_may_have_the_key_of_one_that_is_forgotten() -> None:
    """Its own delivery has come again after the retention. What was not accepted is repeated all the same."""
    again = both(8 * DAY, op="op2")
    other = run(*FIRST, *AGAIN, again, told("timed_out", 8 * DAY + 120.01, WEST, key="a", **IMAGE))
    alike = run(
        *pushed("op1", 0), told("completed", 0.1, key="a", id=IMAGE["id"]), *AGAIN, again,
        told("completed", 8 * DAY + 0.1, key="a", **IMAGE),
    )  # fmt: skip
    refused = operations(
        *pushed("op1", 0), *(told("completed", 0.1 + 600 * n, key="a", status=500) for n in range(1_200)),
        *AGAIN, again,
    )  # fmt: skip

    assert judge(other).findings == judge(run(*FIRST, *AGAIN, sent(EAST, 8 * DAY, op="op2"))).findings == ()
    assert judge(alike).findings == ()
    assert [len(it) for it in keys(refused)] == [1_200, 1]


def test_an_outcome_of_a_delivery_that_comes_again_is_that_pushs() -> None:
    """After the retention its id is forgotten; before it, that is a second outcome."""
    forgotten = (both(8 * DAY), told("timed_out", 8 * DAY + 200, WEST, key="c"))
    found = operations(*FIRST, *AGAIN, *forgotten)

    assert keys(found) == [["a", "c"], ["b"]]


def test_when_all_is_forgotten_deliveries_of_any_push_begin_one_operation() -> None:
    """They come once more after the retention, one region's of each push; and one, to be late, after that."""
    three: dict[str, Any] = {"regions": [EAST, WEST, NORTH], "notifies_late": True}
    pushes = (
        push("op1", 0, details={"requestId": "r-1"}), both(), sent(NORTH, 0),
        told("completed", 0.1, key="a"), push("op2", MINUTE, details={"requestId": "r-2"}),
        both(MINUTE, op="op2"), sent(NORTH, MINUTE, op="op2"),
        told("completed", MINUTE + 0.1, key="b", op="op2"),
    )  # fmt: skip
    again = (sent(EAST, 8 * DAY), sent(WEST, 8 * DAY + 60, op="op2"))
    outcome = told("timed_out", 8 * DAY + 120.01, NORTH, key="a", requestId="r-1", **IMAGE)
    late = (
        sent(NORTH, 15 * DAY),
        told("completed_late", 15 * DAY + 0.1, key="late", requestId="r-1", **IMAGE),
    )
    unsent = told("timed_out", 8 * DAY + 120.01, EAST, NORTH, key="a", **IMAGE)

    assert judge(run(*pushes, *again, outcome, *late, **three)).findings == ()
    assert judge(run(*pushes, again[0], unsent, **three)).validity is Validity.INVALID


def test_when_all_is_forgotten_each_push_that_is_delivered_again_may_have_an_outcome() -> None:
    """One each, though nothing says whose it is; and none without a delivery of its own."""
    one: dict[str, Any] = {"regions": [EAST]}
    pushes = (
        push("op1", 0), sent(EAST, 0), told("completed", 0.1, key="a"),
        push("op2", MINUTE), sent(EAST, MINUTE, op="op2"), told("completed", MINUTE + 0.1, key="b", op="op2"),
    )  # fmt: skip
    first, second = (sent(EAST, 8 * DAY, op=op) for op in ("op1", "op2"))
    again = [told("completed", 8 * DAY + 0.1 + n, key="cd"[n], **IMAGE) for n in range(2)]

    assert judge(run(*pushes, first, second, *again, **one)).findings == ()
    assert judge(run(*pushes, first, *again, **one)).validity is Validity.INVALID


def test_pushes_that_may_have_mixed_have_as_many_outcomes_again_when_they_are_forgotten() -> None:
    """What came a week later uses up none of those before; one more than there are pushes has no reason."""
    week = 8 * DAY
    mixed = (
        push("op1", 0), push("op2", 0), sent(EAST, 0), sent(EAST, 1, op="op2"),
        told("timed_out", 120.1, WEST, key="a"),
    )  # fmt: skip
    again = (
        sent(EAST, week), told("timed_out", week + 120.1, WEST, key="b"),
        sent(EAST, week + 121, op="op2"), told("timed_out", week + 241.1, WEST, key="c", op="op2"),
    )  # fmt: skip
    once_more = (sent(EAST, week + 300), told("timed_out", week + 420.1, WEST, key="d"))

    assert judge(run(*mixed, *again)).findings == ()
    assert judge(run(*mixed, *again, *once_more)).validity is Validity.INVALID


def test_a_delivery_of_a_forgotten_push_counts_for_the_next_one() -> None:
    """Its id is new again. While the image is remembered, it repeats what was reported."""

    def reported(at: float) -> History:
        return run(
            *FIRST, push("op2", at), sent(EAST, at, op="op2"), sent(WEST, at + 10),
            told("completed", at + 10.1, key="b", op="op2"), sent(WEST, at + 50, op="op2"),
        )  # fmt: skip

    assert judge(reported(8 * DAY)).findings == ()
    assert judge(reported(6 * DAY)).validity is Validity.INVALID


def test_what_names_a_push_that_is_forgotten_may_be_about_one_that_began_anew() -> None:
    """So the push's own outcome, which names none, is another one."""
    details: dict[str, Any] = {"details": {"requestId": "r-2"}}
    played = run(
        *FIRST, push("op2", MINUTE, **details), both(MINUTE, op="op2"), sent(EAST, MINUTE + 0.01),
        told("completed", MINUTE + 0.1, key="b", **IMAGE), both(8 * DAY, op="op2"),
        told("completed", 8 * DAY + 0.1, key="c", requestId="r-2", **IMAGE),
    )  # fmt: skip

    assert judge(played).findings == ()
    assert keys(list(separate(collect(played)).operations)) == [["a"], ["b", "c"]]


def test_each_push_owes_an_outcome() -> None:
    """Swallowing it, or telling it under the key of another one, is wrong."""
    told_of_both = judge(run(*FIRST, *AGAIN))
    told_of_one = judge(run(*FIRST, *pushed("op2", MINUTE)))
    one_key = judge(run(*FIRST, *pushed("op2", MINUTE), told("completed", MINUTE + 1, key="a")))
    late = judge(
        run(
            push("op1", 0), sent(EAST, 0), told("timed_out", 120.01, WEST, key="a"),
            sent(WEST, 200), told("timed_out", 320.01, EAST, key="b"),
        )
    )  # fmt: skip

    assert told_of_both.validity is Validity.VALID
    assert [it.validity for it in (told_of_one, one_key, late)] == [Validity.INVALID] * 3
    assert "op2 was not reported" in told_of_one.findings[0].message


def test_pushes_a_second_apart_are_quoted_apart_by_their_deadlines() -> None:
    """Each is closer to its own, though a deadline may be so far off."""
    found = operations(
        *pushed("op1", 0), told("completed", 0.01, key="a", deadline=1_000_000_120),
        *pushed("op2", 1), told("completed", 1.01, key="b", deadline=1_000_000_121),
        run={"epoch": 1_000_000_000_000},
    )  # fmt: skip

    assert keys(found) == [["a"], ["b"]]


def test_the_push_whose_deadline_it_names_exactly_is_the_one_that_it_is_about() -> None:
    """The later push's was read before, and says nothing that only one of them can have said."""
    found = operations(
        *pushed("op1", 0), *pushed("op2", 0.4),
        told("completed", 0.41, key="b", id="t@sha256:1 team/app"),
        told("completed", 0.9, key="a", deadline=1_000_000_120),
        run={"epoch": 1_000_000_000_000},
    )  # fmt: skip

    assert keys(found) == [["a"], ["b"]]


def test_of_pushes_that_may_have_mixed_a_later_deadline_is_theirs_too() -> None:
    """Whatever comes once more of an earlier push meanwhile."""
    found = operations(
        *pushed("op1", 0), told("completed", 0.01, key="a", deadline=1_000_000_120),
        *pushed("op2", MINUTE), *pushed("op3", MINUTE), both(MINUTE + 1),
        told("completed", MINUTE + 2, key="b", deadline=1_000_000_180),
        told("timed_out", 9 * MINUTE, WEST, key="c", deadline=1_000_000_540),
        run={"epoch": 1_000_000_000_000},
    )  # fmt: skip

    assert keys(found) == [["a"], ["b", "c"]]


def test_a_late_completion_is_that_of_the_push_that_timed_out() -> None:
    """Not of the one whose deliveries come once more just then."""
    said: dict[str, Any] = {"id": "team/app:t", "op": "op2"}
    played = run(
        *FIRST, push("op2", MINUTE), sent(EAST, MINUTE, op="op2"),
        told("timed_out", MINUTE + 120.1, WEST, key="b", **said),
        sent(WEST, MINUTE + 130, op="op2"), both(MINUTE + 130.05),
        told("completed_late", MINUTE + 130.1, key="c", **said), notifies_late=True,
    )  # fmt: skip

    assert judge(played).findings == ()
