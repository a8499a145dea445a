"""When a fault of the aggregator happens, to which replica, for how long, and in which words."""

import pytest

from fanin.simulator.faults.aggregator import AggregatorFault, ClockJump, Crash, Pause, Restart
from fanin.simulator.faults.step import StepTrigger

EAST = "eastus"
WORDS: tuple[tuple[AggregatorFault, str], ...] = (
    (Crash(at=5_000), "the aggregator is killed at +5s, down for 5s"),
    (
        Crash(step="before-response", region=EAST, operation="op1", nth=12, replica=2),
        (
            "eastus, op1: replica 2 is killed after its commit, before its answer leaves, the 12th time,"
            " down for 5s"
        ),
    ),
    (
        Restart(at=0, expects=(EAST,), timeout=60_000),
        "the aggregator restarts at +0s, down for 1s, then waiting for eastus, then with a timeout of 1m",
    ),
    (
        Pause(step="after-notify", nth=3, lasts=2_000),
        (
            "the aggregator stands still when the sink has the notification, before it can know,"
            " the 3rd time, for 2s"
        ),
    ),
    (ClockJump(at=1_000, back=5_000), "the aggregator's clock is put back by 5s at +1s"),
)


@pytest.mark.parametrize(("fault", "words"), WORDS, ids=range(len(WORDS)))
def test_a_report_says_what_when_and_to_whom(fault: AggregatorFault, words: str) -> None:
    """One clause, in the clock of the report."""
    assert fault.describe() == words


def test_a_fault_has_an_instant_or_a_step() -> None:
    """And is over when the aggregator is back, as far as its fields say."""
    assert (Crash(at=7_000).at_ms, Crash(at=7_000).trigger, Crash(at=7_000).ends_ms) == (7_000, None, 12_000)
    assert Pause(step="after-response", nth=2, lasts=5).trigger == StepTrigger("after-response", nth=2)
    assert ClockJump(at=9, forward=100).ends_ms == 9


def test_only_a_restart_with_other_settings_needs_a_target_that_takes_them() -> None:
    """Any process can be stopped and started."""
    assert Restart(at=0).needs == ("process",)
    assert Restart(at=0, timeout=1_000).needs == ("process", "reconfiguration")
    assert Restart(at=0, expects=(EAST,)).needs == ("process", "reconfiguration")


def test_a_clock_is_put_forward_or_back() -> None:
    """The sign says which."""
    assert [it.clock_step_ms for it in (ClockJump(at=0, forward=5), ClockJump(at=0, back=5))] == [5, -5]


def test_regions_are_renamed_where_they_are_named() -> None:
    """A deployment has regions of its own."""
    faults: list[AggregatorFault] = [
        Crash(step="after-response", region=EAST),
        Pause(step="after-response", region=EAST, lasts=1),
        Restart(at=0, expects=(EAST, "westus")),
        ClockJump(at=0, back=1),
    ]

    renamed = [fault.with_regions(str.upper) for fault in faults]

    assert [it.named_regions for it in renamed] == [("EASTUS",), ("EASTUS",), ("EASTUS", "WESTUS"), ()]
