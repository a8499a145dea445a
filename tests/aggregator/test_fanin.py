"""The state machine, alone: these tests cover every branch of it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.aggregator.errors import UnexpectedRegionError, UnknownRegionError
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
    Renewal,
    Step,
    Subject,
    start,
    step,
)

EAST, NORTH, WEST = "eastus", "northeurope", "westeurope"
IMAGE = Subject(action="push", host="demo.azurecr.io", repository="team/app", tag="1.0", digest="sha256:11")
STARTED, TIMEOUT = 1_000, 60_000
DEADLINE = STARTED + TIMEOUT


def begun(*, expected: tuple[str, ...] = (EAST, WEST), first: str = EAST) -> Step:
    return start("op-1", IMAGE, Arrived(first, STARTED), expected=expected, timeout_ms=TIMEOUT)


def played(*events: Arrived | DeadlineReached, expected: tuple[str, ...] = (EAST, WEST)) -> list[Step]:
    """The steps that ``events`` lead to after EAST began the operation."""
    steps = [begun(expected=expected)]
    for event in events:
        steps.append(step(steps[-1].state, event))
    return steps


def outcomes_of(result: Step) -> list[Notification]:
    """The effects that report the outcome, of which there is one."""
    return [it for it in result.effects if it.outcome is not Phase.COMPLETED_LATE]


def test_the_first_arrival_sets_the_deadline_and_freezes_the_regions() -> None:
    """The deadline is absolute: the first commit plus the timeout. The regions are kept sorted."""
    result = begun(expected=(WEST, EAST))

    assert result.state.deadline_ms == DEADLINE
    assert result.state.expected == (EAST, WEST)
    assert result.state.missing == (WEST,)
    assert (result.effects, result.result) == ((), ArrivalResult.COUNTED)


def test_the_last_missing_region_completes() -> None:
    """All expected regions before the deadline: one notification that names everything."""
    last = played(Arrived(WEST, 9_000))[-1]

    assert last.state.phase is Phase.COMPLETED
    assert last.result is ArrivalResult.COUNTED
    assert last.effects == (
        Notification(
            key=last.state.key,
            operation_id="op-1",
            outcome=Phase.COMPLETED,
            subject=IMAGE,
            arrived=(EAST, WEST),
            missing=(),
            started_ms=STARTED,
            deadline_ms=DEADLINE,
            decided_ms=9_000,
        ),
    )


def test_a_single_region_completes_at_once() -> None:
    """One expected region needs one arrival."""
    result = begun(expected=(EAST,))

    assert result.state.phase is Phase.COMPLETED
    assert [effect.outcome for effect in result.effects] == [Phase.COMPLETED]


@pytest.mark.parametrize(("at_ms", "outcome"), [(DEADLINE - 1, Phase.COMPLETED), (DEADLINE, Phase.TIMED_OUT)])
def test_the_window_is_open_at_its_end(at_ms: int, outcome: Phase) -> None:
    """Strictly before the deadline counts; the deadline's own millisecond does not."""
    last = played(Arrived(WEST, at_ms))[-1]

    assert last.state.phase is outcome
    assert last.result is (ArrivalResult.COUNTED if outcome is Phase.COMPLETED else ArrivalResult.LATE)


def test_a_late_arrival_times_the_operation_out_even_if_the_timer_slept() -> None:
    """The timer may be late; the deadline is not. The late region stays missing."""
    last = played(Arrived(WEST, DEADLINE + 5))[-1]

    outcome, told_late = last.effects
    assert (outcome.outcome, outcome.missing) == (Phase.TIMED_OUT, (WEST,))
    assert told_late.outcome is Phase.COMPLETED_LATE
    assert last.state.late == {WEST: DEADLINE + 5}
    assert last.state.missing == (WEST,)


