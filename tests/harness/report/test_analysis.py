"""What became of each attempt and each operation, as far as can be seen from outside."""

from typing import Any

import pytest

from fanin.harness.report.analysis import AttemptOutcome
from fanin.simulator.faults.transport import Duplicate, LoseResponse
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    unattributed,
    unsent,
)
from tests.harness.report.reported import analysed


def outcomes(*lines: Any, **scenario: Any) -> list[AttemptOutcome]:
    """Of each attempt, in the order in which they were sent."""
    analysis = analysed(history(*lines, **scenario))
    return [analysis.outcome_of(attempt) for attempt in analysis.evidence.attempts]


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (sent(WEST, 5), AttemptOutcome.COUNTED),
        (sent(EAST, 5, copy=1), AttemptOutcome.DUPLICATE),
        (sent(WEST, 130), AttemptOutcome.LATE),
        (sent(WEST, 120.001), AttemptOutcome.AT_DEADLINE),
        (sent(WEST, 5, status=422), AttemptOutcome.REFUSED),
        (sent(WEST, 5, invalid="malformed:no-id", status=400), AttemptOutcome.REFUSED),
        (sent(WEST, 5, invalid="malformed:no-id"), AttemptOutcome.WRONGLY_ACCEPTED),
        (sent(WEST, 5, invalid="malformed:no-id", envelope=9), AttemptOutcome.NO_EFFECT),
        (sent("mars", 5, url_region="mars"), AttemptOutcome.WRONGLY_ACCEPTED),
        (sent(WEST, 5, error="lost"), AttemptOutcome.LOST),
        (sent(WEST, 5, error="refused"), AttemptOutcome.LOST),
        (sent(WEST, 5, error="reset"), AttemptOutcome.INDEFINITE),
        (sent(WEST, 5, status=503), AttemptOutcome.INDEFINITE),
        (sent(WEST, 5, ok=None), AttemptOutcome.INDEFINITE),
    ],
    ids=range(14),
)
def test_an_attempt_has_the_outcome_that_its_answer_proves(line: Any, outcome: AttemptOutcome) -> None:
    """Each comes after a first region that counted."""
    assert outcomes(sent(EAST, 0), line)[-1] is outcome


def test_what_comes_after_the_notification_is_late() -> None:
    """Even long before the deadline."""
    assert outcomes(sent(EAST, 0), notified("timed_out", 10, WEST), sent(WEST, 20))[-1] is AttemptOutcome.LATE


def test_what_starts_nothing_has_no_effect() -> None:
    """A ping may be answered 200, from any region."""
    played = (occurred("op1", 0, action="ping"), sent(EAST, 0), sent("mars", 1, url_region="mars"))

    assert outcomes(*played) == [AttemptOutcome.NO_EFFECT] * 2


def test_the_first_answer_counts_and_not_the_first_request() -> None:
    """Two copies on the way at once: which of them was a duplicate, their answers say."""
    found = outcomes(sent(EAST, 0, ok=None), sent(EAST, 1, copy=1), faults=(Duplicate(region=EAST),))

    assert found == [AttemptOutcome.INDEFINITE, AttemptOutcome.COUNTED]


def test_regions_that_may_have_counted_are_indefinite_until_they_count() -> None:
    """A retry that is answered settles it."""
    played = (
        sent(EAST, 0),
        sent(WEST, 1, error="reset"),
        sent(NORTH, 2, error="reset"),
        sent(NORTH, 3, retry=1),
    )
    (operation,) = analysed(history(*played, regions=(EAST, WEST, NORTH))).operations

    assert operation.indefinite == {WEST}
    assert operation.counted == {EAST: 3, NORTH: 3_003}


def test_several_keys_of_one_operation_have_names_of_their_own() -> None:
    """Each region's payload may carry an id of its own."""
    analysis = analysed(history(occurred("op1", 0, ids={EAST: "a", WEST: "b"}), sent(EAST, 0), sent(WEST, 1)))

    assert [operation.name for operation in analysis.operations] == ["op1", "op1.2"]
    assert analysis.operation_named("op1") is analysis.operations[0]


def test_a_fault_is_known_by_the_attempt_to_which_it_was_applied() -> None:
    """Some are applied to an attempt, some to the delivery before it leaves."""
    played = history(
        fault_applied(0, 0, op="op1", region=EAST), sent(EAST, 0), sent(WEST, 1, error="reset"),
        fault_applied(1, 1, attempt=2),
        faults=(Duplicate(region=EAST), LoseResponse(region=WEST)),
    )  # fmt: skip
    analysis = analysed(played)
    east, west = analysis.evidence.attempts

    assert analysis.delivery_faults(east) == [played.run.scenario.faults[0]]
    assert analysis.delivery_faults(west) == [played.run.scenario.faults[1]]


def test_a_run_restricted_to_an_operation_holds_nothing_else() -> None:
    """And restricted to none of them, what belongs to none."""
    played = history(
        occurred("one", 0), sent(EAST, 0, op="one"), unsent(WEST, 1, op="one"), occurred("two", 2),
        sent(EAST, 2, op="two"), notified("timed_out", 122.01, WEST, op="two"),
        unattributed(130, {"id": "unheard-of", "outcome": "completed"}),
    )  # fmt: skip
    analysis = analysed(played)

    one, two, nothing = (analysis.restricted_to(it) for it in (*analysis.operations, None))

    assert [len(it.registry_events) for it in (one, two, nothing)] == [1, 1, 0]
    assert [len(it.unsent) for it in (one, two, nothing)] == [1, 0, 0]
    assert [len(it.evidence.attempts) for it in (one, two, nothing)] == [1, 1, 0]
    assert [len(it.evidence.notifications) for it in (one, two, nothing)] == [0, 1, 1]
    assert nothing.notified_operation(nothing.evidence.notifications[0]) is None


def test_a_timer_is_set_when_its_operation_starts() -> None:
    """One timeout before its deadline."""
    (operation,) = analysed(history(sent(EAST, 1), sent(WEST, 2))).operations

    assert operation.deadline == (121_000, 121_003)
    assert operation.armed_at(121_000) == 1_000


def test_an_operation_that_never_started_has_no_deadline() -> None:
    """Nothing was sent that may have counted."""
    (operation,) = analysed(history(sent(EAST, 1, error="lost"))).operations

    assert operation.deadline is None
