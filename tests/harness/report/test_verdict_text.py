"""A verdict as text: never longer than eighteen lines, and the replay command last."""

import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.report.line import WIDTH, plain
from fanin.harness.report.text import report
from fanin.harness.verdict import Finding, Judgement, Rule, Validity, Verdict
from tests.harness.oracle.histories import EAST, WEST, crash, history, notified, sent


def test_a_failing_verdict_fits_in_eighteen_lines_and_keeps_the_replay_last() -> None:
    """However much went wrong, the command that shows it again is on the screen."""
    run = history(*(sent(EAST, at) for at in range(30)))
    records = tuple(range(1, 50))
    finding = Finding(Rule.OUTCOME, "x " * 300, "op1", records, ("region " * 40,) * 20, ("B01",) * 20)
    verdict = Verdict(Validity.INVALID, (finding,) * 40)

    rows = report(run, verdict, replay="fanin run by-hand --seed 0", quiet=True)

    assert len(rows) <= 18
    assert plain(rows[-1]) == "  replay: fanin run by-hand --seed 0"
    assert [plain(row) for row in rows if len(plain(row)) > WIDTH] == []


NARROW = 72


def test_what_is_too_wide_goes_on_in_the_next_line() -> None:
    """Of a terminal as narrow as the narrowest: every word of every finding, record and region is there."""
    told = notified("completed", 1.006, key="63f271d3-e4a2-494b-9cb8")
    run = history(sent(EAST, 0), told, run={"target": "an application with a name of some length"})
    regions = (f"{'northeurope':<30}  {'sent +0s':<30}  named arrived",)
    first = Finding(Rule.OUTCOME, "op1 was told at length " * 4, "op1", (0, 1, 2), regions)
    second = Finding(Rule.CONTENT, "op1 was reported with a body that does not name every region", "op1")
    verdict = Verdict(Validity.INVALID, (first, second))

    rows = [plain(row) for row in report(run, verdict, replay="", quiet=True, width=NARROW)]

    text = " ".join(" ".join(rows).split())
    assert [row for row in rows if len(row) > NARROW] == []
    assert 'target="an application with a name of some length"' in text
    assert "op1 was told at length " * 3 in text
    assert "northeurope sent +0s named arrived" in text
    assert second.message in text
    assert "…" not in text.replace("63f271d3-e4a2-494…", "")


def test_doubts_without_end_fit_as_well() -> None:
    """Unknown says why, at the same length."""
    verdict = Verdict(Validity.UNKNOWN, doubts=("a reason that takes its time " * 8,) * 30)

    rows = report(history(sent(EAST, 0)), verdict, replay="fanin run by-hand --seed 0", quiet=True)

    assert len(rows) <= 18
    assert plain(rows[-1]).startswith("  replay: ")


@pytest.mark.parametrize(
    ("judgement", "reasons"),
    [
        (Judgement("op1", ("none",)), "op1  not notified: nothing that was accepted starts a wait"),
        (
            Judgement("op1", ("timed_out",), "", 120_000, 120_000, "timed_out"),
            "op1  timed_out: eastus, westus had not arrived by the deadline (+2m00s)",
        ),
        (
            Judgement("op1", ("completed",), "", 120_000, None, "completed", 5_000),
            "op1  completed at +5s: all 2 of 2 arrived before a deadline at +2m00s or later",
        ),
        (
            Judgement("op1", ("completed", "timed_out"), "", 120_000, 120_003, "x"),
            (
                "op1  x: completed or timed_out was right, because it was decided around the deadline "
                "(+2m00s to +2m00.003s)"
            ),
        ),
        (
            Judgement("op1", ("timed_out",), outcome="timed_out"),
            "op1  timed_out: eastus, westus had not arrived by a deadline that was never set",
        ),
    ],
    ids=range(5),
)
def test_a_valid_verdict_says_why_each_outcome_was_right(judgement: Judgement, reasons: str) -> None:
    """Only one was legal, or several were and the harness cannot know more."""
    verdict = Verdict(Validity.VALID, judgements=(judgement,))

    lines = [plain(row) for row in report(history(sent("mars", 0)), verdict, replay="", quiet=True)]

    assert " ".join(" ".join(lines[1:]).split()) == " ".join(reasons.split())


def test_what_may_have_counted_is_named() -> None:
    """It is why either outcome was right."""
    lost = sent(WEST, 1, error="reset")
    played = history(sent(EAST, 0), lost, crash(1.001, 2), notified("timed_out", 120.01, WEST))

    lines = [plain(row) for row in report(played, judge(played), replay="", quiet=True)]

    assert "because westus may or may not have counted" in " ".join(" ".join(lines).split())
