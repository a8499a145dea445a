"""The table of outcomes."""

from fanin.harness.report.outcome_table import outcome_rows
from tests.harness.oracle.histories import EAST, WEST, history, notified, sent
from tests.harness.report.reported import analysed, many


def test_a_row_says_the_outcome_and_what_was_legal() -> None:
    """One row each; a wrong one is marked as wrong."""
    right = outcome_rows(analysed(history(sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01))))
    wrong = outcome_rows(analysed(history(sent(EAST, 0), notified("completed", 5.01))))

    assert [(it.outcome, it.legal, it.right) for it in right] == [("completed", "completed", True)]
    assert [(it.outcome, it.legal, it.right) for it in wrong] == [("completed", "timed_out", False)]


def test_many_operations_judged_alike_share_a_row() -> None:
    """A thousand rows would explain less than one."""
    (row,) = outcome_rows(analysed(many(30)))

    assert (row.count, row.example, row.outcome) == (30, "push/1", "completed")
