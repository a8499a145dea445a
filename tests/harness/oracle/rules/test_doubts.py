"""The oracle when it does not know: nothing happened, nobody watched, or the history is damaged."""

import pytest

from fanin.harness.history import End, History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.sink import SinkDown
from fanin.simulator.faults.transport import Drop, Duplicate
from fanin.simulator.language.scenario import Expectation
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    Line,
    both,
    crash,
    down,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    unsent,
)

DONE = (both(), notified("completed", 0.1))
LATE = (sent(EAST, 0), notified("timed_out", 120, WEST))

DOUBTS: dict[str, tuple[History, str]] = {
    "no End": (history(*DONE, end=None), "the history has no end"),
    "cut short": (history(*DONE, complete=False), "the watch was cut short at"),
    "cut short in silence": (history(both(), complete=False), "the watch was cut short at"),
    "watched for less than two timeouts": (
        history(*DONE, end=240.099), "the watch ended at +4m00.099s, but op1 needs it until +4m00.1s",
    ),
    "watched for less than a timeout after the last delivery": (
        history(*DONE, sent(EAST, 500, copy=1), end=620.9), "op1 needs it until +10m21s",
    ),
    "an unanswered delivery may still lead to something": (
        history(*DONE, sent(EAST, 9, op="op2", ok=None), end=368), "op2 needs it until +6m09s",
    ),
    "silent, but it was not due yet": (
        history(*DONE, sent(EAST, 9, op="op2"), end=129), "before op2 had to be reported",
    ),
    "nothing was acknowledged": (
        history(sent(EAST, 0, status=503, retry_after="1")), "no delivery was ever acknowledged",
    ),
    "nothing was sent": (history(occurred(), unsent(EAST, 1)), "no delivery was ever acknowledged"),
    "everything was refused": (
        history(sent(EAST, 0, status=400, invalid="malformed:not-json")), "no delivery was ever acknowledged",
    ),
    "no answer to the only ping": (
        history(occurred(action="ping"), sent(EAST, 0, ok=None)), "no delivery was ever acknowledged",
    ),
    "never up": (history(sent(EAST, 0, error="refused"), boot=False), "the aggregator never came up"),
    "never up, and says why": (
        history(down(0, "failed", "no regions"), boot=False), "the aggregator never came up: no regions",
    ),
    "a fault that never bit": (
        history(*DONE, faults=(Drop(region=EAST), Crash(at=1))), "fault 1 (drop) never took effect",
    ),
    "a fault left to chance, and nothing else bit": (
        history(*DONE, faults=(Drop(chance=0.5),)), "fault 1 (drop) never took effect",
    ),
    "a certain fault that never bit, though another did": (
        history(*DONE, fault_applied(1, 1), faults=(Drop(), Duplicate(after=(1,)))),
        "fault 1 (drop) never took effect",
    ),
    "a sink fault that never bit": (
        history(*DONE, faults=(SinkDown(until=1),)), "fault 1 (sink-down) never took effect",
    ),
    "an expectation of what never occurred": (
        history(*DONE, expect=(Expectation("op9", "none"),)), "the scenario expects something of op9",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTS)
def test_a_run_that_proves_nothing_is_unknown(name: str) -> None:
    """Inconclusive is not a pass, and the doubt says why."""
    played, why = DOUBTS[name]

    verdict = judge(played)

    assert (verdict.validity, verdict.findings) == (Validity.UNKNOWN, ())
    assert any(why in doubt for doubt in verdict.doubts)


@pytest.mark.parametrize(
    "played",
    [
        history(*DONE, end=240.1),
        history(*DONE, sent(EAST, 500, copy=1), end=621),
        history(*DONE, occurred("op2"), unsent(EAST, 0, op="op2"), end=240.1),
        history(occurred(action="ping"), sent(EAST, 0, status=200)),
        history(*DONE, fault_applied(1, 1), faults=(Drop(chance=0.5), Duplicate(after=(1,)))),
        history(*DONE, faults=(Drop(chance=0.0),)),
        history(both(), notified("completed", 1, status=503), notified("completed", 2), end=300),
        history(*LATE, expect=(Expectation("op1", "timed_out", missing=("WestUS",), at=120_000),)),
        history(*LATE, expect=(Expectation("op1", "timed_out", at=119_000, within=1_000),)),
    ],
)
def test_a_run_that_proves_enough_is_valid(played: History) -> None:
    """The doubts above have limits."""
    verdict = judge(played)

    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize(
    "lines", [(*DONE, notified("completed", 5)), (both(), notified("timed_out", 50, WEST))]
)
def test_a_finding_outweighs_every_doubt(lines: tuple[Line, ...]) -> None:
    """What was wrong stays wrong, however short the watch."""
    assert judge(history(*lines, end=None)).validity is Validity.INVALID
    assert judge(history(*lines, complete=False)).validity is Validity.INVALID


def test_doubts_about_many_operations_are_one_sentence() -> None:
    """The first three by name, the rest counted."""
    ops = [f"op{n}" for n in range(2, 9)]

    verdict = judge(history(*DONE, *(sent(EAST, 9, op=op) for op in ops), end=129))

    assert (
        verdict.doubts[-1] == "the watch ended at +2m09s, before op2, op3, op4 and 4 more had to be reported"
    )


def test_a_delivery_of_what_never_occurred_is_damage_not_a_crash_of_the_judge() -> None:
    """Somebody edited the file."""
    played = history(*DONE, sent(EAST, 1, op="op2"))
    damaged = [
        entry for entry in played.entries if getattr(entry, "op", "") != "op2" or hasattr(entry, "url_region")
    ]

    verdict = judge(History(played.run, damaged))

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts == ("the history is damaged: deliveries were sent for op2, which never occurred",)


@pytest.mark.parametrize(
    ("expectation", "what"),
    [
        (
            Expectation("op1", "completed"),
            "op1 was reported timed_out at +2m00s, though completed is expected",
        ),
        (Expectation("op1", "none"), "op1 was reported timed_out at +2m00s, though none is expected"),
        (
            Expectation("op1", "timed_out", missing=("WestUS", NORTH)),
            "op1 names westus missing, though northeurope and westus is expected",
        ),
        (
            Expectation("op1", "timed_out", at=60_000),
            "op1 was reported timed_out at +2m00s, though +1m00s to +1m01s is expected",
        ),
        (
            Expectation("op1", "timed_out", at=120_001),
            "op1 was reported timed_out at +2m00s, though +2m00.001s to +2m01.001s is expected",
        ),
        (Expectation("op2", "timed_out"), "op2 was not reported, though timed_out is expected"),
    ],
)
def test_what_the_scenario_expects_is_checked_besides(expectation: Expectation, what: str) -> None:
    """The author may be wrong as well; then the finding says what was expected."""
    verdict = judge(history(*LATE, occurred("op2"), expect=(expectation,)))

    assert [(it.rule, it.message) for it in verdict.findings] == [(Rule.EXPECTATION, what)]


def test_an_expectation_that_nobody_is_missing_names_no_region() -> None:
    """A completed operation names nobody."""
    verdict = judge(history(*DONE, expect=(Expectation("op1", "completed", missing=(WEST,)),)))

    assert verdict.findings[0].message == "op1 names no region missing, though westus is expected"


def test_an_outcome_that_nobody_knows_is_not_the_expected_one() -> None:
    """It is quoted as it stands there."""
    verdict = judge(history(both(), notified("done", 0.1), expect=(Expectation("op1", "completed"),)))

    assert [it.rule for it in verdict.findings] == [Rule.CONTENT, Rule.EXPECTATION]
    assert verdict.findings[1].message == "op1 was reported 'done' at +0.1s, though completed is expected"


def test_an_expectation_is_about_every_repetition_at_its_own_time() -> None:
    """The instant is meant for the first; the others are as much later as they occurred."""
    lines = [both(10 * n, op=f"op1/{n}") for n in (1, 2, 3)]
    notes = [notified("completed", 10 * n + 0.5, op=f"op1/{n}") for n in (1, 2, 3)]
    expect = (Expectation("op1", "completed", at=10_400, within=200),)

    assert judge(history(*lines, *notes, expect=expect)).validity is Validity.VALID
    assert judge(
        history(*lines, *notes[:2], notified("completed", 30.7, op="op1/3"), expect=expect)
    ).findings[0].op == "op1/3"  # fmt: skip


def test_nothing_is_expected_to_come_of_a_key_that_was_taken() -> None:
    """The second occurrence of a reused id is a duplicate of the first."""
    reused = (*DONE, occurred("op2", 10, ids="id-op1"), both(10, op="op2"))
    expect = (Expectation("op1", "completed"), Expectation("op2", "none"))

    assert judge(history(*reused, expect=expect)).validity is Validity.VALID


@pytest.mark.parametrize(
    "played",
    [
        history(*DONE),
        history(*LATE),
        history(sent(EAST, 0), crash(60, 180), notified("timed_out", 184, WEST)),
        history(*DONE, expect=(Expectation("op1", "completed", at=0),)),
    ],
)
def test_without_its_end_no_history_is_valid(played: History) -> None:
    """Silence is half of the proof."""
    assert judge(played).validity is Validity.VALID

    unended = History(played.run, [entry for entry in played.entries if not isinstance(entry, End)])

    assert judge(unended).validity is Validity.UNKNOWN