def test_the_timer_names_what_is_missing() -> None:
    """A timeout says who arrived and who did not, sorted."""
    last = played(DeadlineReached(DEADLINE), expected=(WEST, NORTH, EAST))[-1]

    (sent,) = last.effects
    assert (sent.outcome, sent.arrived, sent.missing) == (Phase.TIMED_OUT, (EAST,), (NORTH, WEST))
    assert last.result is None


def test_a_timer_that_wakes_early_decides_nothing() -> None:
    """Waking early is harmless."""
    before, after = played(DeadlineReached(DEADLINE - 1))

    assert after == Step(before.state)


@pytest.mark.parametrize("decided_by", [Arrived(WEST, 9_000), DeadlineReached(DEADLINE)])
def test_an_outcome_is_final(decided_by: Arrived | DeadlineReached) -> None:
    """After an outcome nothing reports another, neither the timer nor any region."""
    steps = played(
        decided_by, DeadlineReached(DEADLINE + 1), Arrived(EAST, DEADLINE + 2), Arrived(WEST, DEADLINE + 3)
    )

    outcome = steps[1].state.phase
    assert [len(outcomes_of(each)) for each in steps] == [0, 1, 0, 0, 0]
    assert {each.state.phase for each in steps[1:]} == {outcome}


def test_a_repeated_region_is_a_duplicate_and_counts_once() -> None:
    """Distinct regions are counted, never deliveries."""
    steps = played(Arrived(EAST, 2_000), Arrived(EAST, 3_000))

    assert [each.result for each in steps] == [
        ArrivalResult.COUNTED,
        ArrivalResult.DUPLICATE,
        ArrivalResult.DUPLICATE,
    ]
    assert steps[-1].state.missing == (WEST,)
    assert steps[-1].state.duplicates == 2
    assert steps[-1].state.arrived == {EAST: STARTED}


def test_late_once_then_duplicate() -> None:
    """The first copy after the outcome is late; the next one is a duplicate of it."""
    steps = played(DeadlineReached(DEADLINE), Arrived(WEST, DEADLINE + 1), Arrived(WEST, DEADLINE + 2))

    assert [each.result for each in steps[2:]] == [ArrivalResult.LATE, ArrivalResult.DUPLICATE]


def test_an_unknown_region_starts_nothing() -> None:
    """It is refused with the names of the configured ones."""
    with pytest.raises(UnknownRegionError, match=r"'mars'; expected one of eastus, westeurope"):
        begun(first="mars")


def test_a_region_that_was_not_frozen_is_refused() -> None:
    """An operation judges by the regions it started with, whatever was configured since."""
    with pytest.raises(
        UnexpectedRegionError, match=r"does not wait for region 'northeurope'; it waits for eastus, west"
    ):
        played(Arrived(NORTH, 2_000))


def test_the_key_belongs_to_the_decision() -> None:
    """Equal for the same operation whatever happens to it; different for another id or another start."""
    waiting, done = (each.state for each in played(Arrived(WEST, 9_000)))

    assert waiting.key == done.key == "dd1c244ff8eeb799c8575a91373cd184"
    assert msgspec.structs.replace(waiting, operation_id="op-2").key != waiting.key
    assert msgspec.structs.replace(waiting, deadline_ms=DEADLINE + 1).key != waiting.key


def test_a_state_survives_its_encoding() -> None:
    """What an engine stores as JSON is what it reads back, in order of arrival."""
    state = played(Arrived(WEST, 2_000), Arrived(NORTH, 3_000), expected=(EAST, NORTH, WEST))[-1].state

    again = msgspec.json.decode(msgspec.json.encode(state), type=FanIn)

    assert again == state
    assert list(again.arrived) == [EAST, WEST, NORTH]


EVENTS = st.lists(
    st.one_of(
        st.builds(Arrived, st.sampled_from([EAST, NORTH, WEST]), st.integers(0, 2 * DEADLINE)),
        st.builds(DeadlineReached, st.integers(0, 2 * DEADLINE)),
    ),
    max_size=14,
)


