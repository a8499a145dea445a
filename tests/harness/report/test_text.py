"""Whole reports, as a person reads them. Histories and verdicts by hand; the text is reviewed like code.

After a change that is meant, ``FANIN_ACCEPT_REPORTS=1 pytest tests/harness/report`` writes the files
in ``reports/`` anew; their difference is what to review.
"""

import os
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.harness.history import (
    AttemptEnded,
    AttemptSent,
    Entry,
    FaultApplied,
    History,
    NotificationReceived,
    Run,
    SinkResponded,
    Unsent,
)
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.line import WIDTH, Line, clean, paint, plain
from fanin.harness.report.text import one_line, report, skipped, summary
from fanin.harness.verdict import Finding, Judgement, Rule, Validity, Verdict
from fanin.simulator.faults.sink import SinkDown
from fanin.simulator.faults.transport import LoseResponse
from fanin.simulator.language.scenario import Scenario
from tests.harness.oracle.histories import EAST, WEST, crash, history, notified, sent, unattributed
from tests.harness.report.cases import CASES, Case

REPORTS = Path(__file__).parent / "reports"
every_case = pytest.mark.parametrize("build", CASES, ids=lambda build: build.__name__)


def lines_of(case: Case) -> list[Line]:
    return report(case.history, case.verdict, replay="fanin run by-hand --seed 0")


