"""The oracle on time: reported in time, reported at all, reported again until the sink accepts it."""

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkDown, SinkHangs, SinkLosesResponse, SinkRefuses, SinkStalls
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
    sent,
)

DOWN = SinkDown(since=15_000, until=75_000)
REFUSED = SinkRefuses(operation="op1")
REFUSED_FOR_A_WHILE = SinkRefuses(operation="op1", until=80_000)


def refused_for_ever(op: str = "op1") -> list[Line]:
    """It goes on trying, until the watch ends at 1,600 s."""
    return [notified("completed", 0.1 + 500 * n, op=op, status=503) for n in range(4)]


def with_fault(
    *lines: object, fault: Fault | None = None, faults: tuple[Fault, ...] = (), end: float = 0
) -> History:
    """A history in which the scenario's faults, mostly only one, took effect."""
    them = (fault,) if fault is not None else faults
    applied = (fault_applied(1, index) for index in range(len(them)))
    return history(*lines, *applied, faults=them, end=end)  # type: ignore[arg-type]


RIGHT = {
    "within the tolerance": history(both(), notified("completed", 1.003)),
    "at the end of the grace after a start": history(both(), crash(0.5, 60), notified("completed", 65)),
    "through three restarts": history(
        sent(EAST, 0), crash(119, 121), crash(125, 128), crash(132, 140), notified("timed_out", 145, WEST)
    ),
    "held back until the sink is known to be up": with_fault(
        both(20), both(76, op="op2"), notified("completed", 80), notified("completed", 90, op="op2"),
        fault=DOWN,
    ),
    "after the sink came back": with_fault(both(20), notified("completed", 75 + 600), fault=DOWN),
    "after sink and aggregator came back": with_fault(
        both(20), crash(74, 680), notified("completed", 685), fault=DOWN
    ),
    "refused, then accepted": with_fault(
        both(20), notified("completed", 20.1, status=503), notified("completed", 80),
        fault=SinkRefuses(since=15_000, until=75_000),
    ),
    "refused, then accepted at the last instant": history(
        both(), notified("completed", 0.1, status=503), notified("completed", 600.101),
    ),
    "hung, then accepted": with_fault(
        both(20), notified("completed", 20.1, error="hung", after=10_000), notified("completed", 80),
        fault=SinkHangs(until=75_000),
    ),
    "its response was lost, then accepted": with_fault(
        both(20), notified("completed", 20.1, error="reset"), notified("completed", 80),
        fault=SinkLosesResponse(),
    ),
    "stalled": with_fault(both(20), notified("completed", 20.1, after=30_000), fault=SinkStalls(by=30_000)),
    "given up after three days": with_fault(
        both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(519)),
        fault=SinkRefuses(until=4 * DAY * 1000),
    ),
    "given up because the next attempt would come after three days": with_fault(
        both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(518)),
        fault=SinkRefuses(until=3 * DAY * 1000 - 10_000), end=4 * DAY,
    ),
    "given up because it was down until three days after the attempt that failed": with_fault(
        both(20), notified("completed", 20.1, error="reset"), crash(21, 4 * DAY), fault=SinkLosesResponse()
    ),
    "given up three days after attempts that were refused a connection": with_fault(
        both(), *(notified("completed", DAY + 500 * n, status=503) for n in range(345)),
        faults=(SinkDown(until=DAY * 1000), SinkRefuses(since=DAY * 1000, until=4 * DAY * 1000)), end=5 * DAY,
    ),
    "given up, and sent again by hand": with_fault(
        both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(519)),
        notified("completed", 9 * DAY), fault=SinkRefuses(until=3 * DAY * 1000 + 100),
    ),
    "refused for ever": with_fault(both(), *refused_for_ever(), fault=REFUSED, end=1_600),
    "hung for ever, each time for ten minutes": with_fault(
        both(), *(notified("completed", 0.1 + 1_200 * n, error="hung", after=600_000) for n in range(3)),
        fault=SinkHangs(operation="op1"), end=3_000,
    ),
    "others pass the one that is refused": with_fault(
        both(), *refused_for_ever(), both(5, op="op2"), notified("completed", 5.1, op="op2"),
        fault=REFUSED, end=1_600,
    ),
    "each repetition of an operation is refused": with_fault(
        both(op="op1/1"), *refused_for_ever("op1/1"), fault=REFUSED, end=1_600,
    ),
    "one is tried for all, while all are refused": with_fault(
        both(), *refused_for_ever(), both(5, op="op2"), notified("completed", 1_700, op="op2"),
        notified("completed", 1_701), fault=SinkRefuses(until=1_650_000),
    ),
    "nothing is due that was perhaps never committed": history(
        sent(EAST, 0, error="reset", after=2), crash(0.001, 1), both(op="op2"),
        notified("completed", 1, op="op2")
    ),
    "reported again after a crash before which the 200 may not have been stored": history(
        both(), notified("completed", 1), crash(1.5, 2), notified("completed", 3)
    ),
}  # fmt: skip

