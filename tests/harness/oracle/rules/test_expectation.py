"""The oracle on what the scenario's author expects, beside the contract."""

from typing import Any

import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.language.scenario import Expectation
from tests.harness.oracle.histories import (
    DAY,
    EAST,
    NORTH,
    WEST,
    Line,
    both,
    history,
    notified,
    occurred,
    sent,
)

COMPLETED = (both(), notified("completed", 0.1))
TIMED_OUT = (sent(EAST, 0), notified("timed_out", 120, WEST), occurred("op2"))
REUSED = (*COMPLETED, occurred("op2", 10, ids="id-op1"), both(10, op="op2"))
FORGOTTEN = (
    *COMPLETED,
    occurred("op2", 8 * DAY, ids="id-op1"),
    both(8 * DAY, op="op2"),
    notified("completed", 8 * DAY + 1, op="op2"),
)

MET: dict[str, tuple[tuple[Line, ...], tuple[Expectation, ...]]] = {
    "nothing is expected": (TIMED_OUT, ()),
    "an outcome": (TIMED_OUT, (Expectation("op1", "timed_out"),)),
    "an outcome, and its missing regions": (TIMED_OUT,
        (Expectation("op1", "timed_out", missing=("WestUS",)),)),
    "no outcome": (TIMED_OUT, (Expectation("op2", "none"),)),
    "an outcome from an instant on": (TIMED_OUT, (Expectation("op1", "timed_out", at=120_000),)),
    "an outcome up to an instant": (TIMED_OUT, (Expectation("op1", "timed_out", at=119_000, within=1_000),)),
    "nothing of an event whose key was taken": (
        REUSED, (Expectation("op1", "completed"), Expectation("op2", "none")),
    ),
    "something of an event whose key was forgotten": (FORGOTTEN, (Expectation("op2", "completed"),)),
}  # fmt: skip

BROKEN: dict[str, tuple[tuple[Line, ...], Expectation, str]] = {
    "another outcome": (
        TIMED_OUT, Expectation("op1", "completed"),
        "op1 was reported timed_out at +2m00s, though the scenario expects completed",
    ),
    "an outcome at all": (
        TIMED_OUT, Expectation("op1", "none"),
        "op1 was reported timed_out at +2m00s, though the scenario expects none",
    ),
    "no outcome": (
        TIMED_OUT, Expectation("op2", "timed_out"),
        "op2 was not reported, though the scenario expects timed_out",
    ),
    "other missing regions": (
        TIMED_OUT, Expectation("op1", "timed_out", missing=("WestUS", NORTH)),
        "op1 names westus missing, though the scenario expects northeurope and westus",
    ),
    "no missing regions": (
        COMPLETED, Expectation("op1", "completed", missing=(WEST,)),
        "op1 names no region missing, though the scenario expects westus",
    ),
    "a later instant": (
        TIMED_OUT, Expectation("op1", "timed_out", at=120_001),
        "op1 was reported timed_out at +2m00s, though the scenario expects +2m00.001s to +2m01.001s",
    ),
    "an earlier instant": (
        TIMED_OUT, Expectation("op1", "timed_out", at=60_000),
        "op1 was reported timed_out at +2m00s, though the scenario expects +1m00s to +1m01s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MET)
def test_what_the_scenario_expects_may_come(name: str) -> None:
    """Then there is nothing to say."""
    lines, expect = MET[name]

    verdict = judge(history(*lines, expect=expect))

    assert (verdict.findings, verdict.notes) == ((), ())


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_scenario_expects_is_checked_besides(name: str) -> None:
    """What the contract allows is right all the same, and the author hears of it."""
    lines, expectation, message = BROKEN[name]

    without, verdict = judge(history(*lines)), judge(history(*lines, expect=(expectation,)))

    assert verdict.notes == (message,)
    assert (verdict.validity, verdict.findings) == (without.validity, ())


def test_of_a_run_that_breaks_the_contract_nothing_more_is_said() -> None:
    """The finding is the reason; that the scenario expects otherwise follows."""
    verdict = judge(history(both(), notified("done", 0.1), expect=(Expectation("op1", "completed"),)))

    assert ([it.rule for it in verdict.findings], verdict.notes) == ([Rule.CONTENT], ())


def test_of_an_aggregator_that_never_came_up_nothing_more_is_said() -> None:
    """It came to nothing at all, and that is said."""
    played = history(sent(EAST, 0, error="refused"), boot=False, expect=(Expectation("op1", "timed_out"),))

    assert judge(played).notes == ()


@pytest.mark.parametrize(
    ("many", "rest"),
    [
        (5, "2 more expectations of the scenario were not met"),
        (4, "1 more expectation of the scenario was not met"),
    ],
)
def test_of_many_expectations_that_are_not_met_the_rest_is_counted(many: int, rest: str) -> None:
    """A load of a thousand operations has one cause, not a thousand."""
    lines: list[Any] = [both(10 * n, op=f"op1/{n}") for n in range(1, many + 1)]
    reports = [notified("completed", 10 * n + 0.5, op=f"op1/{n}") for n in range(1, many + 1)]

    verdict = judge(history(*lines, *reports, expect=(Expectation("op1", "timed_out"),)))

    assert [note.split()[0] for note in verdict.notes[:-1]] == ["op1/1", "op1/2", "op1/3"]
    assert verdict.notes[-1] == rest


@pytest.mark.parametrize(("last", "broken"), [(30.5, []), (30.7, ["op1/3"])])
def test_an_expectation_is_about_every_repetition_at_its_own_time(last: float, broken: list[str]) -> None:
    """The instant is meant for the first; the others are as much later as they occurred."""
    lines: list[Any] = [both(10 * n, op=f"op1/{n}") for n in (1, 2, 3)]
    reports = [notified("completed", at, op=f"op1/{n}") for n, at in ((1, 10.5), (2, 20.5), (3, last))]
    expect = (Expectation("op1", "completed", at=10_400, within=200),)

    assert [note.split()[0] for note in judge(history(*lines, *reports, expect=expect)).notes] == broken


def test_an_expectation_of_what_never_occurred_is_a_doubt_and_no_finding() -> None:
    """Nothing came that could be compared with it."""
    verdict = judge(history(*COMPLETED, expect=(Expectation("op9", "completed"),)))

    assert (verdict.notes, verdict.findings, verdict.validity) == ((), (), Validity.UNKNOWN)


def test_without_any_operation_nothing_is_checked() -> None:
    """The history is empty, and the verdict unknown."""
    assert judge(history(expect=(Expectation("op1", "completed"),))).notes == ()
