"""The sum of an exploration: how many runs got which verdict, and why some prove nothing."""

from fanin.harness.cli.explore_output import summary
from fanin.harness.explore.runs import ExploredRun
from fanin.harness.verdict import Validity


def unknown(number: int, *doubts: str) -> ExploredRun:
    return ExploredRun(number=number, seed=number, validity=Validity.UNKNOWN, doubts=doubts)


def test_a_sum_says_why_runs_prove_nothing_and_which_is_the_first() -> None:
    """That one can be played again alone; what differs from run to run is left out."""
    slow = "the run took more than 20 s of processor time and was ended"
    runs = [
        ExploredRun(number=30, validity=Validity.VALID),
        unknown(31, "fault 2 (crash) never took effect"),
        unknown(32, slow),
        unknown(35, slow),
    ]

    assert summary(runs) == [
        "4 runs, 30 to 35: 1 valid, 0 invalid, 3 unknown",
        "  unknown     2  the run took more than … s of processor time and was ended, first in run 32",
        "  unknown     1  fault … (crash) never took effect, first in run 31",
    ]


def test_the_sum_of_one_run_does_not_say_which() -> None:
    """There is no other."""
    assert summary([unknown(7, "it took long")]) == [
        "1 run, number 7: 0 valid, 0 invalid, 1 unknown",
        "  unknown     1  it took long",
    ]
