"""The page of several runs: rules, and runs with the worst first."""

from collections.abc import Sequence

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.html import index_page
from fanin.harness.results import Card, Judged, Skipped
from fanin.harness.verdict import Rule
from tests.harness.oracle.histories import EAST, WEST, history, notified, occurred, sent
from tests.harness.report.reported import LACKING, Outline, bad, good, moot


def card(*played: History, skipped: Sequence[Skipped] = (), notes: tuple[str, ...] = ()) -> Card:
    return Card("theirs", [*(Judged(one, judge(one)) for one in played), *skipped], notes)


def rows(*played: History, skipped: tuple[Skipped, ...] = ()) -> list[str]:
    """The scenarios of the card in its order."""
    links = [f"runs/{one.run.scenario.scenario}.html" for one in played]
    text = index_page.render(card(*played, skipped=skipped), links)
    runs = Outline(text[text.index('<h2 id="runs">') :])
    names = {one.run.scenario.scenario for one in played} | {one.name for one in skipped}
    return [text for text in runs.texts if text in names]


def test_the_worst_comes_first() -> None:
    """A failure is seen without scrolling."""
    order = rows(good(), moot("as-stated", "unknown"), moot(), bad(), skipped=(LACKING,))

    assert order == ["bad", "moot", "as-stated", "good", "wrong-key"]


def test_the_outcomes_of_each_run_are_counted() -> None:
    """A number and its noun never part at the end of a line; the space between them is one."""
    played = history(
        *(
            line
            for op, at in (("one", 0), ("two", 1))
            for line in (
                occurred(op, at), sent(EAST, at, op=op), sent(WEST, at + 1, op=op),
                notified("completed", at + 1.01, op=op),
            )
        ),
        occurred("three", 5), sent(EAST, 5, op="three"), notified("timed_out", 125.01, WEST, op="three"),
    )  # fmt: skip

    page = Outline(index_page.render(card(played), ["by-hand.html"]))

    assert "2\N{NO-BREAK SPACE}completed, 1\N{NO-BREAK SPACE}timed_out" in page.texts
    assert [text for text in page.texts if "\N{REPLACEMENT CHARACTER}" in text] == []


def test_a_rule_is_kept_only_where_a_run_put_it_to_the_test() -> None:
    """An undecided run proves nothing about any rule."""
    page = Outline(index_page.render(card(moot(), skipped=[LACKING]), ["moot.html"]))

    assert page.texts.count("untested") == len(Rule)
    assert "kept" not in page.texts


def test_a_broken_rule_shows_where() -> None:
    """Rule, scenario, sentence."""
    broken = judge(bad())
    page = Outline(index_page.render(card(bad(), good()), ["bad.html", "good.html"]))

    assert page.texts.count("BROKEN") == len({finding.rule for finding in broken.findings}) == 1
    assert broken.findings[0].message in page.texts
    assert "INVALID" in page.texts


def test_what_is_behind_the_failures_stands_on_the_card() -> None:
    """With the run to begin with, as in the terminal."""
    page = Outline(index_page.render(card(bad(), good()), ["bad.html", "good.html"]))
    right = Outline(index_page.render(card(good()), ["good.html"]))

    assert "What is behind it" in page.texts
    assert any(
        text.startswith("1 run looks like ") and text.endswith("begin with bad") for text in page.texts
    )
    assert "What is behind it" not in right.texts
