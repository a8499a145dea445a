"""The rules that a run could have caught breaking."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.rule_coverage import exercised_rules, unobservable_parts
from fanin.harness.verdict import Rule
from fanin.simulator.faults.sink import SinkRefuses
from tests.harness.oracle.histories import EAST, WEST, both, fault_applied, history, notified, occurred, sent

CALM = {Rule.IDENTITY, Rule.OUTCOME, Rule.ACKNOWLEDGEMENT, Rule.NOTIFICATION, Rule.CONTENT}


def completed(**header: Any) -> History:
    return history(both(), notified("completed", 0.1), run=header)


def timed_out(**header: Any) -> History:
    return history(sent(EAST, 0), notified("timed_out", 120.1, WEST), run=header)


@pytest.mark.parametrize(
    ("played", "more"),
    [
        (completed(), set()),
        (timed_out(), {Rule.DEADLINE}),
        (history(both(), notified("completed", 0.1), sent(EAST, 9)), {Rule.LATE_AND_DUPLICATE}),
        (history(both(), notified("completed", 0.1), sent(EAST, 0.05, copy=1)), {Rule.LATE_AND_DUPLICATE}),
        (
            history(both(), notified("completed", 0.1), sent(EAST, 9, url_region="mars", status=400)),
            {Rule.EXPECTED_REGIONS, Rule.LATE_AND_DUPLICATE},
        ),
        (
            history(sent(EAST, 0, url_region="EastUS"), sent(WEST, 0), notified("completed", 0.1)),
            {Rule.EXPECTED_REGIONS},
        ),
        (
            history(fault_applied(0), both(), notified("completed", 0.1, status=503),
                notified("completed", 1),
                    faults=(SinkRefuses(until=500),)),
            {Rule.ISOLATION},
        ),
    ],
)  # fmt: skip
def test_a_rule_is_tested_by_what_could_have_broken_it(played: History, more: set[Rule]) -> None:
    """The occasion counts, not what came of it."""
    assert exercised_rules(played) == CALM | more


def test_an_unwanted_action_tests_the_clause_about_pings() -> None:
    """Whichever action that is."""
    ping = history(occurred(action="ping"), sent(EAST, 0, status=200))

    assert Rule.PING in exercised_rules(ping)


def test_a_rule_needs_parts_of_a_notification_that_may_not_be_seen() -> None:
    """Only rules about notifications do, and only the parts that this run cannot show are named."""
    run = completed(unobservable=("key", "tag", "digest")).run

    assert unobservable_parts(Rule.NOTIFICATION, run) == ("key",)
    assert unobservable_parts(Rule.CONTENT, run) == ("tag", "digest")
    assert unobservable_parts(Rule.DEADLINE, run) == ()


def test_a_fault_that_the_scenario_does_not_have_exercises_nothing() -> None:
    """A history may come from anywhere."""
    assert exercised_rules(history(fault_applied(7), both(), notified("completed", 0.1))) == CALM
