"""A verdict as text: never longer than fifteen lines, and the replay command last."""

from fanin.harness.report.line import WIDTH, plain
from fanin.harness.report.text import report
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from tests.harness.oracle.histories import EAST, history, sent


def test_a_failing_verdict_fits_in_fifteen_lines_and_keeps_the_replay_last() -> None:
    """However much went wrong, the command that shows it again is on the screen."""
    run = history(*(sent(EAST, at) for at in range(30)))
    records = tuple(range(1, 50))
    finding = Finding(Rule.OUTCOME, "x " * 300, "op1", records, ("blame " * 40,) * 20, ("B01",) * 20)
    verdict = Verdict(Validity.INVALID, (finding,) * 40)

    rows = report(run, verdict, replay="fanin run by-hand --seed 0", quiet=True)

    assert len(rows) <= 15
    assert plain(rows[-1]) == "  replay: fanin run by-hand --seed 0"
    assert [plain(row) for row in rows if len(plain(row)) > WIDTH] == []


def test_doubts_without_end_fit_as_well() -> None:
    """Unknown says why, at the same length."""
    verdict = Verdict(Validity.UNKNOWN, doubts=("a reason that takes its time " * 8,) * 30)

    rows = report(history(sent(EAST, 0)), verdict, replay="fanin run by-hand --seed 0", quiet=True)

    assert len(rows) <= 15
    assert plain(rows[-1]).startswith("  replay: ")
