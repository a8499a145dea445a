"""Where a deadline may lie, which outcomes that makes legal, and what is late."""

from typing import Any

import msgspec
import pytest

from fanin.harness.history import History
from fanin.harness.oracle.bounds import (
    FOREVER,
    Bounds,
    Outcome,
    bounds_of,
    forgotten_from,
    is_late,
    is_on_time,
    longest_ms,
    possible_bounds,
)
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.analysis import AttemptOutcome, analyse
from fanin.harness.rule_coverage import exercised_rules
from fanin.harness.verdict import Rule
from fanin.simulator.shapes import Delay
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    THREE,
    WEST,
    Line,
    both,
    history,
    notified,
    occurred,
    sent,
)


def bounds_for(*lines: Line, only: tuple[str, ...] = (), **derived: Any) -> Bounds:
    """The bounds of the only operation. ``only``: the regions that it expected when it began."""
    evidence = collect(history(*lines, regions=THREE))
    scenario = msgspec.structs.replace(evidence.scenario, regions=only or (EAST, WEST))
    return bounds_of(evidence.operations[0].attempts, scenario, **derived)


def test_a_key_may_be_forgotten_seven_days_after_the_outcome() -> None:
    """After the earliest that is possible; never, if there can be none."""
    assert forgotten_from(bounds_for(both(1))) == 7 * 86_400_000 + 1_000
    assert forgotten_from(bounds_for(occurred())) == FOREVER


LEGAL: dict[str, tuple[tuple[Line, ...], tuple[int, int], tuple[Outcome, ...]]] = {
    "nothing was sent": ((occurred(),), (FOREVER, FOREVER), ("none",)),
    "the only attempt was refused": ((sent(EAST, 1, status=400),), (FOREVER, FOREVER), ("none",)),
    "the only attempt had no response": (
        (sent(EAST, 1, ok=None),), (121_000, FOREVER), ("timed_out", "none"),
    ),
    "one region was acknowledged": ((sent(EAST, 1),), (121_000, 121_003), ("timed_out",)),
    "both were": ((both(1),), (121_000, 121_003), ("completed",)),
    "both were, the first long after it was sent": (
        (sent(EAST, 0, ok=200_000), sent(WEST, 100)), (120_000, 220_003), ("completed",),
    ),
    "the second was in flight at the deadline": (
        (sent(EAST, 0), sent(WEST, 119, ok=2_000)), (120_000, 120_003), ("completed", "timed_out"),
    ),
    "the second was sent a millisecond after the deadline": (
        (sent(EAST, 0), sent(WEST, 120.004)), (120_000, 120_003), ("timed_out",),
    ),
    "the second had no response": (
        (sent(EAST, 0), sent(WEST, 1, ok=None)), (120_000, 120_003), ("completed", "timed_out"),
    ),
    "the second was a region that the operation does not expect": (
        (sent(EAST, 0), sent(NORTH, 0)), (120_000, 120_003), ("timed_out",),
    ),
    "a duplicate changes nothing": ((both(1), sent(EAST, 5, copy=1)), (121_000, 121_003), ("completed",)),
}  # fmt: skip


@pytest.mark.parametrize("name", LEGAL)
def test_the_attempts_say_when_the_deadline_is_and_which_outcomes_are_legal(name: str) -> None:
    """The operation started between the first attempt that may have counted and the first that did."""
    lines, window, legal = LEGAL[name]

    found = bounds_for(*lines)

    assert ((found.deadline_from, found.deadline_until), found.legal) == (window, legal)


def test_where_nothing_is_certain_the_deadline_has_no_end() -> None:
    """Each region may have counted at its instant, or not."""
    found = possible_bounds((EAST, WEST), 120_000, {EAST: 1_000, WEST: 2_000})

    assert (found.deadline_from, found.deadline_until) == (121_000, FOREVER)
    assert found.legal == ("completed", "timed_out", "none")


def test_one_region_alone_completes_its_operation() -> None:
    """It cannot miss itself."""
    assert bounds_for(sent(EAST, 0, ok=None), only=(EAST,)).legal == ("completed", "none")


def test_a_drifting_clock_widens_every_interval_at_both_ends() -> None:
    """The deadline's window with them."""
    found = bounds_for(both(1), clock_drift=20)

    assert (found.may[EAST], found.must[EAST]) == (980, 1_023)
    assert (found.deadline_from, found.deadline_until) == (120_980, 121_023)


def test_an_operation_that_came_later_counts_nothing_from_before() -> None:
    """And of the acknowledged attempts, for certain only those that cannot have counted before."""
    found = bounds_for(both(1), since=1_002, certain=frozenset({2}))

    assert (found.may, found.must) == ({EAST: 1_002, WEST: 1_002}, {EAST: 1_003})