@settings(deadline=None)
@given(EVENTS)
def test_whatever_the_order_one_outcome_and_one_notification(events: list[Arrived | DeadlineReached]) -> None:
    """One notification when it is decided, none before, none after, and it never changes its mind."""
    steps = played(*events, expected=(EAST, NORTH, WEST))

    sent = [effect for each in steps for effect in outcomes_of(each)]
    final = steps[-1].state
    told_late = [it for each in steps for it in each.effects if it.outcome is Phase.COMPLETED_LATE]
    everything = {*final.arrived, *final.late} == {EAST, NORTH, WEST}
    assert len(told_late) == (final.phase is Phase.TIMED_OUT and everything)
    assert len(sent) == (final.phase is not Phase.WAITING)
    assert all(effect.outcome is final.phase and effect.key == final.key for effect in sent)
    assert {each.state.deadline_ms for each in steps} == {DEADLINE}
    assert {each.state.expected for each in steps} == {(EAST, NORTH, WEST)}


@settings(deadline=None)
@given(EVENTS)
def test_the_outcome_follows_from_the_stamps_alone(events: list[Arrived | DeadlineReached]) -> None:
    """In order of their stamps: completed exactly if every region was stamped before the deadline."""
    ordered = sorted(events, key=lambda event: event.at_ms)
    steps = played(*ordered, DeadlineReached(2 * DEADLINE), expected=(EAST, NORTH, WEST))

    in_time = {EAST} | {it.region for it in ordered if isinstance(it, Arrived) and it.at_ms < DEADLINE}
    expected = Phase.COMPLETED if in_time == {EAST, NORTH, WEST} else Phase.TIMED_OUT
    assert steps[-1].state.phase is expected
    assert set(steps[-1].state.arrived) == in_time


@settings(deadline=None)
@given(EVENTS)
def test_every_arrival_is_accounted_for(events: list[Arrived | DeadlineReached]) -> None:
    """Each one is counted, late or a duplicate; a duplicate changes no region."""
    steps = played(*events, expected=(EAST, NORTH, WEST))

    final = steps[-1].state
    arrivals = 1 + sum(isinstance(event, Arrived) for event in events)
    assert len(final.arrived) + len(final.late) + final.duplicates == arrivals
    assert not final.arrived.keys() & final.late.keys()
    standings = [each.result for each in steps if each.result is not None]
    assert standings.count(ArrivalResult.LATE) == len(final.late)
    assert standings.count(ArrivalResult.COUNTED) == len(final.arrived)


def test_the_last_missing_region_is_a_message_of_its_own_once() -> None:
    """Under a key of its own, with every region as arrived; the outcome stays."""
    _, timed_out, late, again, more = played(
        DeadlineReached(DEADLINE),
        Arrived(WEST, DEADLINE + 5),
        Arrived(WEST, DEADLINE + 6),
        Arrived(EAST, DEADLINE + 7),
    )

    (message,) = late.effects
    assert (message.outcome, message.arrived, message.missing) == (Phase.COMPLETED_LATE, (EAST, WEST), ())
    assert message.key not in (late.state.key, timed_out.effects[0].key)
    assert (late.state.phase, late.state.missing) == (Phase.TIMED_OUT, (WEST,))
    assert again.effects == more.effects == ()


def test_as_long_as_a_region_is_missing_there_is_no_such_message() -> None:
    """One of two that were missing."""
    last = played(DeadlineReached(DEADLINE), Arrived(WEST, DEADLINE + 5), expected=(EAST, NORTH, WEST))[-1]

    assert (last.result, last.effects) == (ArrivalResult.LATE, ())


# --- generations ---

RENEWAL = Renewal(subject=IMAGE, expected=(EAST, WEST), timeout_ms=TIMEOUT, retention_ms=7 * 86_400_000)


def pushed(region: str, at_ms: int, event_id: str, renewal: Renewal = RENEWAL) -> Arrived:
    return Arrived(region, at_ms, event_id, renewal)


