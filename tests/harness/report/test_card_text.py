"""The card as text: nothing is cut, and failures of one cause stand together."""

from fanin.harness.history import History
from fanin.harness.known_bugs import KNOWN_BUGS
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.card_text import card_lines, scenario_lines
from fanin.harness.report.line import plain
from fanin.harness.results import Card, Judged, Skipped
from fanin.harness.verdict import Rule
from tests.harness.oracle.histories import EAST, WEST, both, crash, history, notified, sent


def judged(played: History, *notes: str) -> Judged:
    return Judged(played, judge(played), notes)


def wrong(*notes: str) -> Judged:
    return judged(history(both(), notified("timed_out", 120.1, WEST)), *notes)


def shown(card: Card, width: int = 100) -> list[str]:
    return [plain(row) for row in card_lines(card, width=width)]


def test_a_scenario_is_one_line_and_a_long_reason_goes_on_below_itself() -> None:
    """All of the sentence, and no line wider than the terminal."""
    good = judged(history(both(), notified("completed", 0.1)))
    skipped = Skipped("hot-op", ("process", "own-regions"), "5 regions; there are 3")
    bad = wrong()

    rows = [plain(row) for row in scenario_lines(bad, width=80)]

    assert [plain(row) for row in scenario_lines(good)] == ["valid    by-hand"]
    assert [plain(row) for row in scenario_lines(skipped)] == [
        "skipped  hot-op                   needs process, own-regions (5 regions; there are 3)"
    ]
    assert rows[0].startswith("invalid  by-hand                  4-outcome: op1 was reported timed_out")
    assert " ".join(" ".join(rows).split()) == f"invalid by-hand {bad.summary}"
    assert max(map(len, rows)) <= 80


def test_the_text_shows_every_rule_its_evidence_the_notes_and_a_sum() -> None:
    """A broken rule shows three findings at most, and how many more there are."""
    results = [wrong("its process exited with 1") for _ in range(5)]

    rows = shown(Card("node server.js", [*results, Skipped("x", ("process",))], notes=("strays",)))

    assert sum("by-hand: op1 was reported timed_out" in row for row in rows) == 3
    assert "           … and 2 more" in rows
    assert "note: strays" in rows
    assert "note: by-hand: its process exited with 1" in rows
    assert rows[-1] == "INVALID  node server.js: 5 of 6 scenarios judged: 5 invalid, 1 skipped"
    assert sum(row.startswith(("  kept", "  BROKEN", "  untested")) for row in rows) == len(Rule)


def test_no_line_is_wider_than_the_terminal() -> None:
    """Of the card, its notes and causes, and the sum."""
    right = judged(history(both(), notified("completed", 0.1)))
    results: list[Judged | Skipped] = [wrong(), right, Skipped("x", ("process",))]

    rows = shown(Card("a-module.of-long-name:create_app_of_long_name", results, ("a note " * 20,)), 72)

    assert max(map(len, rows)) <= 72
    assert " ".join(" ".join(rows[-2:]).split()).endswith("judged: 1 invalid, 1 valid, 1 skipped")


def test_what_was_noticed_of_several_is_said_once() -> None:
    """The same twenty lines of output for each of them hide all else."""
    rows = shown(Card("x", [wrong("it exited"), wrong("it exited", "it was slow")]))

    notes = [row for row in rows if row.startswith("note: ")]
    assert notes == ["note: by-hand: it exited", "note: by-hand: it was slow"]


def test_failures_of_one_cause_stand_together_with_the_shortest_to_begin_with() -> None:
    """The sentence is that of the page about bugs."""
    lost = history(sent(EAST, 0), sent(WEST, 1), crash(1.5, 3), notified("timed_out", 120.1, WEST))

    rows = " ".join(" ".join(shown(Card("x", [judged(lost), judged(lost)]))).split())

    assert f"2 runs look like B50: {KNOWN_BUGS['B50'].cause}; begin with by-hand" in rows
