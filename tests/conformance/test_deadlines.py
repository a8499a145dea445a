"""What an engine promises about time: deadlines are absolute, outcomes final, retention as configured."""

import pytest

from fanin.aggregator.errors import StoreUnusableError
from fanin.aggregator.fanin import ArrivalResult
from tests.conformance.worlds import (
    EAST,
    NORTH,
    RETENTION_MS,
    WEST,
    World,
    arrival,
    arrival_results,
    deliver_all,
)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def test_a_deadline_ends_the_wait_on_time(world: World) -> None:
    """At the deadline, not before, a notification names the missing regions."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(NORTH))
        deadline_ms = (await world.state()).deadline_ms
        await world.wait(deadline_ms - world.now_ms() - (1 if world.virtual else 200))
        assert world.attempts == []
        await world.until(lambda: bool(world.attempts))

        ((sent_ms, sent),) = world.attempts
        assert sent_ms - deadline_ms in range(world.slack_ms)
        assert (sent.outcome.value, sent.arrived, sent.missing) == ("timed_out", (NORTH,), (EAST, WEST))

    world.play(story)


def test_later_arrivals_do_not_move_the_deadline(world: World) -> None:
    """The wait ends one timeout after the first arrival, however busy it was."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST))
        first = await world.state()
        await world.wait(world.timeout_ms // 2)
        await deliver_all(engine, arrival(NORTH), arrival(NORTH))
        second = await world.state(when=lambda it: NORTH in it.arrived)
        await world.until(lambda: bool(world.attempts))

        assert first.deadline_ms == second.deadline_ms
        ((sent_ms, sent),) = world.attempts
        assert (sent.outcome.value, sent.deadline_ms) == ("timed_out", first.deadline_ms)
        assert sent_ms - first.deadline_ms in range(world.slack_ms)

    world.play(story)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restarts_do_not_move_the_deadline(world: World, end: str) -> None:
    """It is an instant, not a duration that starts again."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST))
        deadline_ms = (await world.state()).deadline_ms
        for _ in range(3):
            await world.wait(world.timeout_ms // 5)
            await world.end(end)
            await world.start()
        await world.until(lambda: bool(world.attempts))

        ((sent_ms, sent),) = world.attempts
        assert sent.deadline_ms == deadline_ms
        assert sent_ms - deadline_ms in range(1_000 + world.slack_ms)

    world.play(story)


def test_a_deadline_that_passed_while_no_process_ran_fires_after_the_start(world: World) -> None:
    """Late, once, and with the deadline it had."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST))
        deadline_ms = (await world.state()).deadline_ms
        await world.stop()
        await world.wait(2 * world.timeout_ms)
        reborn = await world.start()
        await world.until(lambda: bool(world.attempts))
        await reborn.deliver(arrival(NORTH))
        state = await world.state(when=lambda it: bool(it.late))
        await world.silence()

        ((_, sent),) = world.attempts
        assert (sent.outcome.value, sent.deadline_ms) == ("timed_out", deadline_ms)
        assert (list(state.arrived), list(state.late)) == ([EAST], [NORTH])

    world.play(story)


def test_an_arrival_counts_only_before_the_deadline(world: World) -> None:
    """A region that arrives after the deadline is late even if it is processed before the timer."""

    async def story() -> None:
        engine = await world.start(regions=(EAST, WEST))
        await engine.deliver(arrival(EAST))
        await world.stop()
        await world.wait(world.timeout_ms + 1)
        reborn = await world.start()
        await reborn.deliver(arrival(WEST))
        state = await world.state(when=lambda it: bool(it.late))
        await world.until(lambda: bool(world.attempts))

        assert list(state.late) == [WEST]
        assert world.outcomes_sent() == [("op-1", "timed_out")]

    world.play(story)


@pytest.mark.parametrize("seed", range(4))
def test_at_the_very_deadline_there_is_one_outcome(world: World, seed: int) -> None:
    """Arrivals and timer meet in the same instant, in any order: each operation gets one outcome."""

    async def story() -> None:
        engine = await world.start(regions=(EAST, WEST))
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(20)))
        for offset in (-1, 1, 1):
            deadline_ms = (await world.state("op-0")).deadline_ms
            await world.wait(max(0, deadline_ms + offset - world.now_ms()))
            await deliver_all(engine, *(arrival(WEST, f"op-{n}") for n in range(20)))
        await world.until(lambda: len(world.attempts) >= 20)
        await world.silence()

        assert len(world.attempts) == len({notify.operation_id for _, notify in world.attempts}) == 20

    world.play(story, seed=seed)


