"""Scenarios in other time."""

from harness.scale import compress, scaled, scaled_profile
from simulator.delivery import PROFILES
from simulator.scenario import Crash, Delay, Drop, Duplicate, Operation, Scenario, Sender

MINUTE = 60_000
BASE = Scenario(
    scenario="s",
    title="t",
    timeout=2 * MINUTE,
    sender=Sender(timeout=10_000),
    replication={"eastus": Delay(median=8_000, sigma=0.7)},
    operations=(Operation(at=30_000, reaches={"eastus": Delay(fixed=MINUTE), "westeurope": None}, repeat=30),),
    faults=(Drop(chance=0.5), Crash(at=MINUTE, down_for=6_000, nth=3), Duplicate(after=(1_000, 5 * MINUTE))),
)


def test_every_duration_shrinks_alike_and_nothing_else_changes() -> None:
    """Wherever it stands: operations, delays, senders, faults; counts and chances stay."""
    small = scaled(BASE, 4_000)

    assert small.timeout == 4_000
    assert small.sender.timeout == 333
    assert small.replication == {"eastus": Delay(median=267, sigma=0.7)}
    assert small.operations == (
        Operation(at=1_000, reaches={"eastus": Delay(fixed=2_000), "westeurope": None}, repeat=30),
    )
    assert small.faults == (Drop(chance=0.5), Crash(at=2_000, down_for=200, nth=3), Duplicate(after=(33, 10_000)))
    assert small.latency == Delay(fixed=0)


def test_long_gaps_keep_their_order_and_end_soon() -> None:
    """A copy six days later comes within the minute, after the one of the day before."""
    gaps = [compress(gap, 2 * MINUTE) for gap in (1_000, 12 * MINUTE, 25 * 60 * MINUTE, 6 * 24 * 60 * MINUTE)]

    assert gaps[:2] == [1_000, 12 * MINUTE]
    assert gaps == sorted(set(gaps))
    assert gaps[-1] < 20 * 2 * MINUTE


def test_a_senders_schedule_shrinks_but_its_patience_has_a_floor() -> None:
    """Retries follow the scenario's time; a machine needs its time to answer."""
    small = scaled_profile(PROFILES["retry"], 2 * MINUTE, 4_000, timeout_ms_min=2_000)

    assert small.gaps_ms[:2] == (167, 10_000)
    assert small.timeout_ms == 2_000
    assert small.attempts == PROFILES["retry"].attempts
