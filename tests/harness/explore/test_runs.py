"""Runs are settled, findings are told apart, and blocks are dealt to processes and shares."""

import pytest

from fanin.harness.explore.runs import kind, settle, shape, without_particulars
from fanin.harness.explore.subject import Subject
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.sink import SinkRefuses
from fanin.simulator.faults.transport import Drop
from tests.harness.explore.scenarios import push

OURS = Subject()


def test_what_took_no_effect_is_left_out() -> None:
    """A crash at a step that is never reached would make the run prove nothing."""
    never = Crash(step="after-notify", operation="op1", nth=9)
    draft = push(faults=(Drop(region="eastus"), never))

    settled = settle(OURS, draft, 0)

    assert settled.scenario.faults == (Drop(region="eastus"),)
    assert settled.played.verdict.validity is Validity.VALID


def test_a_run_that_proves_something_is_left_as_it_is() -> None:
    """It is played once."""
    draft = push(faults=(SinkRefuses(until=5_000),))

    assert settle(OURS, draft, 0).scenario == draft


def test_a_sink_that_fails_when_nothing_is_sent_to_it_takes_nothing_from_what_a_run_proves() -> None:
    """The run is not played again without that."""
    draft = push(faults=(Drop(region="eastus"), SinkRefuses(since=1, until=2)))

    settled = settle(OURS, draft, 0)

    assert settled.scenario == draft
    assert settled.played.verdict == Verdict(Validity.VALID)


def test_a_sink_that_fails_in_vain_excuses_no_other_doubt() -> None:
    """The crash that never came is left out, and the sink's fault with it."""
    never = Crash(step="after-notify", operation="op1", nth=9)
    draft = push(faults=(SinkRefuses(since=1, until=2), Drop(region="eastus"), never))

    settled = settle(OURS, draft, 0)

    assert settled.scenario.faults == (Drop(region="eastus"),)
    assert settled.played.verdict.validity is Validity.VALID


def test_where_nothing_can_be_repaired_the_run_stays_unknown() -> None:
    """It has its reason."""
    settled = settle(OURS, push(operations=()), 0)

    assert settled.played.verdict.validity is Validity.UNKNOWN
    assert settled.played.verdict.doubts


def finding(message: str, *like: str, rule: Rule = Rule.OUTCOME) -> Finding:
    return Finding(rule, message, looks_like=like)


@pytest.mark.parametrize(
    ("message", "same"),
    [
        ("op1 names eastus and westus missing, acknowledged by +0.117s", True),
        ("op2/7 names mars missing, acknowledged by +14d03h", True),
        ("op1 was reported timed_out at +2m00s, though every region had counted by +20s", False),
    ],
)
def test_findings_are_the_same_but_for_names_and_instants(message: str, *, same: bool) -> None:
    """A smaller scenario has other regions and instants; it must not show something else."""
    known = ("eastus", "westus", "mars")
    first = finding("op3 names eastus missing, acknowledged by +1.5s")

    assert (shape(finding(message), known) == shape(first, known)) is same


def test_findings_that_look_like_the_same_bug_are_of_one_kind() -> None:
    """Whatever they say; without such a bug, they must say the same."""
    assert kind(finding("one", "B50")) == kind(finding("another", "B50"))
    assert kind(finding("one", "B50")) != kind(finding("one", "B51"))
    assert kind(finding("one")) != kind(finding("another"))
    assert kind(finding("one", rule=Rule.PING)) != kind(finding("one"))


def test_several_particulars_in_a_row_are_one() -> None:
    """Their number differs, too."""
    assert without_particulars("op1, op2 and op3/4 could not be reported") == "… could not be reported"
