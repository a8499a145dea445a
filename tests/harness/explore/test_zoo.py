"""How soon random search finds a bug, and what is left of it, as a table."""

import pytest

from fanin.harness.explore import zoo
from fanin.harness.explore.zoo import (
    NOT_FOUND,
    OtherSearchError,
    Row,
    page,
    row_of,
    rows,
    stored_rows,
    subject_of,
    summary,
)
from fanin.harness.mutants.registry import MUTANTS
from fanin.harness.verdict import Rule
from fanin.simulator.language.scenario import TIMEOUT_MS_MAX
from tests.paths import DOCS

FOUND = [
    Row("lost-update", 10, Rule.NOTIFICATION, 4),
    Row("no-timer", 1, Rule.CONTENT, 2),
    Row("stale-reaper", None),
]


def test_a_bug_is_searched_for_until_it_is_found() -> None:
    """The row has the number of runs, and the length of the smallest scenario."""
    row = row_of(50, "no-timer")

    assert row.runs is not None
    assert row.rule is not None
    assert 1 <= row.lines <= 12


def test_a_search_that_is_too_short_finds_nothing() -> None:
    """Seed 0 alone does not find every bug."""
    assert row_of(1, "timer-wins-replay") == Row("timer-wins-replay", None)


def test_the_rows_are_in_the_order_of_the_bugs() -> None:
    """Whichever is found first."""
    names = ["no-timer", "original-sample"]

    assert [row.bug for row in rows(3, names, jobs=1)] == names


def test_a_bug_beyond_the_contract_is_explored_with_what_it_is_about() -> None:
    """Replicas look at their store several times a second, so their timeouts are short."""
    replicas = next(it.name for it in MUTANTS.values() if "replicas" in it.capabilities)

    assert subject_of("lost-update").capabilities == ()
    assert subject_of("lost-update").timeout_ms_max == TIMEOUT_MS_MAX
    assert "replicas" in subject_of(replicas).capabilities
    assert subject_of(replicas).timeout_ms_max < TIMEOUT_MS_MAX


def test_the_page_has_a_row_for_each_bug_and_a_reason_for_each_that_is_not_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the sum above them."""
    monkeypatch.setattr(zoo, "NOT_FOUND", {"stale-reaper": "it needs a week"})

    text = page(FOUND, 1000)

    assert "1000 random runs find 2 of 3 bugs: half of them within 10 runs, the last one within 10" in text
    assert "| `lost-update` | 10 | `7-notification` | 4 |\n" in text
    assert "| `stale-reaper` | not found | it needs a week | |\n" in text
    assert summary(FOUND[2:], 5) == "5 random runs find none of 1 bugs"


def test_a_page_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a search goes on where it was, and a new bug does not need a search for all the others."""
    monkeypatch.setattr(zoo, "NOT_FOUND", {"stale-reaper": "it needs a week | or two"})

    assert stored_rows(page(FOUND, 1000), 1000) == FOUND


def test_a_page_of_another_search_is_refused() -> None:
    """Rows of different searches in one table would compare what cannot be compared."""
    with pytest.raises(OtherSearchError, match="a search with 1000 runs; say --search 1000"):
        stored_rows(page(FOUND, 1000), 500)
    with pytest.raises(OtherSearchError, match="it is not a page of `fanin matrix --search`"):
        stored_rows("# Something else", 1000)


def test_the_stored_page_has_every_bug_of_the_zoo() -> None:
    """In the registry's order. `fanin matrix --search 1000 --update docs/explored-bugs.md` adds new ones."""
    text = (DOCS / "explored-bugs.md").read_text(encoding="utf-8")

    found = stored_rows(text, 1000)

    assert [row.bug for row in found] == list(MUTANTS)
    assert text == page(found, 1000)


def test_the_stored_page_says_what_is_not_found_and_why() -> None:
    """At least 95 of 100 are found; of each other the reason is known, and of no other."""
    found = stored_rows((DOCS / "explored-bugs.md").read_text(encoding="utf-8"), 1000)

    missed = {row.bug for row in found if row.runs is None}

    assert len(missed) <= len(MUTANTS) // 20
    assert set(NOT_FOUND) == missed
