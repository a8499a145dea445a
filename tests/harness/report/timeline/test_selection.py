"""What a timeline shows of a long run: repetition folded, evidence kept, examples chosen."""

from fanin.harness.report.line import paint
from fanin.harness.report.text import report
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from tests.harness.oracle.histories import EAST, history, sent


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
    verdict = Verdict(Validity.INVALID, (Finding(Rule.OUTCOME, "p/77 was told nothing", "p/77"),))

    text = paint(report(history(*lines), verdict, replay=""), colour=False)

    assert "push p/77" in text
    assert "more operations: " in text
