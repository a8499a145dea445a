"""Only what may be the machine's fault is played once more, and the reason is given."""

from fanin.harness.explore.subject import Subject
from fanin.harness.history import History, Run
from fanin.harness.results import Judged
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from fanin.harness.verify.second_chance import is_only_late, why_again
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find

LATE = Finding(Rule.DEADLINE, "op1 was reported timed_out at +9s, due at +5s and allowed until +6s")
WRONG = Finding(Rule.OUTCOME, "op1 had two outcomes")


def judged(*findings: Finding, doubts: tuple[str, ...] = ()) -> Judged:
    validity = Validity.INVALID if findings else Validity.UNKNOWN if doubts else Validity.VALID
    return Judged(History(Run(Scenario("a", "A"), 0), ()), Verdict(validity, findings, doubts))


def test_what_was_only_late_while_the_harness_was_late_has_a_second_chance() -> None:
    """And says what it was."""
    assert why_again(judged(LATE), 700) == (
        "it was only late, while fanin itself was up to 700ms late: op1 was reported timed_out at +9s, due at"
        " +5s and allowed until +6s"
    )


def test_what_is_late_by_itself_has_none() -> None:
    """Nor has what is wrong, whether something was late besides or not."""
    assert why_again(judged(LATE), 0) == ""
    assert why_again(judged(WRONG), 700) == ""
    assert why_again(judged(LATE, WRONG), 700) == ""


def test_what_proved_nothing_has_a_second_chance() -> None:
    """What is right needs none."""
    assert why_again(judged(doubts=("it took too long",)), 0) == "it proved nothing: it took too long"
    assert why_again(judged(), 700) == ""


def test_the_oracle_says_that_an_outcome_is_late_in_this_way() -> None:
    """By its sentence a late outcome is recognised."""
    _, verdict = Subject(bug="sliding-deadline").play(load(find("dropped-region")), 0)

    assert any(map(is_only_late, verdict.findings))