ALLOWED = {
    "completed when the last was sent": ((both(5),), (), 5.0, True),
    "completed before the last was sent": ((sent(EAST, 0), sent(WEST, 5)), (), 4.999, False),
    "completed without a region": ((sent(EAST, 0),), (), 5.0, False),
    "completed at the deadline itself": ((sent(EAST, 0, ok=0), sent(WEST, 120)), (), 120.0, True),
    "completed after the deadline": ((sent(EAST, 0, ok=0), sent(WEST, 120.001)), (), 120.001, False),
    "timed out at the deadline itself": ((sent(EAST, 0),), (WEST,), 120.0, True),
    "timed out a millisecond before": ((sent(EAST, 0),), (WEST,), 119.999, False),
    "timed out without one that was acknowledged in time": ((both(0),), (WEST,), 120.0, False),
    "timed out without one that was acknowledged at the deadline": (
        (sent(EAST, 0), sent(WEST, 119, ok=1_000)), (WEST,), 120.0, True,
    ),
    "timed out with one that was never sent": ((sent(EAST, 0),), (EAST,), 120.0, False),
    "timed out without any region": ((both(0),), (EAST, WEST), 120.0, False),
}  # fmt: skip


@pytest.mark.parametrize("name", ALLOWED)
def test_an_outcome_is_allowed_if_some_choice_of_commits_leads_to_it(name: str) -> None:
    """And not before the instant that it needs."""
    lines, missing, at, allowed = ALLOWED[name]

    assert bounds_for(*lines).allows(missing, round(at * 1000)) is allowed


@pytest.mark.parametrize(
    ("lines", "missing", "due"),
    [
        ((both(1),), (), 1_003),
        ((sent(EAST, 1, ok=0), sent(WEST, 121, ok=9)), (), 121_000),
        ((sent(EAST, 1),), (WEST,), 121_003),
        ((sent(EAST, 1, ok=None),), (WEST,), FOREVER),
        ((both(1),), (EAST, WEST), FOREVER),
    ],
)
def test_an_outcome_is_due_when_it_was_certainly_decided(
    lines: tuple[Line, ...], missing: tuple[str, ...], due: int
) -> None:
    """At the last region's commit or at the deadline; never, when perhaps nothing started."""
    assert bounds_for(*lines).due(missing) == due


@pytest.mark.parametrize(
    ("lines", "complete_at", "decided"),
    [
        ((both(1),), 1_003, (1_000, 1_003)),
        ((sent(EAST, 0), sent(WEST, 5)), 5_003, (5_000, 5_003)),
        ((sent(EAST, 1),), FOREVER, (121_000, 121_003)),
        ((sent(EAST, 0), sent(WEST, 130)), 130_003, (120_000, 120_003)),
        ((occurred(),), FOREVER, (FOREVER, FOREVER)),
    ],
)
def test_a_decision_lies_between_two_instants(
    lines: tuple[Line, ...], complete_at: int, decided: tuple[int, int]
) -> None:
    """When one was possible, and when one was certain."""
    found = bounds_for(*lines)

    assert (found.complete_at, (found.decided_from, found.decided_until)) == (complete_at, decided)


def test_a_region_may_be_missing_if_the_deadline_may_have_passed_without_it() -> None:
    """Its own arrival cannot start the deadline that it misses."""
    found = bounds_for(sent(EAST, 0), sent(WEST, 5))
    tied = bounds_for(sent(EAST, 0), sent(WEST, 119, ok=1_000))

    assert (found.can_miss(WEST), found.can_miss(EAST), found.can_miss(NORTH)) == (False, False, True)
    assert tied.can_miss(WEST)
    assert not bounds_for(sent(EAST, 0)).can_miss(EAST)


def test_a_region_may_have_arrived_if_it_is_not_late() -> None:
    """Neither for the deadline nor for the notification, at whose instants it is not."""
    found = bounds_for(sent(EAST, 0), sent(WEST, 120.003))

    assert found.can_arrive(WEST, 120_003)
    assert not found.can_arrive(WEST, 120_002)
    assert not found.can_arrive(NORTH, 120_003)
    assert not bounds_for(sent(EAST, 0), sent(WEST, 120.004)).can_arrive(WEST, 130_000)


# --- late ---


@pytest.mark.parametrize(
    ("at", "deadline_until", "notified_at", "late"),
    [
        (10, 11, None, False),
        (11, 11, None, False),
        (12, 11, None, True),
        (10, FOREVER, 11, False),
        (11, FOREVER, 11, False),
        (12, FOREVER, 11, True),
        (12, None, 11, True),
        (12, None, None, False),
    ],
)
def test_late_is_after_the_deadline_or_after_the_notification(
    at: int, deadline_until: int | None, notified_at: int | None, *, late: bool
) -> None:
    """Contract, clauses 4 and 6: at the very instant it is not late."""
    assert is_late(at, deadline_until=deadline_until, notified_at=notified_at) is late


@pytest.mark.parametrize(
    ("by", "deadline_from", "on_time"), [(9, 10, True), (10, 10, False), (11, 10, False), (11, None, True)]
)
def test_on_time_is_before_the_deadline(by: int, deadline_from: int | None, *, on_time: bool) -> None:
    """Contract, clause 4: at the very instant either outcome is right, so it is neither."""
    assert is_on_time(by, deadline_from=deadline_from) is on_time


