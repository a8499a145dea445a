"""What an engine promises about time: deadlines are absolute, outcomes final, memories as long as agreed."""

import pytest

from aggregator.errors import StoreUnusableError
from aggregator.fanin import Standing
from tests.conformance.worlds import (
    EAST,
    NORTH,
    RETENTION_MS,
    TIMEOUT_MS,
    WEST,
    World,
    arrival,
    deliver_all,
)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def test_a_deadline_ends_the_wait_on_time(world: World) -> None:
    """At the deadline, not before, the subscriber hears who is missing."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(NORTH))
        started_ms = world.now_ms()
        await world.wait(TIMEOUT_MS - 1)
        assert world.told == []
        await world.wait(500)

        ((told_ms, told),) = world.told
        assert told_ms - started_ms in range(TIMEOUT_MS, TIMEOUT_MS + 100)
        assert (told.outcome.value, told.arrived, told.missing) == ("timed_out", (NORTH,), (EAST, WEST))

    world.play(story)


def test_later_arrivals_do_not_move_the_deadline(world: World) -> None:
    """The wait ends one timeout after the first arrival, however busy it was."""

    async def story() -> None:
        engine = await world.start()
        first = await engine.deliver(arrival(EAST))
        await world.wait(TIMEOUT_MS // 2)
        second = await engine.deliver(arrival(NORTH))
        await engine.deliver(arrival(NORTH))
        await world.wait(TIMEOUT_MS // 2 + 100)

        assert first.state.deadline_ms == second.state.deadline_ms
        assert world.outcomes_told() == [("op-1", "timed_out")]

    world.play(story)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restarts_do_not_move_the_deadline(world: World, end: str) -> None:
    """It is an instant, not a duration that starts again."""

    async def story() -> None:
        engine = await world.start()
        if end == "kill" and not engine.capabilities.survives_kill:
            pytest.skip("keeps nothing over a kill")
        await engine.deliver(arrival(EAST))
        deadline_ms = world.now_ms() + TIMEOUT_MS
        for _ in range(3):
            await world.wait(TIMEOUT_MS // 4)
            await (world.stop() if end == "stop" else world.kill())
            await world.start()
        await world.wait(TIMEOUT_MS // 2)

        ((told_ms, told),) = world.told
        assert told_ms - deadline_ms in range(1_000)
        assert told.deadline_ms - deadline_ms in range(100)

    world.play(story)


def test_a_deadline_that_passed_while_nobody_ran_fires_after_the_start(world: World) -> None:
    """Late, once, and with the deadline it had."""

    async def story() -> None:
        engine = await world.start()
        receipt = await engine.deliver(arrival(EAST))
        await world.stop()
        await world.wait(3 * TIMEOUT_MS)
        reborn = await world.start()
        await world.wait(1_000)
        late = await reborn.deliver(arrival(NORTH))
        await world.wait(3 * TIMEOUT_MS)

        ((_, told),) = world.told
        assert (told.outcome.value, told.deadline_ms) == ("timed_out", receipt.state.deadline_ms)
        assert late.standing is Standing.LATE

    world.play(story)


def test_an_arrival_beats_the_timer_only_before_the_deadline(world: World) -> None:
    """A region that comes after the deadline is late even if it is first to notice."""

    async def story() -> None:
        engine = await world.start(regions=(EAST, WEST))
        await engine.deliver(arrival(EAST))
        await world.stop()
        await world.wait(TIMEOUT_MS + 1)
        reborn = await world.start()
        receipt = await reborn.deliver(arrival(WEST))
        await world.wait(1_000)

        assert receipt.standing is Standing.LATE
        assert world.outcomes_told() == [("op-1", "timed_out")]

    world.play(story)


@pytest.mark.parametrize("seed", range(4))
def test_at_the_very_deadline_there_is_one_outcome(world: World, seed: int) -> None:
    """Arrivals and timer meet in the same instant, in any order: each operation gets one outcome."""

    async def story() -> None:
        engine = await world.start(regions=(EAST, WEST))
        for n in range(20):
            await engine.deliver(arrival(EAST, f"op-{n}"))
        for offset in (-1, 1, 1):
            state = await engine.inspect("op-0")
            assert state is not None
            await world.wait(max(0, state.deadline_ms + offset - world.now_ms()))
            await deliver_all(engine, *(arrival(WEST, f"op-{n}") for n in range(20)))
        await world.wait(TIMEOUT_MS)

        assert len(world.told) == len({notify.operation_id for _, notify in world.told}) == 20

    world.play(story, seed=seed)


def test_many_deadlines_at_once_all_fire(world: World) -> None:
    """More than fit one transaction."""

    async def story() -> None:
        engine = await world.start()
        for batch in range(5):
            await deliver_all(engine, *(arrival(EAST, f"op-{batch}-{n}") for n in range(250)))
        await world.wait(TIMEOUT_MS + 30_000)

        assert len({notify.operation_id for _, notify in world.told}) == 1_250
        assert {notify.outcome.value for _, notify in world.told} == {"timed_out"}

    world.play(story)


def test_after_the_outcome_arrivals_are_late_or_duplicate_and_silent(world: World) -> None:
    """Within the retention nothing starts again and nobody is told again, whatever comes."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST))
        await world.wait(TIMEOUT_MS + 1_000)
        seen = []
        for pause_ms in (0, 10_000, DAY_MS, 5 * DAY_MS):
            await world.wait(pause_ms)
            seen += [(await engine.deliver(arrival(region))).standing for region in (EAST, NORTH)]
        await world.wait(3 * TIMEOUT_MS)

        assert seen[:2] == [Standing.DUPLICATE, Standing.LATE]
        assert set(seen[2:]) == {Standing.DUPLICATE}
        assert world.outcomes_told() == [("op-1", "timed_out")]

    world.play(story)


