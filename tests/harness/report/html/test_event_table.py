"""The table of events."""

import msgspec

from fanin.harness.oracle.oracle import judge
from fanin.harness.report.html import event_table
from fanin.harness.verdict import Finding, Rule
from fanin.simulator.faults.transport import Duplicate
from tests.harness.oracle.histories import EAST, history, sent
from tests.harness.report.reported import analysed, many


def test_the_table_of_events_is_cut_but_keeps_what_decides() -> None:
    """Findings are never hidden; what is hidden is counted."""
    copies = [sent(EAST, 1 + number / 100, copy=number) for number in range(1, 1_001)]
    played = history(sent(EAST, 0), *copies, faults=(Duplicate(region=EAST),))
    analysis = analysed(played)
    middle = analysis.evidence.attempts[500].index
    verdict = msgspec.structs.replace(
        judge(played), findings=(Finding(Rule.IDENTITY, "something", "op1", (middle,)),)
    )

    table = event_table.table(analysis, verdict, analysis.operations)

    hidden = sum(row.skipped for row in table.rows)
    shown = [row for row in table.rows if not row.skipped]
    assert len(shown) <= event_table.ROWS_MAX + 1
    assert hidden + len(shown) > 1_000
    assert [row.anchor for row in shown if row.deciding] == [table.anchors[middle]]


def test_what_decides_is_in_the_table_even_if_its_operation_has_no_picture() -> None:
    """A finding that counts others like it points at their records."""
    played = many(50)
    analysis = analysed(played)
    index = analysis.operations[40].records.notifications[0].index
    verdict = msgspec.structs.replace(
        judge(played), findings=(Finding(Rule.CONTENT, "more", None, (index,)),)
    )

    table = event_table.table(analysis, verdict, analysis.operations[:2])

    assert [row.operation for row in table.rows if row.deciding] == ["push/41"]