def test_many_deadlines_at_once_all_fire(world: World) -> None:
    """More than fit one transaction."""

    async def story() -> None:
        engine = await world.start()
        number = world.many(250)
        for batch in range(5):
            await deliver_all(engine, *(arrival(EAST, f"op-{batch}-{n}") for n in range(number)))
        await world.until(lambda: len(world.attempts) >= 5 * number)

        assert len({notify.operation_id for _, notify in world.attempts}) == 5 * number
        assert {notify.outcome.value for _, notify in world.attempts} == {"timed_out"}

    world.play(story)


def test_after_the_outcome_arrivals_are_late_or_duplicate_and_silent(world: World) -> None:
    """Within the retention, no arrival starts an operation or sends a notification."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST))
        await world.until(lambda: bool(world.attempts))
        found = []
        for pause_ms in (0, 10_000, DAY_MS, 5 * DAY_MS) if world.virtual else (0, 100, world.timeout_ms):
            await world.wait(pause_ms)
            found += arrival_results([await engine.deliver(arrival(region)) for region in (EAST, NORTH)])
        await world.silence()

        if world.capabilities.reports_result:
            assert found == [
                ArrivalResult.DUPLICATE,
                ArrivalResult.LATE,
                *[ArrivalResult.DUPLICATE] * (len(found) - 2),
            ]
        state = await world.state(when=lambda it: it.duplicates >= 5)
        assert (list(state.arrived), list(state.late)) == ([EAST], [NORTH])
        assert world.outcomes_sent() == [("op-1", "timed_out")]

    world.play(story)


def test_after_the_retention_an_id_is_a_new_operation(world: World) -> None:
    """It has another decision, with another key."""

    async def story() -> None:
        if not world.capabilities.has_retention:
            pytest.skip("has no retention")
        retention_ms = RETENTION_MS if world.virtual else 3_000
        engine = await world.start(regions=(EAST,), retention_ms=retention_ms)
        await engine.deliver(arrival(EAST))
        await world.wait(retention_ms - min(60_000, retention_ms // 2))
        await engine.deliver(arrival(EAST))
        await world.state(when=lambda it: it.duplicates == 1)
        await world.wait(60_000 + 2 * HOUR_MS if world.virtual else retention_ms)
        assert await engine.inspect("op-1") is None
        await engine.deliver(arrival(EAST))
        await world.until(lambda: len(world.attempts) == 2)

        assert len(set(world.keys_sent())) == 2

    world.play(story)


def test_the_retention_ends_for_old_operations_only_however_many(world: World) -> None:
    """Those that are old enough are deleted; others stay."""

    async def story() -> None:
        world.takes_days()
        engine = await world.start(regions=(EAST,))
        if not world.capabilities.has_retention:
            pytest.skip("has no retention")
        for batch in range(3):
            await deliver_all(engine, *(arrival(EAST, f"op-{batch}-{n}") for n in range(150)))
        await world.wait(6 * HOUR_MS)
        await engine.deliver(arrival(EAST, "younger"))
        await world.wait(RETENTION_MS - 4 * HOUR_MS)

        page = await engine.instances(phase=None, after=None, limit=1_000)
        assert [state.operation_id for state in page.states] == ["younger"]

    world.play(story)


def test_a_second_process_on_exclusive_data_is_refused(world: World) -> None:
    """Two timers and two outboxes on the same data would notify twice."""

    async def story() -> None:
        if not world.capabilities.exclusive:
            pytest.skip("may be shared")
        engine = await world.start()
        with pytest.raises(StoreUnusableError, match="in use by another process"):
            await world.another().open()

        assert await engine.deliver(arrival(EAST))

    world.play(story)


def test_several_on_the_same_data_share_the_work(world: World) -> None:
    """Whichever process gets an arrival, each operation has one outcome and one notification."""

    async def story() -> None:
        if world.capabilities.exclusive:
            pytest.skip("is exclusive")
        first = await world.start(timeout_ms=60_000)
        second = world.another(world.notifier())
        await second.open()
        try:
            ids = [f"op-{n}" for n in range(30)]
            for region, engine in ((EAST, first), (NORTH, second), (WEST, first)):
                arrival_results(await deliver_all(engine, *(arrival(region, id_) for id_ in ids)))
            await world.until(lambda: len(world.attempts) >= len(ids))
            await world.silence()
        finally:
            await second.close()

        assert sorted(world.outcomes_sent()) == sorted((id_, "completed") for id_ in ids)

    world.play(story)
