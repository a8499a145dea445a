"""What outages and faults allow."""

from typing import Any

import pytest

from fanin.harness.history import History, TargetState
from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import collect
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkDown, SinkHangs, SinkLosesResponse, SinkRefuses, SinkStalls
from fanin.simulator.faults.transport import Drop, LoseRequest, LoseResponse, SlowClient
from tests.harness.oracle.histories import (
    EAST,
    WEST,
    Line,
    crash,
    down,
    fault_applied,
    history,
    occurred,
    pause,
    sent,
    up,
)

TWO = (up(0, replica=1), up(0, replica=2))
DAY_MS = 86_400_000
GRACES = {"start_grace": 5_000, "failover_grace": 30_000, "redelivery_grace": 600_000}


def allowances_of(*lines: Line, **played: Any) -> Allowances:
    """Of one run. Instants that are asked for are milliseconds, those of lines seconds."""
    return Allowances(collect(history(*lines, run=GRACES, **played)))


# --- the aggregator ---


@pytest.mark.parametrize(
    ("lines", "ever_up"),
    [((), False), ((down(1, "failed"),), False), ((up(0),), True), ((up(0), down(1)), True)],
    ids=["nothing", "a failed start", "a start", "a start and a crash"],
)
def test_it_was_ever_up_if_it_started(lines: tuple[Line, ...], *, ever_up: bool) -> None:
    """A start that fails is none."""
    assert allowances_of(*lines, boot=False).ever_up is ever_up


FAILED_START = (down(10, "stop"), down(15, "failed"), up(20))


@pytest.mark.parametrize(
    ("lines", "since", "until", "died", "interrupted"),
    [
        pytest.param((), 0, 99_000, False, False, id="it stays up"),
        pytest.param((crash(10, 20),), 10_000, 10_000, True, True, id="at the instant of a crash"),
        pytest.param((crash(10, 20),), 9_000, 9_999, False, False, id="before a crash"),
        pytest.param((crash(10, 20),), 10_001, 30_000, False, False, id="after a crash"),
        pytest.param((pause(10, 20),), 9_000, 11_000, False, True, id="at the beginning of a pause"),
        pytest.param((down(10, "stop"), up(20)), 9_000, 11_000, True, True, id="when a stop begins"),
        pytest.param((down(10, "stop"), up(20)), 15_000, 16_000, False, True, id="while it stops"),
        pytest.param((down(10, "stop"), up(20)), 20_001, 30_000, False, False, id="after the next start"),
        pytest.param((down(10, "stop"),), 15_000, 16_000, False, False, id="a stop that no start follows"),
        pytest.param(FAILED_START, 12_000, 13_000, False, True, id="while it stops, before a failed start"),
        pytest.param(FAILED_START, 15_001, 19_000, False, False, id="after a failed start"),
    ],
)
def test_it_died_or_was_interrupted_in_an_interval(
    lines: tuple[Line, ...], since: int, until: int, *, died: bool, interrupted: bool
) -> None:
    """A pause interrupts, but kills nothing; a stop may last until the next start."""
    found = allowances_of(*lines)

    assert (found.died(since, until), found.interrupted(since, until)) == (died, interrupted)


@pytest.mark.parametrize(
    ("at", "one", "both_down"),
    [
        (9_999, False, False), (10_000, True, False), (14_999, True, False),
        (15_000, True, True), (19_999, True, True), (20_000, False, False),
    ],
)  # fmt: skip
def test_all_are_down_from_the_last_crash_to_the_first_start(at: int, *, one: bool, both_down: bool) -> None:
    """At the instant of the start one is up, and before the first start nothing was ever up."""
    alone = allowances_of(crash(10, 20))
    first = (down(10, replica=1), up(20, replica=1))
    two = allowances_of(*TWO, *first, down(15, replica=2), up(30, replica=2), boot=False, replicas=2)

    assert (alone.all_down(at), two.all_down(at)) == (one, both_down)
    assert not allowances_of(up(60), boot=False).all_down(at)


def test_it_stood_still_until_the_last_pause_that_began_ended() -> None:
    """Without one, nothing lasts longer than it would have."""
    paused = allowances_of(pause(10, 20), pause(30, 35))

    assert [paused.stood_still_until(since, 40_000) for since in (0, 10_000, 10_001, 30_001)] == [
        35_000, 35_000, 35_000, 40_000,
    ]  # fmt: skip
    assert paused.stood_still_until(0, 25_000) == 20_000


