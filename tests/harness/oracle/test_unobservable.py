"""What the header of a run says about clocks, and about what nobody can see."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from tests.harness.oracle.histories import ABSENT, EAST, WEST, both, history, notified, sent


def rules(played: History) -> set[Rule]:
    return {finding.rule for finding in judge(played).findings}


@pytest.mark.parametrize(
    ("told_at", "broken"),
    [(119.98, set()), (119.979, {Rule.DEADLINE}), (120.2, set()), (121.1, {Rule.DEADLINE})],
)
def test_a_margin_moves_the_deadlines_window_by_so_much(told_at: float, broken: set[Rule]) -> None:
    """A clock that strays by 20 ms may fire 20 ms early; a millisecond more is a bug."""
    played = history(
        sent(EAST, 0, ok=0), notified("timed_out", told_at, WEST), run={"clock_drift": 20, "tolerance": 1_000}
    )

    assert rules(played) == broken


@pytest.mark.parametrize("outcome", ["completed", "timed_out"])
def test_inside_the_margin_either_outcome_is_right(outcome: str) -> None:
    """An arrival 10 ms before the deadline may be late by the aggregator's clock."""
    missing = () if outcome == "completed" else (WEST,)
    played = history(
        sent(EAST, 0, ok=0),
        sent(WEST, 119.99, ok=0),
        notified(outcome, 120, *missing),
        run={"clock_drift": 20},
    )

    assert rules(played) == set()


def test_without_a_margin_a_millisecond_early_is_a_bug() -> None:
    """In virtual time both clocks are one."""
    assert rules(history(sent(EAST, 0), notified("timed_out", 119.999, WEST))) == {Rule.DEADLINE}


@pytest.mark.parametrize("part", ["id", "arrived", "missing", "action", "repository", "tag", "digest"])
def test_a_part_that_nobody_can_see_is_not_held_against_the_notification(part: str) -> None:
    """But it is where it could have been seen."""
    body: dict[str, Any] = {part: ABSENT}

    def played(*unobservable: str) -> History:
        return history(both(), notified("completed", 0.1, **body), run={"unobservable": unobservable})

    assert Rule.CONTENT in rules(played())
    assert rules(played(part)) == set()
    assert judge(played(part)).validity is Validity.VALID


def test_a_key_that_nobody_can_see_is_not_missed() -> None:
    """A status tells no idempotency key."""
    assert rules(history(both(), notified("completed", 0.1, key=None))) == {Rule.NOTIFICATION}
    assert (
        rules(history(both(), notified("completed", 0.1, key=None), run={"unobservable": ("key",)})) == set()
    )


def test_what_can_be_seen_is_judged_all_the_same() -> None:
    """A wrong tag beside a digest that is not shown."""
    played = history(
        both(), notified("completed", 0.1, tag="no", digest=ABSENT), run={"unobservable": ("digest",)}
    )

    (finding,) = judge(played).findings
    assert "tag 'no'" in finding.message
    assert "digest" not in finding.message
