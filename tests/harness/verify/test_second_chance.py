"""Only what may be the machine's fault is played once more, and the reason is given."""

from fanin.harness.explore.subject import Subject
from fanin.harness.history import History, Run
from fanin.harness.oracle.oracle import judge
from fanin.harness.results import Judged
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from fanin.harness.verify.second_chance import is_only_late, why_again
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from tests.harness.oracle.histories import EAST, WEST, history, notified, sent

LATE = Finding(Rule.DEADLINE, "op1 was reported timed_out at +9s, due at +5s and allowed until +6s")
UNANSWERED = Finding(
    Rule.ACKNOWLEDGEMENT, "op1 had its delivery from eastus, sent at +1s, not answered by +6s, with the …"
)
MORE = Finding(Rule.DEADLINE, "7 more like these: an outcome was reported late")
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


def test_an_answer_may_be_late_as_well_and_many_of_them() -> None:
    """Those that are only counted are of a kind that is said in full."""
    assert why_again(judged(LATE, UNANSWERED), 700)
    assert why_again(judged(LATE, MORE), 700)
    assert why_again(judged(LATE, MORE, WRONG), 700) == ""


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


def test_the_oracle_says_so_of_an_answer_and_of_those_that_it_counts() -> None:
    """As above."""
    unanswered = [sent(EAST, 5 + n, error="timeout", after=10_000) for n in range(5)]
    *in_full, more = judge(
        history(sent(EAST, 0), sent(WEST, 1), notified("completed", 1.1), *unanswered)
    ).findings

    assert all(map(is_only_late, in_full))
    assert " more like these: " in more.message
