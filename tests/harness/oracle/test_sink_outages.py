"""When faults of the sink excuse silence: as long as the aggregator is seen to go on trying."""

from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.sink_outages import SinkOutage, SinkOutages, given_up_at, overlap
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkDown, SinkHangs, SinkLosesResponse, SinkRefuses
from tests.harness.oracle.histories import Line, both, history, notified

GRACE = 600_000


def outages(*lines: Line, faults: tuple[Fault, ...], op: str = "op1") -> list[SinkOutage]:
    """Those about an operation, of a run with these faults."""
    evidence = collect(history(both(), *lines, faults=faults))
    (operation,) = (it for it in evidence.operations if it.name == op)
    return list(SinkOutages(evidence).about(operation))


def excused(*seconds: float, until: int | None = 3_000_000, since: int = 0) -> int:
    """Until when a refusal excuses silence, with an attempt at each of these instants."""
    lines = [notified("completed", at, status=503) for at in seconds]
    (outage,) = outages(*lines, faults=(SinkRefuses(until=until),))
    return outage.silent_until(since, GRACE)


def test_a_refusal_excuses_silence_to_its_end_while_attempts_go_on() -> None:
    """No gap is longer than the longest that is allowed."""
    assert excused(500, 1_000, 1_600, 2_100, 2_700, until=3_000_000) == 2_700_001
    assert excused(500, 1_000, 1_600, until=1_500_000) == 1_500_000


def test_a_refusal_excuses_nothing_after_the_last_attempt_before_a_gap() -> None:
    """It may have been given up there."""
    assert excused(500, 1_000, 1_700) == 1_000_001


def test_without_an_attempt_a_refusal_excuses_nothing() -> None:
    """What the sink would read can be sent."""
    assert excused() == 0
    assert excused(700) == 0
    assert excused(50, since=60_000) == 60_000


def test_attempts_before_the_notification_was_due_do_not_count() -> None:
    """They were made for others, and prove nothing about this time."""
    assert excused(10, 500, 1_000, since=400_000) == 1_000_001


def test_a_refused_connection_cannot_be_seen_so_it_excuses_everything() -> None:
    """Until the sink is back; without an end for ever."""
    (outage,) = outages(faults=(SinkDown(since=1_000),))

    assert outage.silent_until(5_000, GRACE) == FOREVER


def test_a_sink_that_refused_connections_may_look_down_until_the_next_success() -> None:
    """If a notification was pending by then: to it or to others that makes no difference."""
    down = (SinkDown(until=60_000),)
    accepted, refused = notified("completed", 70), notified("completed", 70, status=503)

    assert [(it.since, it.until) for it in outages(accepted, faults=down)][1:] == [(60_000, 70_001)]
    assert [(it.since, it.until) for it in outages(refused, faults=down)][1:] == [(60_000, FOREVER)]
    assert outages(notified("completed", 0.1), faults=(SinkDown(since=5_000, until=60_000),))[1:] == []


def test_a_lost_response_excuses_nothing() -> None:
    """The sink has read the notification."""
    assert outages(faults=(SinkLosesResponse(),)) == []


def test_a_fault_is_about_one_operation_with_all_its_repetitions_or_about_all() -> None:
    """Attempts at other operations' notifications do not count for it."""
    faults = (SinkRefuses(operation="op1"), SinkHangs())
    lines = (
        both(op="op2"),
        notified("completed", 1, status=503),
        notified("completed", 300, op="op2", error="hung", after=60_000),
    )

    mine, all_ = (it.silent_until(0, GRACE) for it in reversed(outages(*lines, faults=faults)))
    others = outages(*lines, faults=faults, op="op2")

    assert (mine, all_) == (1_001, 360_000)
    assert len(others) == 1


def test_an_attempt_that_is_not_answered_ends_when_waiting_has_lasted_too_long() -> None:
    """One without any record of its end ended at once; a late answer is the end."""
    lines = (
        notified("completed", 1, error="hung", after=5_000_000),
        notified("completed", 2, after=None),
        notified("completed", 3, after=700_000),
    )
    evidence = collect(history(both(), *lines))

    assert [given_up_at(it, GRACE) for it in evidence.notifications] == [601_000, 2_000, 703_000]


def failing(*instants: float, op: str = "op1") -> list[Line]:
    return [notified("completed", at, op=op, status=503) for at in instants]


def test_after_ten_failures_in_a_row_the_sink_looks_down_to_all() -> None:
    """Until it accepts one; others may be held back for as long as one pause."""
    lines = (*failing(*range(10, 20)), both(op="op2"), notified("completed", 100, op="op2"))

    (apparent,) = outages(*lines, faults=(), op="op2")

    assert (apparent.since, apparent.until) == (19_001, 100_001)
    assert apparent.silent_until(30_000, GRACE) == 30_000


def test_nine_failures_or_a_success_among_them_say_nothing_of_others() -> None:
    """The sink has accepted one of ten."""
    lines = (*failing(*range(10, 19)), both(op="op2"), notified("completed", 20, op="op2"))

    assert outages(*lines, *failing(*range(30, 39)), faults=(), op="op2") == []


def test_responses_at_the_same_instant_may_be_read_in_any_order() -> None:
    """The aggregator may have read the success before all of the failures."""
    others = (both(op="op2"), notified("completed", 50, op="op2"))
    at_once = outages(*failing(*[50] * 7, *[50.001] * 5), *others, faults=(), op="op2")
    earlier = outages(*failing(*range(39, 45), *[50] * 5), *others, faults=(), op="op2")
    before = outages(*failing(*range(39, 48)), *others, faults=(), op="op2")

    assert [(it.since, it.until) for it in at_once] == [(50_002, FOREVER)]
    assert [(it.since, it.until) for it in earlier] == [(50_001, 50_001)]
    assert before == []


def test_a_sink_that_never_accepts_again_looks_down_for_ever() -> None:
    """Nothing says that it is not."""
    (apparent,) = outages(*failing(*range(10, 22)), faults=())

    assert (apparent.since, apparent.until) == (19_001, FOREVER)


def test_outages_overlap_an_interval_with_which_they_share_an_instant() -> None:
    """Both ends are in."""
    evidence = collect(history(both(), faults=(SinkRefuses(since=10, until=20),)))

    assert overlap(SinkOutages(evidence), 20, 30)
    assert not overlap(SinkOutages(evidence), 21, 30)