WRONG: dict[str, tuple[History, Rule, tuple[str, ...]]] = {
    "completed too late": (history(both(), notified("completed", 1.004)), Rule.NOTIFICATION, ()),
    "held back though the sink is known to be up": (
        with_fault(
            both(20), notified("completed", 76), both(78, op="op2"), notified("completed", 80, op="op2"),
            fault=DOWN,
        ), Rule.NOTIFICATION, (),
    ),
    "held back though the sink's outage was not noticed": (
        with_fault(both(90), notified("completed", 92), fault=DOWN), Rule.NOTIFICATION, (),
    ),
    "completed, but reported at the deadline": (
        history(both(), notified("completed", 120)), Rule.NOTIFICATION, ("B14",),
    ),
    "reported after the deadline, without an outcome": (
        history(both(), notified("completed", 122, outcome=None)), Rule.NOTIFICATION, (),
    ),
    "timed out too late": (history(sent(EAST, 0), notified("timed_out", 121.004, WEST)), Rule.DEADLINE,
        ()),
    "the deadline slid over a restart": (
        history(sent(EAST, 0), crash(60, 62), notified("timed_out", 182, WEST)), Rule.DEADLINE, ("B39",),
    ),
    "later than the grace after a start": (
        history(sent(EAST, 0), crash(60, 180), notified("timed_out", 185.001, WEST)), Rule.DEADLINE, (),
    ),
    "later than its only possible deadline": (
        history(
            sent(EAST, 0, error="reset", after=2), crash(0.001, 1), sent(WEST, 100), sent(NORTH, 125),
            notified("timed_out", 200, NORTH), regions=THREE,
        ), Rule.DEADLINE, (),
    ),
    "reported without naming a region, and late": (
        history(sent(EAST, 0), notified("timed_out", 150, missing="westus")), Rule.DEADLINE, (),
    ),
    "longer than the grace after the sink came back": (
        with_fault(both(20), notified("completed", 75 + 600.001), fault=DOWN), Rule.NOTIFICATION, (),
    ),
    "held up until another's refused notification was taken": (
        with_fault(
            both(), notified("completed", 0.1, status=503), both(5, op="op2"),
            notified("completed", 91), notified("completed", 92, op="op2"),
            fault=REFUSED_FOR_A_WHILE,
        ), Rule.ISOLATION, ("B62",),
    ),
    "held up by another's refused notification": (
        with_fault(
            both(), notified("completed", 0.1, status=503), both(5, op="op2"),
            notified("completed", 30, op="op2"),
            fault=REFUSED,
        ), Rule.ISOLATION, ("B62",),
    ),
    "never reported, by another's refused notification": (
        with_fault(both(), *refused_for_ever(), both(5, op="op2"), fault=REFUSED, end=1_600),
        Rule.ISOLATION, ("B62",),
    ),
    "never reported that it completed": (history(both()), Rule.NOTIFICATION, ("B06", "B51")),
    "never reported that it timed out": (history(sent(EAST, 0)), Rule.DEADLINE, ("B33",)),
    "never reported after the sink came back": (with_fault(both(20), fault=DOWN), Rule.NOTIFICATION,
        ("B51", "B58")),
    "never reported after a crash that followed the outcome": (
        history(both(), crash(0.5, 1)), Rule.NOTIFICATION, ("B51",),
    ),
    "never reported after a crash while it waited": (
        history(sent(EAST, 0), crash(5, 6)), Rule.ACKNOWLEDGEMENT, ("B38", "B43c", "B50"),
    ),
    "never reported though complete, after a crash while it waited": (
        history(sent(EAST, 0), crash(5, 6), sent(WEST, 10)), Rule.ACKNOWLEDGEMENT, ("B50",),
    ),
    "refused, and never sent again": (
        history(both(), notified("completed", 0.1, status=500)), Rule.NOTIFICATION, ("B51", "B58"),
    ),
    "refused for ever, and given up": (
        with_fault(
            both(), notified("completed", 0.1, status=404), notified("completed", 60, status=404),
            fault=REFUSED,
        ), Rule.NOTIFICATION, ("B51", "B58"),
    ),
    "never reported to a sink that would refuse it": (
        with_fault(both(), fault=SinkRefuses()), Rule.NOTIFICATION, ("B51", "B58"),
    ),
    "waited for the sink's answer without an end": (
        with_fault(
            both(20), notified("completed", 20.1, error="hung", after=1_979_900),
            fault=SinkHangs(until=60_000), end=2_000,
        ), Rule.NOTIFICATION, ("B51", "B58"),
    ),
    "never answered, and never sent again": (
        history(both(), notified("completed", 0.1, after=None)), Rule.NOTIFICATION, ("B51", "B58"),
    ),
    "given up before three days are over": (
        with_fault(
            both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(500)),
            fault=SinkRefuses(until=3 * DAY * 1000 - 600_000), end=4 * DAY,
        ), Rule.NOTIFICATION, ("B51", "B58"),
    ),
    "given up over outages that came to less than three days": (
        with_fault(
            both(), *(notified("completed", 0.1 + 500 * n, status=503) for n in range(345)),
            faults=(SinkRefuses(until=DAY * 1000), SinkHangs(since=DAY * 1000, until=2 * DAY * 1000)),
            end=4 * DAY,
        ), Rule.NOTIFICATION, ("B51", "B58"),
    ),
    "given up while it was down for less than three days": (
        with_fault(both(), notified("completed", 0.1, status=503), crash(1, 3 * DAY - 700), fault=DOWN),
        Rule.NOTIFICATION, ("B51", "B58"),
    ),
    "refused, and sent again too late": (
        history(both(), notified("completed", 0.1, status=301), notified("completed", 700)),
        Rule.NOTIFICATION, ("B51", "B58"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_in_time_or_allowed_is_valid(name: str) -> None:
    """An outage allows a delay for as long as it lasts, and a little longer."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", WRONG)
def test_each_way_to_be_late_or_absent_breaks_its_rule(name: str) -> None:
    """One finding, of the rule that it is about, and what it looks like."""
    played, rule, looks_like = WRONG[name]

    verdict = judge(played)

    assert verdict.validity is Validity.INVALID
    assert (verdict.findings[0].rule, verdict.findings[0].looks_like) == (rule, looks_like)


def test_a_sink_that_never_comes_back_leaves_the_outcome_unknown() -> None:
    """The sink could have read nothing, so an absent notification proves nothing either way."""
    verdict = judge(with_fault(both(20), fault=SinkDown(since=15_000)))

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts == (
        "op1 could not be reported: an outage of the aggregator or the sink took too long",
    )


def test_an_aggregator_that_stays_down_leaves_the_outcome_unknown() -> None:
    """The scenario took it down and the watch ended before it was back."""
    verdict = judge(
        history(sent(EAST, 0), down(60), fault_applied(60), faults=(Crash(at=60_000, down_for=10**9),))
    )

    assert verdict.validity is Validity.UNKNOWN
    assert "took too long" in verdict.doubts[0]


@pytest.mark.parametrize("end", [675, 675.001])
def test_a_rule_is_broken_only_when_the_grace_is_over(end: float) -> None:
    """A notification may legally come at the last instant of the grace."""
    verdict = judge(with_fault(both(20), fault=DOWN, end=end))

    assert verdict.validity is (Validity.UNKNOWN if end == 675 else Validity.INVALID)


def test_a_refused_notification_leaves_a_doubt_until_the_grace_is_over() -> None:
    """Not sent again yet is not the same as never sent again."""
    verdict = judge(history(both(), notified("completed", 1, status=503), end=601.001))

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts == ("the watch ended at +10m01.001s, before op1 had to be reported again",)


def test_a_run_may_set_other_limits() -> None:
    """Real time is less exact than virtual time."""
    late = [both(), notified("completed", 3)]

    assert judge(history(*late)).validity is Validity.INVALID
    assert judge(history(*late, run={"tolerance": 3_000})).validity is Validity.VALID


def test_a_fault_that_is_over_when_the_outcome_is_decided_allows_nothing() -> None:
    """It was over before there was anything to report."""
    verdict = judge(with_fault(both(90), notified("completed", 100), fault=DOWN))

    assert [it.rule for it in verdict.findings] == [Rule.NOTIFICATION]


def test_a_refusal_that_is_over_holds_up_no_other_operation() -> None:
    """Then the delay is the aggregator's own."""
    refusal = SinkRefuses(operation="op1", until=10_000)
    lines = [both(), notified("completed", 0.1, status=503), notified("completed", 11)]

    verdict = judge(
        with_fault(*lines, both(20, op="op2"), notified("completed", 30, op="op2"), fault=refusal)
    )

    assert [it.rule for it in verdict.findings] == [Rule.NOTIFICATION]


def test_a_refusal_that_is_yet_to_come_holds_up_no_other_operation() -> None:
    """A fault that begins too late allows no delay."""
    refusal = SinkRefuses(operation="op1", since=40_000, until=60_000)
    lines = [both(50), notified("completed", 50.1, status=503), notified("completed", 61)]

    verdict = judge(
        with_fault(*lines, both(20, op="op2"), notified("completed", 30, op="op2"), fault=refusal)
    )

    assert [it.rule for it in verdict.findings] == [Rule.NOTIFICATION]