@pytest.mark.parametrize(
    ("since", "until", "resumed"),
    [
        (10_000, 20_000, True),
        (10_000, 21_000, True),
        (10_000, 21_001, False),
        (10_000, 19_999, False),
        (10_001, 20_500, False),
    ],
)
def test_it_resumed_shortly_before_if_it_was_paused_after(since: int, until: int, *, resumed: bool) -> None:
    """It was paused at 10 s and resumed at 20 s; a second before is shortly before. A crash is no pause."""
    assert allowances_of(pause(10, 20)).resumed(since, until, until, 1_000) is resumed
    assert not allowances_of(crash(10, 20)).resumed(since, until, until, 1_000)
    assert not allowances_of(down(10, "pause")).resumed(since, until, until, 1_000)


@pytest.mark.parametrize(
    ("begun_by", "second", "resumed"),
    [(9_999, 21, False), (10_000, 21, True), (10_000, 21.001, False), (21_001, 21.001, True)],
)
def test_what_had_ended_before_the_pause_is_not_done_after_it(
    begun_by: int, second: float, *, resumed: bool
) -> None:
    """Unless another pause follows at once upon one that it was begun before."""
    allowances = allowances_of(pause(10, 20), pause(second, 30))

    assert allowances.resumed(0, begun_by, 30_500, 1_000) is resumed


@pytest.mark.parametrize(
    ("attempt", "was_down"),
    [
        pytest.param(sent(EAST, 9, ok=999), False, id="before"),
        pytest.param(sent(EAST, 9, ok=1_000), True, id="until the instant of the crash"),
        pytest.param(sent(EAST, 15, ok=None), True, id="in between"),
        pytest.param(sent(EAST, 20), False, id="at the instant of the start, and after it"),
        pytest.param(sent(EAST, 20, ok=1_000), True, id="from a start to the next crash"),
        pytest.param(sent(EAST, 20, ok=999), False, id="from a start to just before the next crash"),
        pytest.param(sent(EAST, 20.001), False, id="after"),
    ],
)
def test_an_attempt_met_an_outage_if_they_share_an_instant(attempt: Line, *, was_down: bool) -> None:
    """Whichever of the two was first; but what is sent at the instant of a start, after it, met none."""
    evidence = collect(history(attempt, crash(10, 20), crash(21, 22)))

    assert Allowances(evidence).was_down(evidence.attempts[0]) is was_down


def test_an_attempt_that_is_sent_before_the_start_of_the_same_instant_met_the_outage() -> None:
    """The order of the records says which was first."""
    played = history(sent(EAST, 20), crash(10, 20))
    entries = sorted(played.entries, key=lambda it: (it.at, isinstance(it, TargetState)))
    evidence = collect(History(played.run, entries))

    assert Allowances(evidence).was_down(evidence.attempts[0])


def test_an_attempt_meets_the_outage_of_its_own_replica() -> None:
    """One that went to no certain replica meets those that all share."""
    lines = (*TWO, down(10, replica=1), up(20, replica=1))
    attempts = (sent(EAST, 15, replica=1), sent(EAST, 15, replica=2), sent(EAST, 15))

    evidence = collect(history(*lines, *attempts, boot=False, replicas=2))

    assert [Allowances(evidence).was_down(it) for it in evidence.attempts] == [True, False, True]


# --- faults of deliveries ---


@pytest.mark.parametrize(
    ("fault", "silenced"),
    [(LoseRequest(), True), (LoseResponse(), True), (SlowClient(over=60_000), True), (Drop(), False)],
    ids=lambda it: type(it).__name__,
)
def test_a_fault_explains_an_attempt_without_a_response(fault: Fault, *, silenced: bool) -> None:
    """If it takes a request or its response away, and took effect on this attempt or its delivery."""
    lines = (sent(EAST, 0), sent(EAST, 1, retry=1), sent(WEST, 2))

    def explained(**where: Any) -> list[bool]:
        evidence = collect(history(*lines, fault_applied(0, **where), faults=(fault,)))
        return [Allowances(evidence).silenced(it) for it in evidence.attempts]

    assert explained(attempt=2) == [False, silenced, False]
    assert explained(op="op1", region=EAST) == [silenced, silenced, False]


