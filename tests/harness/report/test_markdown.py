"""The card as Markdown says what the card says, and nothing of a target becomes markup."""

from collections.abc import Callable

from fanin.harness.oracle.oracle import judge
from fanin.harness.report.markdown import card_markdown
from fanin.harness.results import Card, Judged, Skipped
from tests.harness.oracle.histories import WEST, Records, both, history, notified


def judged(*records: Callable[[Records], None]) -> Judged:
    played = history(both(), *records)
    return Judged(played, judge(played))


GOOD, WRONG = judged(notified("completed", 0.1)), judged(notified("timed_out", 120.1, WEST))


def test_the_sum_comes_first_then_the_rules_then_what_failed() -> None:
    """Each failure with the command that plays it again."""
    card = Card("node `server.js`", [GOOD, WRONG, Skipped("hot-op", ("process",))], ("the <b>machine</b>",))

    text = card_markdown(card, replay=lambda _: "fanin verify by-hand")

    assert "`` INVALID node `server.js`: 2 of 3 scenarios judged: 1 valid, 1 invalid, 1 skipped ``" in text
    assert "| `4-outcome` | **BROKEN** | by-hand: op1 was reported timed\\_out" in text
    assert "- **by-hand** invalid: 4-outcome: op1 was reported timed\\_out" in text
    assert "\n  `fanin verify by-hand`\n" in text
    assert "\n### What is behind it\n\n- 1 run looks like B01: the handler looks whether" in text
    assert "; begin with by-hand\n" in text
    assert "\nSkipped: `hot-op` (process)\n" in text
    assert text.endswith("\n> the \\<b\\>machine\\</b\\>\n")


def test_a_card_without_failures_has_no_list_of_them() -> None:
    """Nor of what was skipped."""
    text = card_markdown(Card("app", [GOOD]), replay=lambda _: "")

    assert "VALID app: 1 valid" in text
    assert "failed" not in text
    assert "behind" not in text
    assert "Skipped" not in text


def test_a_thousand_failures_are_not_all_listed() -> None:
    """A summary has a limit of size; the report has none."""
    text = card_markdown(Card("app", [WRONG] * 60), replay=lambda _: "")

    assert text.count("- **by-hand**") == 50
    assert "- … and 10 more\n" in text
