"""An aggregator that lacks what it may lack is told how to say so, once."""

from fanin.harness.history import History, Run
from fanin.harness.results import Judged
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from fanin.harness.verify.lack_hints import seeming_lacks
from fanin.simulator.language.scenario import Scenario


def judged(scenario: Scenario, *findings: Finding) -> Judged:
    validity = Validity.INVALID if findings else Validity.VALID
    return Judged(History(Run(scenario, 0), ()), Verdict(validity, findings))


KEYED = Scenario("keyed", "Keyed", key="k")
FILTERED = Scenario("filtered", "Filtered", actions=("push",))
BY_IMAGE = Scenario("by-image", "By image", correlation="image", ids="distinct")
ACCEPTED = Finding(Rule.ACKNOWLEDGEMENT, "op1 had its delivery from eastus (wrong-key), answered 202")
FANNED_IN = Finding(Rule.PING, "op1 was reported, but its action, delete, starts no operation here")
TWICE = Finding(Rule.NOTIFICATION, "op1 was reported under two keys")


def test_each_capability_is_named_once() -> None:
    """With the scenarios that show it."""
    again = Scenario("again", "Again", key="k")
    results = [
        judged(KEYED, ACCEPTED),
        judged(again, ACCEPTED),
        judged(FILTERED, FANNED_IN),
        judged(BY_IMAGE, TWICE),
    ]

    by_id = "it correlates by the payload's id where FANIN_CORRELATION is image: if it knows no other way"
    all_actions = "it takes actions that FANIN_ACTIONS leaves out: if it fans in all of them"
    assert list(map(str, seeming_lacks(results))) == [
        "keyed, again: it accepts any key: if it has none, say --lacks function-keys",
        f"filtered: {all_actions}, say --lacks action-filter",
        f"by-image: {by_id}, say --lacks image-correlation",
    ]


def test_what_one_scenario_shows_is_there() -> None:
    """Then the findings of another are a bug."""
    other = Scenario("other", "Other", key="k")

    assert list(seeming_lacks([judged(KEYED, ACCEPTED), judged(other)])) == []


def test_what_is_the_same_without_the_capability_does_not_show_it() -> None:
    """Where all regions send one id, an aggregator that knows nothing of images is right as well."""
    same_ids = Scenario("same-ids", "Same ids", correlation="image")

    found = list(seeming_lacks([judged(BY_IMAGE, TWICE), judged(same_ids)]))

    assert [(it.capability, it.scenarios) for it in found] == [("image-correlation", ("by-image",))]


def test_a_ping_that_is_refused_is_no_action_that_is_taken() -> None:
    """It shows nothing of the filter."""
    refused = Finding(Rule.PING, "op1 had its delivery from eastus, sent at +0s, answered 400; a correct …")

    assert list(seeming_lacks([judged(FILTERED, refused)])) == []
    assert len(list(seeming_lacks([judged(FILTERED, refused, FANNED_IN)]))) == 1


def test_other_findings_say_nothing_about_a_capability() -> None:
    """A scenario with a key may fail for any reason."""
    assert list(seeming_lacks([judged(KEYED, TWICE), judged(Scenario("plain", "Plain"), ACCEPTED)])) == []