def pushes(*events: Arrived | DeadlineReached) -> list[Step]:
    """The steps of an image that is pushed, perhaps again, from EAST's first webhook on."""
    first = pushed(EAST, STARTED, "1")
    steps = [start("op-1", IMAGE, first, expected=(EAST, WEST), timeout_ms=TIMEOUT)]
    for event in events:
        steps.append(step(steps[-1].state, event))
    return steps


def test_after_the_outcome_another_push_begins_the_next_generation() -> None:
    """With a deadline and a key of its own; the regions and the timeout are those of the moment."""
    newer = msgspec.structs.replace(RENEWAL, expected=(EAST, NORTH, WEST), timeout_ms=5)
    _, done, again = pushes(pushed(WEST, 2_000, "1"), pushed(WEST, 9_000, "2", newer))

    assert again.result is ArrivalResult.COUNTED
    assert (again.state.phase, again.state.generation, again.state.missing) == (
        Phase.WAITING,
        2,
        (EAST, NORTH),
    )
    assert (again.state.started_ms, again.state.deadline_ms) == (9_000, 9_005)
    assert again.state.key != done.state.key


def test_generations_of_one_instant_have_keys_of_their_own() -> None:
    """The deadline alone would not tell them apart."""
    one = msgspec.structs.replace(RENEWAL, expected=(EAST,))
    first = start("op-1", IMAGE, pushed(EAST, 1, "1"), expected=(EAST,), timeout_ms=TIMEOUT)
    again = step(first.state, pushed(EAST, 1, "2", one))

    assert first.state.deadline_ms == again.state.deadline_ms
    assert [it.key for it in (*first.effects, *again.effects)] == [first.state.key, again.state.key]
    assert first.state.key != again.state.key


def test_an_arrival_after_the_deadline_may_end_one_generation_and_begin_the_next() -> None:
    """Both in one step: the timer was late."""
    _, last = pushes(pushed(EAST, DEADLINE, "2"))

    assert [it.outcome for it in last.effects] == [Phase.TIMED_OUT]
    assert (last.state.generation, last.state.phase) == (2, Phase.WAITING)


def test_what_came_before_the_outcome_of_a_later_push_counts_for_it() -> None:
    """Two pushes within seconds, whose webhooks mix."""
    _, ahead, _, again = pushes(pushed(EAST, 2_000, "2"), pushed(WEST, 3_000, "1"), pushed(WEST, 4_000, "2"))

    assert ahead.result is ArrivalResult.DUPLICATE
    assert (again.state.phase, again.state.arrived) == (Phase.COMPLETED, {EAST: 4_000, WEST: 4_000})
    assert len(again.effects) == 1


def test_duplicates_and_late_regions_begin_nothing() -> None:
    """Nor does what was handed over before the outcome and is processed after it."""
    *_, twice = pushes(pushed(WEST, 2_000, "1"), pushed(EAST, 3_000, "1"))
    *_, late, again = pushes(
        DeadlineReached(DEADLINE), pushed(WEST, DEADLINE + 1, "1"), pushed(WEST, DEADLINE + 2, "1")
    )
    *_, before = pushes(pushed(WEST, 2_000, "1"), pushed(WEST, 1_999, "2"))

    assert (twice.result, late.result, again.result) == (
        ArrivalResult.DUPLICATE, ArrivalResult.LATE, ArrivalResult.DUPLICATE,
    )  # fmt: skip
    assert {it.state.generation for it in (twice, late, again, before)} == {1}


def test_a_generation_does_not_begin_with_a_region_that_is_not_expected() -> None:
    """A region that is not expected begins neither a generation nor an operation."""
    elsewhere = msgspec.structs.replace(RENEWAL, expected=(WEST,))
    _, done = pushes(pushed(WEST, 2_000, "1"))

    with pytest.raises(UnknownRegionError):
        step(done.state, pushed(EAST, 3_000, "2", elsewhere))
    with pytest.raises(UnexpectedRegionError):
        step(begun().state, pushed(NORTH, 3_000, "2"))
