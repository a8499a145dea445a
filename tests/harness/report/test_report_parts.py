"""The report's parts: instants, folding, words for every fault, and texts that others wrote."""

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
from fanin.harness.report.line import WIDTH, clean, paint, plain
from fanin.harness.report.scenario_text import fault_text, scenario_sentences
from fanin.harness.report.text import one_line, report, summary
from fanin.harness.verdict import Finding, Judgement, Rule, Validity, Verdict
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import (
    Crash,
    DelayBy,
    Drop,
    Duplicate,
    Fault,
    LoseAnswer,
    Malform,
    Reorder,
    Restart,
    Scenario,
    SinkDown,
    SinkLosesAnswer,
    SinkRefuses,
    SinkStalls,
    SlowClient,
    UnknownRegion,
    WrongKey,
)
from fanin.simulator.pack import find, names
from fanin.simulator.shapes import Delay
from tests.harness.oracle.histories import EAST, WEST, crash, garbage, history, sent, told


def test_what_the_judged_aggregator_writes_cannot_steer_the_terminal() -> None:
    """An escape sequence in a notification is shown as what it is: rubbish."""
    hostile = "\x1b[2J\x1b]0;owned\x07completed\r\n"
    run = history(
        sent(EAST, 0), told(hostile, 1, hostile, key=hostile), garbage(2, {"outcome": hostile}, hostile)
    )
    verdict = Verdict(
        Validity.INVALID, (Finding(Rule.CONTENT, hostile, hostile, (3, 4), (hostile,), (hostile,)),)
    )

    text = paint(report(run, verdict, replay="fanin run by-hand"), colour=False)

    assert [character for character in text if not character.isprintable() and character != "\n"] == []
    assert clean("a\x1bb") == "a\N{REPLACEMENT CHARACTER}b"


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


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Drop(region=EAST), "eastus: the registry never sends the webhook"),
        (Drop(chance=0.1), "10% of webhooks: the registry never sends the webhook"),
        (DelayBy(by=Delay(min=1_000, max=5_000)), "the registry holds the webhook back by 1s to 5s"),
        (DelayBy(by=Delay(median=3_000)), "the registry holds the webhook back by 3s, more or less"),
        (Duplicate(operation="op1"), "op1: the registry repeats the webhook 1s later"),
        (Reorder(within=2_000), "webhooks change places within 2s"),
        (Malform(how="empty"), "the body is broken: empty"),
        (UnknownRegion(claims=""), "the URL names no region"),
        (WrongKey(), "the request carries a wrong key"),
        (SlowClient(over=8_000), "the body takes 8s"),
        (SinkRefuses(operation="op1", since=1_000), "the sink answers 503 for op1 from +1s"),
        (SinkStalls(by=3_000, until=60_000), "the sink takes 3s to answer until +1m00s"),
        (SinkLosesAnswer(times=2), "the sink's first 2 answers are lost"),
        (Restart(at=30_000), "the aggregator restarts at +30s, down for 1s"),
        (Crash(at=30_000), "the aggregator is killed at +30s, down for 5s"),
        (
            Crash(step="after-answer", region=EAST),
            "eastus: the aggregator is killed when its answer has reached the",
        ),
        (Crash(step="before-notify", nth=22), "before the notification arrives, the 22nd time, down for 5s"),
    ],
)
def test_every_fault_has_words(fault: Fault, words: str) -> None:
    """A heading names them, and so does `fanin show`."""
    assert words in fault_text(fault)


@pytest.mark.parametrize("name", names())
def test_no_word_of_a_world_is_a_struct(name: str) -> None:
    """What has no words yet would show as Python's own spelling."""
    text = " ".join(scenario_sentences(load(find(name))))

    assert [shape for shape in ("Delay(", "None", "<", "Struct") if shape in text] == []


ODDITIES = (
    *history(sent(EAST, 0), sent(WEST, 1, status=500), told("completed", 2), garbage(3), crash(4, 5)).entries,
    *history(
        sent("mars", 0, url_region=None), told("timed_out", 1, "mars", error="hung"), boot=False
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
    scenario = Scenario("any", "Any", regions=(*known, *regions), faults=(LoseAnswer(), SinkDown(until=3)))
    run = History(Run(scenario, 0), entries)
    finding = Finding(Rule.OUTCOME, "something", "op1", tuple(indices))
    verdict = Verdict(Validity.INVALID, (finding,), judgements=judge(run).judgements)

    rows = report(run, verdict, replay="fanin judge any.jsonl")

    assert [plain(row) for row in rows if len(plain(row)) > WIDTH] == []


def test_one_line_says_what_became_of_the_operations() -> None:
    """And, where it matters, what should have."""
    run = history(sent(EAST, 0), sent(WEST, 1), told("completed", 1.01))
    verdict = Verdict(Validity.VALID, judgements=(Judgement("op1", ("completed",), outcome="completed"),))
    header = msgspec.structs.replace(
        run.run, scenario=msgspec.structs.replace(run.run.scenario, verdict="invalid")
    )

    assert plain(one_line(run, verdict)).split() == ["VALID", "by-hand", "seed=0", "1", "completed"]
    assert plain(one_line(msgspec.structs.replace(run, run=header), verdict)).endswith("must be invalid")


def test_the_summary_counts_what_went_wrong() -> None:
    """One number to look at."""
    assert plain(summary([False, True])) == "2 runs, 1 with another verdict than the scenario states"