@every_case
def test_the_report_reads_as_reviewed(build: Any) -> None:
    """Long output is a snapshot, and a change of it is reviewed like code."""
    path = REPORTS / f"{build.__name__}.txt"

    text = paint(lines_of(build()), colour=False) + "\n"

    if os.environ.get("FANIN_ACCEPT_REPORTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@every_case
def test_no_line_is_wider_than_the_page(build: Any) -> None:
    """A report is readable at 100 columns."""
    assert [plain(row) for row in lines_of(build()) if len(plain(row)) > WIDTH] == []


@every_case
@pytest.mark.parametrize("width", [72, 80])
def test_a_report_fits_a_narrower_terminal(build: Any, width: int) -> None:
    """Lanes become narrower, and a list where there is no room for them; only the replay command stays."""
    case = build()

    rows = report(case.history, case.verdict, replay="fanin run by-hand --seed 0", width=width)

    assert [plain(row) for row in rows if len(plain(row)) > width] == []


@every_case
def test_without_colour_there_is_nothing_but_text(build: Any) -> None:
    """In a pipe there are no escape sequences; with colour the text is the same."""
    rows = lines_of(build())

    bare, coloured = paint(rows, colour=False), paint(rows, colour=True)

    assert "\x1b" not in bare
    assert "\x1b[" in coloured
    assert click.unstyle(coloured) == bare


@every_case
def test_an_ascii_terminal_gets_the_same_columns(build: Any) -> None:
    """Where a glyph cannot be shown, one of the same width stands in."""
    rows = lines_of(build())

    ascii_text = paint(rows, colour=False, encoding="ascii")

    assert ascii_text.isascii()
    assert list(map(len, ascii_text.split("\n"))) == [len(plain(row)) for row in rows]


@every_case
def test_the_verdict_alone_is_the_end_of_the_whole_report(build: Any) -> None:
    """Quiet leaves the timeline out and changes nothing else."""
    case = build()

    quiet = report(case.history, case.verdict, replay="fanin run by-hand --seed 0", quiet=True)

    assert lines_of(case)[-len(quiet) :] == quiet
    assert plain(quiet[0]).startswith(case.verdict.validity.upper())


def test_what_the_judged_aggregator_writes_cannot_steer_the_terminal() -> None:
    """An escape sequence in a notification is shown as what it is: rubbish."""
    hostile = "\x1b[2J\x1b]0;owned\x07completed\r\n"
    run = history(
        sent(EAST, 0),
        notified(hostile, 1, hostile, key=hostile),
        unattributed(2, {"outcome": hostile}, hostile),
    )
    verdict = Verdict(
        Validity.INVALID, (Finding(Rule.CONTENT, hostile, hostile, (3, 4), (hostile,), (hostile,)),)
    )

    text = paint(report(run, verdict, replay="fanin run by-hand"), colour=False)

    assert [character for character in text if not character.isprintable() and character != "\n"] == []
    assert clean("a\x1bb") == "a\N{REPLACEMENT CHARACTER}b"


ODDITIES = (
    *history(sent(EAST, 0), sent(WEST, 1, status=500), notified("completed", 2), unattributed(3),
        crash(4, 5)).entries,
    *history(
        sent("mars", 0, url_region=None), notified("timed_out", 1, "mars", error="hung"), boot=False
    ).entries,
    AttemptEnded(1, 77, 202), SinkResponded(1, 77, 200), Unsent(1, "never", "mars", "dropped"),
    AttemptSent(1, 99, "never", "mars", "x", "y"),
    NotificationReceived(1, 5, None, {"outcome": [1], "missing": 3}),
    FaultApplied(1, 99), FaultApplied(1, 0, "never", "mars", 99), FaultApplied(1, 0, attempt=1),
)  # fmt: skip


@given(
    st.lists(st.sampled_from(ODDITIES), max_size=30),
    st.sampled_from([(EAST,), (EAST, WEST)]),
    st.lists(st.text(max_size=30), max_size=12, unique=True),
    st.lists(st.integers(-3, 40), max_size=5),
)
def test_whatever_a_history_holds_it_can_be_reported(
    entries: list[Entry], known: tuple[str, ...], regions: list[str], indices: list[int]
) -> None:
    """A stored history may come from anywhere; a report explains, and does not raise."""
    scenario = Scenario("any", "Any", regions=(*known, *regions), faults=(LoseResponse(), SinkDown(until=3)))
    run = History(Run(scenario, 0), entries)
    finding = Finding(Rule.OUTCOME, "something", "op1", tuple(indices))
    verdict = Verdict(Validity.INVALID, (finding,), judgements=judge(run).judgements)

    rows = report(run, verdict, replay="fanin judge any.jsonl")

    assert [plain(row) for row in rows if len(plain(row)) > WIDTH] == []


def test_one_line_says_what_became_of_the_operations() -> None:
    """And, where it matters, what should have."""
    run = history(sent(EAST, 0), sent(WEST, 1), notified("completed", 1.01))
    verdict = Verdict(Validity.VALID, judgements=(Judgement("op1", ("completed",), outcome="completed"),))
    header = msgspec.structs.replace(
        run.run, scenario=msgspec.structs.replace(run.run.scenario, verdict="invalid")
    )

    assert plain(one_line(run, verdict)).split() == ["VALID", "by-hand", "seed=0", "1", "completed"]
    assert plain(one_line(msgspec.structs.replace(run, run=header), verdict)).endswith("must be invalid")


def test_the_summary_counts_what_went_wrong() -> None:
    """One number to look at."""
    assert plain(summary(2, 1)) == "2 runs, 1 with another verdict than the scenario states"


def test_the_summary_of_one_run_is_in_the_singular() -> None:
    """Of several, the others were skipped or interrupted."""
    assert plain(summary(1, 0)) == "1 run, with the verdict that its scenario states"
    assert plain(summary(1, 1)) == "1 run, with another verdict than its scenario states"


def test_the_summary_of_runs_that_all_went_as_stated_says_so() -> None:
    """Also of those that must be invalid."""
    assert plain(summary(2, 0)) == "2 runs, each with the verdict that its scenario states"


def test_a_skipped_scenario_says_what_it_needs_and_how_to_play_it_all_the_same() -> None:
    """One option for each capability."""
    lines = [plain(row) for row in skipped(Scenario("any", "Any"), ["replicas", "function-keys"])]

    assert " ".join(" ".join(lines).split()) == (
        "SKIPPED any it needs replicas, function-keys, which is beyond the contract;"
        " --capability replicas --capability function-keys plays it"
    )