@pytest.mark.parametrize(
    ("after", "silenced"), [(4_000, True), (5_000, True), (5_006, True), (5_007, False), (10_000, False)]
)
def test_a_slow_request_explains_silence_until_it_was_there(after: int, *, silenced: bool) -> None:
    """And for the tolerance, and both ways through the network."""
    line = sent(EAST, 0, error="timeout", after=after)
    applied = fault_applied(0, op="op1", region=EAST)
    evidence = collect(history(line, applied, faults=(SlowClient(over=4_000),)))

    assert Allowances(evidence).silenced(evidence.attempts[0]) is silenced


@pytest.mark.parametrize("fault", [-1, 7])
def test_a_fault_that_the_scenario_does_not_have_explains_nothing(fault: int) -> None:
    """A history may come from a newer version."""
    evidence = collect(history(sent(EAST, 0), fault_applied(0, fault, attempt=1), faults=(LoseResponse(),)))

    assert not Allowances(evidence).silenced(evidence.attempts[0])


# --- faults of the sink ---


@pytest.mark.parametrize(
    "fault",
    [
        SinkDown(since=10_000, until=20_000),
        SinkRefuses(since=10_000, until=20_000),
        SinkStalls(by=1, since=10_000, until=20_000),
        SinkHangs(since=10_000, until=20_000),
    ],
    ids=lambda it: type(it).__name__,
)
@pytest.mark.parametrize(
    ("since", "until", "blocked"),
    [(0, 9_999, False), (0, 10_000, True), (20_000, 30_000, True), (20_001, 30_000, False)],
)
def test_a_fault_blocks_the_sink_while_it_lasts(
    fault: Fault, since: int, until: int, *, blocked: bool
) -> None:
    """Both of its ends are in."""
    evidence = collect(history(occurred(), faults=(fault,)))
    found = Allowances(evidence)

    assert found.sink_blocked(evidence.operations[0], since, until) is blocked
    assert found.sink_blocked_for_any(since, until) is blocked
    assert not found.sink_blocked_for_others(evidence.operations[0], since, until)


def test_a_fault_that_loses_the_sinks_response_blocks_nothing() -> None:
    """The sink has read the notification."""
    assert not allowances_of(occurred(), faults=(SinkLosesResponse(),)).sink_blocked_for_any(0, FOREVER)


def test_a_fault_may_block_the_sink_for_one_operation_alone() -> None:
    """For all of its repetitions, or for one that it names."""
    lines = (occurred("a/1"), occurred("a/2"), occurred("b"))

    def blocked(name: str) -> list[tuple[bool, bool]]:
        evidence = collect(history(*lines, faults=(SinkRefuses(operation=name),)))
        found = Allowances(evidence)
        return [
            (found.sink_blocked(it, 0, 1), found.sink_blocked_for_others(it, 0, 1))
            for it in evidence.operations
        ]

    assert blocked("a") == [(True, False), (True, False), (False, True)]
    assert blocked("a/2") == [(False, True), (True, False), (False, True)]


GIVEN_UP: dict[str, tuple[tuple[Fault, ...], bool]] = {
    "three days": ((SinkDown(until=3 * DAY_MS),), True),
    "three days but for the longest pause": ((SinkDown(until=3 * DAY_MS - 600_000),), True),
    "a millisecond less": ((SinkDown(until=3 * DAY_MS - 600_001),), False),
    "for ever": ((SinkDown(),), True),
    "faults that come to three days": (
        (SinkDown(until=2 * DAY_MS), SinkRefuses(since=3 * DAY_MS, until=4 * DAY_MS)), True,
    ),
    "faults that overlap, and come to less": (
        (SinkDown(until=2 * DAY_MS), SinkRefuses(since=DAY_MS, until=2 * DAY_MS + 1)), False,
    ),
    "another operation's fault": ((SinkRefuses(operation="other"),), False),
    "no fault": ((), False),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN_UP)
def test_a_notification_may_be_given_up_after_three_days_of_faults(name: str) -> None:
    """Contract, clause 7. A pause that would end too late need not begin."""
    faults, given_up = GIVEN_UP[name]
    evidence = collect(history(occurred(), faults=faults, run=GRACES))

    assert Allowances(evidence).may_give_up(evidence.operations[0], 0, 10 * DAY_MS) is given_up


