"""Which operations stand for the others, and how outcomes are counted."""

from typing import Any

import msgspec

from fanin.harness.oracle.oracle import judge
from fanin.harness.report.analysis import analyse
from fanin.harness.report.representatives import (
    NOT_NOTIFIED,
    examples,
    first_outcome,
    grouped,
    judged_outcomes,
    legal_outcomes,
    representatives,
    tally,
)
from fanin.harness.verdict import Finding, Judgement, Rule
from tests.harness.oracle.histories import EAST, WEST, history, notified, sent
from tests.harness.report.reported import analysed, many


def test_representatives_are_what_each_broken_rule_is_about_then_one_of_each_kind() -> None:
    """A thousand pictures would be too many, and the accused one must be among them."""
    played = many(30)
    accused = msgspec.structs.replace(
        judge(played),
        findings=(
            Finding(Rule.CONTENT, "one", "push/20"), Finding(Rule.CONTENT, "two", "push/21"),
            Finding(Rule.DEADLINE, "three", "push/25"),
        ),
    )  # fmt: skip

    chosen = examples(analyse(played, accused), accused)

    assert [operation.name for operation in chosen] == ["push/1", "push/20", "push/25"]


def test_of_a_few_operations_all_are_shown() -> None:
    """And of many one with each outcome, although the first ones are all alike."""
    lines = [
        line
        for n in range(5)
        for line in (
            sent(EAST, n, op=f"p/{n}"), sent(WEST, n, op=f"p/{n}"), notified("completed", n + 1, op=f"p/{n}"),
        )
    ]  # fmt: skip
    late = (sent(EAST, 9, op="late"), notified("timed_out", 129.01, WEST, op="late"))
    few, some = history(*lines[:6]), history(*lines, *late)

    chosen = [[it.name for it in examples(analysed(it), judge(it))] for it in (few, some)]

    assert chosen == [["p/0", "p/1"], ["p/0", "late"]]


def test_operations_that_went_another_way_are_of_another_kind() -> None:
    """A duplicate, a lost webhook, a sink that failed."""
    ways: list[tuple[Any, ...]] = [
        (), (), (sent(EAST, 3, op="p/2", copy=1),), (sent(WEST, 4, op="p/3", error="lost"),),
    ]  # fmt: skip
    lines = [line for n, more in enumerate(ways) for line in (sent(EAST, n, op=f"p/{n}"), *more)]
    played = history(*lines)

    assert [it.name for it in representatives(analysed(played), judge(played))] == ["p/0", "p/2", "p/3"]


def test_outcomes_are_counted_the_most_frequent_first() -> None:
    """Large numbers have separators, and what separates them from their noun is up to the reader's medium."""
    outcomes = ["timed_out"] * 2 + ["completed"] * 1_200

    assert tally(outcomes) == "1,200 completed, 2 timed_out"
    assert tally(outcomes, space="_") == "1,200_completed, 2_timed_out"
    assert tally([]) == ""


def test_an_operation_without_a_notification_has_an_outcome_all_the_same() -> None:
    """It was not notified; and one whose notification says nothing has none."""
    silent, odd = history(sent(EAST, 0)), history(sent(EAST, 0), notified("", 1))

    assert [first_outcome(it) for it in analysed(silent).operations] == [NOT_NOTIFIED]
    assert [first_outcome(it) for it in analysed(odd).operations] == ["no outcome"]
    assert judged_outcomes(judge(silent).judgements) == [NOT_NOTIFIED]


def test_what_was_legal_is_said_in_words() -> None:
    """Where no outcome was legal, the words say so."""
    assert legal_outcomes(Judgement("op1", ("completed", "none"))) == "completed or not notified"


def test_groups_keep_the_order_in_which_their_kinds_came() -> None:
    """Within a group, the items keep their order as well."""
    assert grouped([3, 1, 4, 1, 5, 9, 2, 6], lambda it: it % 2) == [[3, 1, 1, 5, 9], [4, 2, 6]]
