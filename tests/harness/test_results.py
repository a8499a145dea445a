"""The card: what a pack's results say about each rule."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.results import Card, Judged, Skipped, as_json, rule_results
from fanin.harness.verdict import Exit, Rule
from fanin.simulator.faults.sink import SinkRefuses
from tests.harness.oracle.histories import EAST, WEST, both, fault_applied, history, notified, sent


@dataclass
class Results:
    """Scenarios that were played, by name."""

    judged: list[Judged] = field(default_factory=list)

    def add(self, played: History, notes: tuple[str, ...] = ()) -> "Results":
        self.judged.append(Judged(played, judge(played), notes))
        return self


def completed(**header: Any) -> History:
    return history(both(), notified("completed", 0.1), run=header)


def timed_out(**header: Any) -> History:
    return history(sent(EAST, 0), notified("timed_out", 120.1, WEST), run=header)


def wrong() -> History:
    return history(both(), notified("timed_out", 120.1, WEST))


def status(card: Card) -> dict[Rule, str]:
    return {it.rule: it.status for it in rule_results(card)}


def test_only_what_went_well_and_was_tested_is_kept() -> None:
    """No scenario had a ping, and the only faulty sink was in a run that failed."""
    broken = history(
        fault_applied(0), both(), notified("completed", 0.6, tag="no"), faults=(SinkRefuses(until=500),)
    )

    found = status(Card("x", Results().add(timed_out()).add(broken).judged))

    assert found[Rule.DEADLINE] == "kept"
    assert found[Rule.CONTENT] == "BROKEN"
    assert found[Rule.ISOLATION] == "untested"
    assert found[Rule.PING] == "untested"


def test_a_rule_of_which_nothing_can_be_seen_is_untested() -> None:
    """And one of which a part cannot be seen is kept in part only."""
    unobservable = ("key", "repetition", "tag")

    found = {
        it.rule: it
        for it in rule_results(Card("x", Results().add(completed(unobservable=unobservable)).judged))
    }

    assert found[Rule.NOTIFICATION].status == "untested"
    assert found[Rule.NOTIFICATION].why == "not seen: key, repetition"
    assert found[Rule.CONTENT].status == "partly"
    assert found[Rule.CONTENT].why == "not seen: tag"


def test_a_finding_counts_even_where_little_can_be_seen() -> None:
    """What is wrong is wrong."""
    played = history(both(), notified("completed", 0.1, tag="wrong"), run={"unobservable": ("digest",)})

    assert status(Card("x", Results().add(played).judged))[Rule.CONTENT] == "BROKEN"


def test_what_notifications_lack_does_not_hide_what_else_went_wrong() -> None:
    """A line of the card has room for one finding, and every run lacks the same."""
    keyless = notified("completed", 0.1, key=None)
    twice = history(both(), keyless, notified("timed_out", 121, WEST, key=None))
    once = history(both(), keyless)

    verdict = judge(twice)

    assert sorted(it.form for it in verdict.findings) == [False, True]
    assert Judged(twice, verdict).summary.startswith("4-outcome: op1 was reported completed at +0.1s and")
    assert Judged(once, judge(once)).summary.endswith(" without a webhook-id")


def unknown() -> History:
    return history(both(), notified("completed", 0.1), end=1)


@pytest.mark.parametrize(
    ("played", "exit_code"),
    [
        ((completed(),), Exit.VALID),
        ((completed(), wrong()), Exit.INVALID),
        ((completed(), unknown()), Exit.UNKNOWN),
        ((unknown(), wrong()), Exit.INVALID),
        ((history(boot=False, verdict="unknown"),), Exit.VALID),
        ((history(both(), notified("completed", 0.1), verdict="invalid"),), Exit.INVALID),
        ((), Exit.UNKNOWN),
    ],
)
def test_the_exit_code_is_that_of_the_worst(played: tuple[History, ...], exit_code: Exit) -> None:
    """A scenario that got what it states is fine, whatever that is; nothing at all is not decided."""
    results = Results()
    for each in played:
        results.add(each)

    assert Card("x", results.judged).exit_code is exit_code


def test_a_late_delivery_with_an_effect_breaks_the_clause_about_it_as_well() -> None:
    """The finding is about the outcome; it shows that the delivery was not without effect."""
    second = history(
        both(), notified("completed", 0.1), sent(EAST, 9), notified("timed_out", 129.1, WEST, key="k2")
    )

    found = status(Card("x", Results().add(second).add(late()).judged))

    assert found[Rule.OUTCOME] == found[Rule.LATE_AND_DUPLICATE] == "BROKEN"


def late() -> History:
    return history(both(), notified("completed", 0.1), sent(EAST, 9))


def test_the_card_for_programs_says_the_same() -> None:
    """Results in the pack's order, rules by name."""
    good = Results().add(completed()).judged[0]

    card = as_json(Card("x", (good, Skipped("x", ("process",))), notes=("n",)))

    assert [each["verdict"] for each in card["scenarios"]] == ["valid", "skipped"]
    assert card["scenarios"][1]["lacks"] == ["process"]
    assert {each["rule"]: each["status"] for each in card["rules"]}["4-outcome"] == "kept"
    assert (card["exit_code"], card["notes"]) == (0, ["n"])
