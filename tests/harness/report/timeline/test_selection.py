"""What a timeline shows of a long run: repetition folded, evidence kept, examples chosen."""

from fanin.harness.report.analysis import analyse
from fanin.harness.report.line import paint
from fanin.harness.report.text import report
from fanin.harness.report.timeline.events import events
from fanin.harness.report.timeline.selection import ROWS_MAX, select
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from tests.harness.oracle.histories import EAST, crash, history, sent
from tests.harness.report.reported import analysed, many


def test_repetition_is_folded_and_counted() -> None:
    """Forty copies say no more than three."""
    copies = [sent(EAST, 1 + number / 100, copy=number) for number in range(1, 41)]

    text = paint(report(history(sent(EAST, 0), *copies), Verdict(Validity.VALID), replay=""), colour=False)

    assert text.count("copy ") == 3
    assert "… 37 more instants like these" in text


def test_a_record_that_decides_is_never_folded() -> None:
    """The evidence can be looked up in the picture."""
    run = history(sent(EAST, 0), *(sent(EAST, number, copy=number) for number in range(1, 41)))
    index = next(place for place, entry in enumerate(run.entries) if getattr(entry, "copy", 0) == 20)
    verdict = Verdict(Validity.INVALID, (Finding(Rule.OUTCOME, "that one", "op1", (index,)),))

    text = paint(report(run, verdict, replay=""), colour=False)

    assert "copy 20 " in text
    assert "copy 19 " not in text


def test_the_operation_that_broke_a_rule_is_shown_first_among_many() -> None:
    """Findings are never hidden behind examples."""
    lines = [line for number in range(100) for line in (sent(EAST, number, op=f"p/{number}"),)]
    verdict = Verdict(Validity.INVALID, (Finding(Rule.OUTCOME, "p/77 was not notified", "p/77"),))

    text = paint(report(history(*lines), verdict, replay=""), colour=False)

    assert "push p/77" in text
    assert "more operations: " in text


def test_what_is_still_too_long_keeps_its_ends_and_what_decides() -> None:
    """A hundred changes of the aggregator, none of which repeats another."""
    crashes = [crash(second, second + 1) for second in range(10, 210, 2)]
    played = history(sent(EAST, 0), *crashes)
    middle = next(index for index, entry in enumerate(played.entries) if entry.at == 100_000)
    verdict = Verdict(Validity.INVALID, (Finding(Rule.OUTCOME, "that one", "op1", (middle,)),))
    analysis = analyse(played, verdict)

    rows = select(analysis, events(analysis), verdict).rows

    shown = [row.at for row in rows if not row.folded]
    assert len(rows) <= ROWS_MAX
    assert (shown[0], shown[-1]) == (0, 209_000)
    assert 100_000 in shown
    assert [row.folded for row in rows if row.folded] == [
        "… 78 more instants not shown, until +1m39s",
        "… 96 more instants not shown, until +3m16s",
    ]


def test_a_single_row_is_never_folded() -> None:
    """A sentence about it would be as long."""
    copies = [sent(EAST, number, copy=number) for number in range(1, 5)]
    analysis = analysed(history(sent(EAST, 0), *copies))

    rows = select(analysis, events(analysis), Verdict(Validity.VALID)).rows

    assert [row.folded for row in rows if row.folded] == []


def test_of_many_operations_the_others_are_counted() -> None:
    """By what their first notification states."""
    analysis = analysed(many(100))

    selection = select(analysis, events(analysis), Verdict(Validity.VALID))

    assert selection.hidden == "… 99 more operations: 99 completed"