def test_after_the_retention_an_id_is_a_new_operation(world: World) -> None:
    """What is forgotten may come again; then it is another decision, with another key."""

    async def story() -> None:
        engine = await world.start(regions=(EAST,))
        if not engine.capabilities.forgets:
            pytest.skip("remembers for ever")
        await engine.deliver(arrival(EAST))
        await world.wait(RETENTION_MS - 60_000)
        assert (await engine.deliver(arrival(EAST))).standing is Standing.DUPLICATE
        await world.wait(60_000 + 2 * HOUR_MS)
        assert await engine.inspect("op-1") is None
        again = await engine.deliver(arrival(EAST))
        await world.wait(1_000)

        assert again.standing is Standing.COUNTED
        first, second = world.keys_told()
        assert first != second

    world.play(story)


def test_forgetting_takes_many_small_steps_and_spares_the_younger(world: World) -> None:
    """However many are old enough, they go; what is not old enough stays."""

    async def story() -> None:
        engine = await world.start(regions=(EAST,))
        if not engine.capabilities.forgets:
            pytest.skip("remembers for ever")
        for batch in range(3):
            await deliver_all(engine, *(arrival(EAST, f"op-{batch}-{n}") for n in range(150)))
        await world.wait(6 * HOUR_MS)
        await engine.deliver(arrival(EAST, "younger"))
        await world.wait(RETENTION_MS - 4 * HOUR_MS)

        page = await engine.instances(phase=None, after=None, limit=1_000)
        assert [state.operation_id for state in page.states] == ["younger"]

    world.play(story)


def test_a_second_owner_is_refused(world: World) -> None:
    """Two timers and two outboxes on the same data would notify twice."""

    async def story() -> None:
        engine = await world.start()
        if not engine.capabilities.one_owner:
            pytest.skip("may be shared")
        with pytest.raises(StoreUnusableError, match="in use by another process"):
            await world.intruder().open()

        assert (await engine.deliver(arrival(EAST))).standing is Standing.COUNTED

    world.play(story)
