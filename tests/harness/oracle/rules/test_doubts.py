"""The oracle when it does not know: nothing happened, the watch was too short, or the history is damaged."""

import pytest

from fanin.harness.history import End, History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.sink import SinkDown
from fanin.simulator.faults.transport import Drop, Duplicate
from fanin.simulator.language.scenario import Expectation
from tests.harness.oracle.histories import (
    DONE,
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
    up,
)

LATE = (sent(EAST, 0), notified("timed_out", 120, WEST))
SEVEN = [f"op{n}" for n in range(2, 9)]

DOUBTS: dict[str, tuple[History, str]] = {
    # --- nothing happened ---
    "never up": (history(sent(EAST, 0, error="refused"), boot=False), "the aggregator never came up"),
    "never up, with an error": (
        history(down(0, "failed", "no regions"), boot=False), "the aggregator never came up: no regions",
    ),
    "nothing was acknowledged": (
        history(*(sent(region, 0, status=503, retry_after="1") for region in (EAST, WEST))),
        "no delivery was ever acknowledged, so nothing was put to the test: 2 answered 503",
    ),
    "nothing was sent": (
        history(occurred(), unsent(EAST, 1)),
        "no delivery was ever acknowledged, so nothing was put to the test",
    ),
    "nothing occurred": (history(), "no delivery was ever acknowledged, so nothing was put to the test"),
    "everything was refused": (
        history(sent(EAST, 0, status=400, invalid="malformed:not-json")),
        "no delivery was ever acknowledged, so nothing was put to the test",
    ),
    "no response to the only ping": (
        history(occurred(action="ping"), sent(EAST, 0, ok=None)),
        "no delivery was ever acknowledged, so nothing was put to the test: 1 without a response",
    ),
    # --- faults without effect ---
    "a fault that never took effect": (
        history(*DONE, faults=(Drop(region=EAST), Crash(at=1))), "fault 1 (drop) never took effect",
    ),
    "a fault left to chance, and no other took effect": (
        history(*DONE, faults=(Drop(chance=0.5),)), "fault 1 (drop) never took effect",
    ),
    "a certain fault, though another took effect": (
        history(*DONE, fault_applied(1, 1), faults=(Drop(), Duplicate(after=(1,)))),
        "fault 1 (drop) never took effect",
    ),
    "a fault of the sink": (
        history(*DONE, faults=(SinkDown(until=1),)), "fault 1 (sink-down) never took effect",
    ),
    # --- the watch ---
    "no end": (
        history(*DONE, end=None),
        "the history has no end: the run was cut off, so an absent notification proves nothing",
    ),
    "cut short": (
        history(*DONE, complete=False, end=50),
        "the watch was cut short at +50s, so an absent notification proves nothing",
    ),
    "cut short without a notification": (
        history(both(), complete=False, end=50),
        "the watch was cut short at +50s, so an absent notification proves nothing",
    ),
    "watched for less than two timeouts": (
        history(*DONE, end=240.099),
        ("the watch ended at +4m00.099s, but op1 needs it until +4m00.1s: 2 timeouts after its outcome, and"
        " one after its last delivery"),
    ),
    "watched for less than a timeout after the last delivery": (
        history(*DONE, sent(EAST, 500, copy=1), end=620.9),
        ("the watch ended at +10m20.9s, but op1 needs it until +10m21s: 2 timeouts after its outcome, and"
        " one after its last delivery"),
    ),
    "a delivery without a response, which may still lead to something": (
        history(*DONE, sent(EAST, 9, op="op2", ok=None), end=368),
        ("the watch ended at +6m08s, but op2 needs it until +6m09s: 2 timeouts after its outcome, and"
        " one after its last delivery"),
    ),
    "no notification, but none was due yet": (
        history(*DONE, sent(EAST, 9, op="op2"), end=129),
        "the watch ended at +2m09s, before op2 had to be reported",
    ),
    "many without a notification": (
        history(*DONE, *(sent(EAST, 9, op=op) for op in SEVEN), end=129),
        "the watch ended at +2m09s, before op2, op3, op4 and 4 more had to be reported",
    ),
    "refused, but not due again yet": (
        history(both(), notified("completed", 1, status=503), end=601.001),
        "the watch ended at +10m01.001s, before op1 had to be reported again",
    ),
    "the sink is down to the end": (
        history(both(), fault_applied(1), faults=(SinkDown(),)),
        "op1 could not be reported: an outage of the aggregator or the sink took too long",
    ),
    "the aggregator is down to the end": (
        history(sent(EAST, 0), down(60)),
        "op1 could not be reported: an outage of the aggregator or the sink took too long",
    ),
    # --- the rest ---
    "two configurations": (
        history(sent(EAST, 9, error="reset", after=2_000), down(10, "stop"), up(11, timeout=60_000),
            both(20)),
        "op1 may have begun under either of two configurations",
    ),
    "an expectation of what never occurred": (
        history(*DONE, expect=(Expectation("op9", "none"), Expectation("op1", "completed"))),
        "the scenario expects something of op9, which never occurred",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTS)
def test_a_run_that_proves_nothing_is_unknown(name: str) -> None:
    """Inconclusive is not a pass, and the doubt says why."""
    played, doubt = DOUBTS[name]

    verdict = judge(played)

    assert (verdict.validity, verdict.findings) == (Validity.UNKNOWN, ())
    assert doubt in verdict.doubts


ENOUGH = {
    "two timeouts after the outcome": history(*DONE, end=240.1),
    "a timeout after the last delivery": history(*DONE, sent(EAST, 500, copy=1), end=621),
    "an operation of which nothing is sent": history(
        *DONE, occurred("op2"), unsent(EAST, 0, op="op2"), end=240.1
    ),
    "a ping with its response": history(occurred(action="ping"), sent(EAST, 0, status=200)),
    "a fault left to chance, though another took effect": history(
        *DONE, fault_applied(1, 1), faults=(Drop(chance=0.5), Duplicate(after=(1,)))
    ),
    "a fault that never takes effect": history(*DONE, faults=(Drop(chance=0.0),)),
    "refused, then accepted": history(
        both(), notified("completed", 1, status=503), notified("completed", 2), end=300
    ),
    "over an outage": history(sent(EAST, 0), crash(60, 180), notified("timed_out", 184, WEST)),
    "an expectation": history(*LATE, expect=(Expectation("op1", "timed_out"),)),
}


@pytest.mark.parametrize("name", ENOUGH)
def test_a_run_that_proves_enough_is_valid(name: str) -> None:
    """The doubts above have limits."""
    verdict = judge(ENOUGH[name])

    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", ENOUGH)
def test_without_its_end_no_history_is_valid(name: str) -> None:
    """What does not come is half of the proof."""
    played = ENOUGH[name]
    unended = History(played.run, [entry for entry in played.entries if not isinstance(entry, End)])

    assert judge(unended).validity is Validity.UNKNOWN


@pytest.mark.parametrize(
    "lines",
    [(*DONE, notified("completed", 5)), (both(), notified("timed_out", 50, WEST))],
    ids=["sent again", "too early"],
)
def test_a_finding_outweighs_every_doubt(lines: tuple[Line, ...]) -> None:
    """What was wrong stays wrong, however short the watch."""
    assert judge(history(*lines, end=None)).validity is Validity.INVALID
    assert judge(history(*lines, complete=False)).validity is Validity.INVALID


@pytest.mark.parametrize(
    ("second", "validity"),
    [
        (SinkDown(since=60_000, until=630_000), Validity.VALID),
        (SinkDown(since=60_000, until=630_001), Validity.UNKNOWN),
        (SinkDown(since=20_000, until=60_000), Validity.UNKNOWN),
        (SinkDown(since=60_000), Validity.UNKNOWN),
    ],
)
def test_a_sink_that_fails_again_within_the_grace_need_not_be_noticed(
    second: SinkDown, validity: Validity
) -> None:
    """Nothing had to be sent meanwhile: the pause after the first failure may last so long."""
    faults = (SinkDown(since=1_000, until=30_000), second)

    assert judge(history(*DONE, fault_applied(1), faults=faults)).validity is validity


def test_a_fault_without_an_operation_of_the_scenario_is_no_doubt() -> None:
    """The record speaks of the harness, not of the aggregator."""
    assert judge(history(*DONE, fault_applied(1, 5))).validity is Validity.VALID


def test_a_delivery_of_what_never_occurred_is_damage_not_an_error() -> None:
    """The file was edited, or a line of it is lost."""
    played = history(*DONE, sent(EAST, 1, op="op2"), sent(NORTH, 1, op="op3"))
    damaged = [
        entry for entry in played.entries if getattr(entry, "op", "op1") == "op1" or hasattr(entry, "id")
    ]

    verdict = judge(History(played.run, damaged))

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts == (
        "the history is damaged: deliveries were sent for op2 and op3, which never occurred",
    )