@pytest.mark.parametrize(("failed", "given_up"), [(3_600_000, True), (1, False)])
def test_days_in_which_it_was_down_count_once_the_sink_has_failed(failed: int, *, given_up: bool) -> None:
    """The next attempt would come later than three days after the first."""
    lines = (down(60, "stop"), up(3 * 86_400 + 60))
    evidence = collect(history(occurred(), *lines, faults=(SinkRefuses(until=failed),), run=GRACES))

    assert Allowances(evidence).may_give_up(evidence.operations[0], 30_000, 10 * DAY_MS) is given_up


UNTIL: dict[str, tuple[tuple[Line, ...], tuple[Fault, ...], int]] = {
    "nothing is in the way": ((), (), 101_000),
    "an outage before": ((crash(50, 60),), (), 101_000),
    "an outage that ended just before": ((crash(50, 99.9),), (), 104_900),
    "an outage over the instant": ((crash(99, 120),), (), 125_000),
    "an outage within the grace": ((crash(101, 130),), (), 135_000),
    "an outage after the grace": ((crash(101.001, 130),), (), 101_000),
    "an outage within the grace of another": ((crash(99, 120), crash(124, 140)), (), 145_000),
    "an outage that never ends": ((down(99),), (), FOREVER),
    "a fault before": ((), (SinkDown(until=89_999),), 101_000),
    "a fault since it may have been pending": ((), (SinkDown(until=90_000),), 690_000),
    "a fault, and an outage within its grace": ((crash(600, 700),), (SinkDown(until=90_000),), 705_000),
    "an outage, and a fault within its grace": (
        (crash(99, 120),), (SinkDown(since=124_000, until=130_000),), 730_000,
    ),
    "a fault for ever": ((), (SinkDown(),), FOREVER),
    "a fault for three days": ((), (SinkDown(until=4 * DAY_MS),), FOREVER),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTIL)
def test_what_was_due_may_come_later_after_what_was_in_the_way(name: str) -> None:
    """It was pending from 90 s at the earliest, was due at 100 s, and a second later is still in time."""
    lines, faults, until = UNTIL[name]
    evidence = collect(history(occurred(), *lines, faults=faults, run=GRACES))

    assert Allowances(evidence).allowed_until(evidence.operations[0], 90_000, 100_000, 1_000) == until


def test_three_days_count_from_the_first_attempt() -> None:
    """Which may have been long before the pause that is asked about."""
    evidence = collect(history(occurred(), faults=(SinkDown(until=3 * DAY_MS),), run=GRACES))
    found, operation = Allowances(evidence), evidence.operations[0]

    assert found.allowed_until(operation, 2 * DAY_MS, 2 * DAY_MS, 0) == 3 * DAY_MS + 600_000
    assert found.allowed_until(operation, 2 * DAY_MS, 2 * DAY_MS, 0, tried_from=0) == FOREVER


def test_attempts_at_a_sink_that_refuses_connections_cannot_be_seen() -> None:
    """So the three days may count from then on, but not from before there was anything to send."""
    faults = (SinkDown(since=DAY_MS, until=2 * DAY_MS), SinkRefuses(since=3 * DAY_MS, until=4 * DAY_MS))
    evidence = collect(history(occurred(), faults=faults, run=GRACES))
    found, operation = Allowances(evidence), evidence.operations[0]

    assert found.tried_from(operation, 0, 3 * DAY_MS) == DAY_MS
    assert found.tried_from(operation, DAY_MS + 5, 3 * DAY_MS) == DAY_MS + 5
    assert found.tried_from(operation, 2 * DAY_MS + 1, 3 * DAY_MS) == 3 * DAY_MS
    assert found.tried_from(operation, 0, DAY_MS) == DAY_MS


def test_days_in_which_it_was_down_count_after_an_attempt_that_failed() -> None:
    """The sink has failed then, whether or not a fault holds it."""
    evidence = collect(history(occurred(), crash(30, 4 * 86_400), run=GRACES))
    found, operation = Allowances(evidence), evidence.operations[0]

    assert not found.may_give_up(operation, 0, 10 * DAY_MS)
    assert found.may_give_up(operation, 0, 10 * DAY_MS, failed_at=29_999)
    assert not found.may_give_up(operation, 0, 10 * DAY_MS, failed_at=30_000)
