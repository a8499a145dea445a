"""Scenarios in other time."""

import pytest

from fanin.harness.targets.scale import compress, scaled, scaled_profile
from fanin.simulator.delivery import PROFILES
from fanin.simulator.faults.aggregator import AggregatorFault, Crash, Pause, Restart
from fanin.simulator.faults.sink import SinkFault, SinkHangs, SinkRefuses, SinkStalls
from fanin.simulator.faults.transport import DelayBy, Drop, Duplicate, Reorder, SlowClient
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Operation, Scenario, Sender
from fanin.simulator.pack import find, names
from fanin.simulator.shapes import Delay

MINUTE = 60_000
BASE = Scenario(
    scenario="s",
    title="t",
    timeout=2 * MINUTE,
    sender=Sender(timeout=10_000),
    replication={"eastus": Delay(median=8_000, sigma=0.7)},
    operations=(
        Operation(at=30_000, reaches={"eastus": Delay(fixed=MINUTE), "westeurope": None}, repeat=30),
    ),
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
    assert small.faults == (
        Drop(chance=0.5),
        Crash(at=2_000, down_for=200, nth=3),
        Duplicate(after=(33, 10_000)),
    )
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
    assert len(small.gaps_ms) == len(PROFILES["retry"].gaps_ms)
    assert small.timeout_ms == 2_000
    assert small.attempts == PROFILES["retry"].attempts


def test_a_senders_last_retries_come_soon() -> None:
    """Those days after the first attempt are over as soon as an instant days ahead."""
    profile = PROFILES["standard-webhooks"]

    small = scaled_profile(profile, 2 * MINUTE, 5_000, timeout_ms_min=2_000)

    last_ms = compress(sum(profile.gaps_ms), 2 * MINUTE) * 5_000 / (2 * MINUTE)
    assert sum(small.gaps_ms) == pytest.approx(last_ms, abs=len(profile.gaps_ms))
    assert all(small.gaps_ms)
    assert last_ms < 16 * 5_000


def test_what_expires_expires_after_as_many_attempts() -> None:
    """Gaps shrink unevenly, so that an age would be another number of attempts."""
    small = scaled_profile(PROFILES["event-grid"], 2 * MINUTE, 4_000, timeout_ms_min=2_000)

    assert (small.attempts, small.expires_ms) == (11, None)
    assert small.gaps_ms_min == {408: 4_000, 503: 1_000}


def test_what_took_some_time_still_takes_some() -> None:
    """A reordering within nothing would never take effect, and the run would prove nothing."""
    scenario = Scenario(scenario="s", title="t", timeout=2 * MINUTE, faults=(Reorder(within=40),))

    assert scaled(scenario, 600).faults == (Reorder(within=1),)


def test_instants_far_ahead_come_soon_and_in_their_order() -> None:
    """Operations, their regions, crashes and faults of the sink all pass through the same function."""
    day = 24 * 60 * MINUTE
    scenario = Scenario(
        scenario="s",
        title="t",
        timeout=2 * MINUTE,
        operations=(
            Operation(at=0, reaches={"eastus": Delay(fixed=day), "westeurope": Delay(min=0, max=MINUTE)}),
            Operation(at=8 * day),
            Operation(at=9 * day),
        ),
        faults=(Crash(at=8 * day + 1), SinkHangs(since=7 * day, until=8 * day), DelayBy(by=Delay(fixed=day))),
    )

    small = scaled(scenario, 5_000)

    crash, hangs, delay = small.faults
    assert isinstance(crash, Crash)
    assert isinstance(hangs, SinkHangs)
    assert isinstance(delay, DelayBy)
    _, eighth, ninth = (operation.at for operation in small.operations)
    assert hangs.since < (hangs.until or 0) == eighth <= (crash.at or 0) < ninth < 20 * 5_000
    assert (delay.by.fixed or 0) < 20 * 5_000
    reaches = small.operations[0].reaches
    assert reaches == {"eastus": delay.by, "westeurope": Delay(min=0, max=2_500)}


def test_an_outage_of_days_ends_soon_and_before_what_comes_after_it() -> None:
    """Short ones last as long as everything else."""
    day = 24 * 60 * MINUTE
    scenario = Scenario(
        scenario="s", title="t", timeout=2 * MINUTE, operations=(Operation(at=2 * day + 12 * MINUTE),),
        faults=(
            Crash(at=11 * MINUTE, down_for=2 * day), Pause(at=MINUTE, lasts=2 * day),
            Crash(step="after-response", down_for=2 * day), Restart(at=MINUTE, down_for=MINUTE),
        ),
    )  # fmt: skip

    small = scaled(scenario, 5_000)

    for fault in small.faults:
        assert isinstance(fault, AggregatorFault)
        assert 0 < fault.at_ms + fault.away_ms < small.operations[0].at < 20 * 5_000
    assert small.faults[-1] == Restart(at=2_500, down_for=2_500)


@pytest.mark.parametrize("name", names())
def test_each_scenario_of_the_pack_is_over_soon(name: str) -> None:
    """What an hour would wait for would be played as long as a working day."""
    small = scaled(load(find(name)), 5_000)

    instants = [it.at + it.every * it.repeat for it in small.operations]
    instants += [it.ends_ms for it in small.faults]
    instants += [it.at_ms + it.away_ms for it in small.faults if isinstance(it, AggregatorFault)]
    assert max(instants) <= 60_000


def test_the_sink_does_not_fail_for_long() -> None:
    """The pauses between attempts grow meanwhile, and do not scale."""
    faults = (SinkRefuses(since=MINUTE, until=70 * MINUTE), SinkRefuses(until=MINUTE), SinkRefuses())

    small = scaled(Scenario(scenario="s", title="t", timeout=2 * MINUTE, faults=faults), 5_000)

    windows = [(it.since, it.until) for it in small.faults if isinstance(it, SinkRefuses)]
    assert windows == [(2_500, 12_500), (0, 2_500), (0, None)]


def test_what_the_sink_does_once_it_works_again_begins_when_it_works_again() -> None:
    """Otherwise it would come when all has been notified."""
    faults = (SinkRefuses(until=11 * MINUTE), SinkHangs(since=11 * MINUTE), SinkHangs(since=10 * MINUTE))

    small = scaled(Scenario(scenario="s", title="t", timeout=2 * MINUTE, faults=faults), 5_000)

    windows = [(it.since, it.until) for it in small.faults if isinstance(it, SinkFault)]
    assert windows == [(0, 10_000), (10_000, None), (25_000, None)]


def test_machines_do_not_become_slower_where_the_timeout_is_longer() -> None:
    """No front end waits hours for a body, and no sender for an answer."""
    scenario = Scenario(
        scenario="s",
        title="t",
        timeout=MINUTE,
        sender=Sender(timeout=10_000),
        operations=(Operation(at=MINUTE),),
        faults=(SlowClient(over=8_000), SinkStalls(by=3_000, until=MINUTE)),
    )

    large = scaled(scenario, 60 * MINUTE)

    assert large.sender.timeout == 10_000
    assert large.operations == (Operation(at=60 * MINUTE),)
    assert large.faults == (SlowClient(over=8_000), SinkStalls(by=3_000, until=60 * MINUTE))
    assert scaled_profile(PROFILES["retry"], MINUTE, 60 * MINUTE, timeout_ms_min=5_000).timeout_ms == 15_000