# The deadline lies between 120 s and 120.003 s. By second at which the second region's webhook is sent, and
# milliseconds until it is acknowledged: what that is in a finding, in a report, and to the coverage of rules.
AT_THE_DEADLINE = {
    "acknowledged a millisecond before": (119.996, 3, "counted", AttemptOutcome.COUNTED, False),
    "acknowledged at its earliest instant": (119.997, 3, "may count", AttemptOutcome.AT_DEADLINE, False),
    "sent at its earliest instant": (120, 3, "may count", AttemptOutcome.AT_DEADLINE, False),
    "sent at its latest instant": (120.003, 3, "may count", AttemptOutcome.AT_DEADLINE, False),
    "sent a millisecond after": (120.004, 3, "late", AttemptOutcome.LATE, True),
}


def at_the_deadline(at: float, **ended: Any) -> History:
    """One region that starts the operation, one whose webhook is sent about the deadline, and the outcome."""
    return history(sent(EAST, 0), sent(WEST, at, **ended), notified("timed_out", 120.1, WEST, tag="other"))


@pytest.mark.parametrize("name", AT_THE_DEADLINE)
def test_at_the_very_instant_of_the_deadline_all_say_the_same(name: str) -> None:
    """The lines of a finding, the report, the coverage of rules, and the rule that a refusal breaks."""
    at, ok, counted, outcome, late = AT_THE_DEADLINE[name]
    played = at_the_deadline(at, ok=ok)

    verdict = judge(played)
    finding = verdict.findings[0]  # at least the tag is wrong, so that there is a finding with its lines
    attempt_outcomes = analyse(played, verdict).operations[0].attempt_outcomes
    refused = judge(at_the_deadline(at, status=400)).findings[0].rule

    assert counted in finding.by_region[1]
    assert list(attempt_outcomes.values()) == [AttemptOutcome.COUNTED, outcome]
    assert (Rule.LATE_AND_DUPLICATE in exercised_rules(played)) is late
    assert refused is (Rule.LATE_AND_DUPLICATE if late else Rule.ACKNOWLEDGEMENT)


@pytest.mark.parametrize(("at", "late"), [(120.1, False), (120.101, True)])
def test_at_the_very_instant_of_the_notification_nothing_is_late(at: float, *, late: bool) -> None:
    """Which came first cannot be seen; here the deadline has no end, as nothing was acknowledged."""
    lines = (sent(EAST, 0, ok=None), notified("timed_out", 120.1, WEST))
    accepted, refused = history(*lines, sent(WEST, at)), history(*lines, sent(WEST, at, status=400))

    outcomes = analyse(accepted, judge(accepted)).operations[0].attempt_outcomes

    assert (AttemptOutcome.LATE in outcomes.values()) is late
    assert (Rule.LATE_AND_DUPLICATE in exercised_rules(accepted)) is late
    assert (judge(refused).findings[0].rule is Rule.LATE_AND_DUPLICATE) is late


# --- a clock that drifts ---


@pytest.mark.parametrize(
    ("at", "broken"), [(119.98, []), (119.979, [Rule.DEADLINE]), (120.2, []), (121.1, [Rule.DEADLINE])]
)
def test_a_clock_that_drifts_moves_the_deadlines_window_by_so_much(at: float, broken: list[Rule]) -> None:
    """A clock that drifts by 20 ms may fire 20 ms early; a millisecond more is a bug."""
    played = history(sent(EAST, 0, ok=0), notified("timed_out", at, WEST), run={"clock_drift": 20})

    assert [finding.rule for finding in judge(played).findings] == broken


@pytest.mark.parametrize(("outcome", "missing"), [("completed", ()), ("timed_out", (WEST,))])
def test_within_the_drift_either_outcome_is_right(outcome: str, missing: tuple[str, ...]) -> None:
    """An arrival 10 ms before the deadline may be late by the aggregator's clock."""
    lines = (sent(EAST, 0, ok=0), sent(WEST, 119.99, ok=0), notified(outcome, 120, *missing))

    assert judge(history(*lines, run={"clock_drift": 20})).findings == ()


def test_without_a_drift_a_millisecond_early_is_a_bug() -> None:
    """In virtual time both clocks are one."""
    played = history(sent(EAST, 0), notified("timed_out", 119.999, WEST))

    assert [finding.rule for finding in judge(played).findings] == [Rule.DEADLINE]


def test_one_way_takes_as_long_as_its_delay_may_be() -> None:
    """A log-normal one has no end, but almost every draw is shorter than this."""
    delays = (Delay(), Delay(fixed=7), Delay(min=1, max=3), Delay(min=2), Delay(median=10, sigma=0.5))

    assert [*map(longest_ms, delays)] == [0, 7, 3, 0, 201]
