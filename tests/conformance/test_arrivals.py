"""What an engine promises about arrivals: durable, counted once, none lost to another."""

import asyncio

import pytest

from fanin.aggregator.errors import (
    MalformedError,
    RequestError,
    StoreError,
    UnexpectedRegionError,
    UnknownRegionError,
)
from fanin.aggregator.fanin import ArrivalResult, Phase
from tests.conformance.worlds import EAST, IMAGE, NORTH, WEST, World, arrival, arrival_results, deliver_all


def test_what_was_acknowledged_survives_a_kill(world: World) -> None:
    """`deliver` returns only once the arrival is durable."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST))
        before = await world.state()
        await world.kill()
        reborn = await world.start()

        assert await world.state() == before
        await deliver_all(reborn, arrival(NORTH), arrival(WEST))
        await world.until(lambda: bool(world.attempts))

        assert world.outcomes_sent() == [("op-1", "completed")]

    world.play(story)


def test_the_last_region_completes_the_operation_and_the_notification_has_everything(world: World) -> None:
    """The operation's own image, and the regions that arrived."""

    async def story() -> None:
        engine = await world.start()
        started_ms = world.now_ms()
        for region in (EAST, NORTH, WEST):
            await engine.deliver(arrival(region))
            await world.wait(world.timeout_ms // 10)
        await world.until(lambda: bool(world.attempts))

        ((_, sent),) = world.attempts
        assert (sent.operation_id, sent.outcome, sent.subject) == ("op-1", Phase.COMPLETED, IMAGE)
        assert (sent.arrived, sent.missing) == ((EAST, NORTH, WEST), ())
        assert sent.deadline_ms - started_ms - world.timeout_ms in range(world.slack_ms)

    world.play(story)


def test_the_same_arrival_again_is_harmless(world: World) -> None:
    """Regions are counted, not deliveries; a duplicate is recorded as such."""

    async def story() -> None:
        engine = await world.start()
        results = [await engine.deliver(arrival(EAST)) for _ in range(3)]
        results.append(await engine.deliver(arrival(NORTH)))

        if world.capabilities.reports_result:
            assert arrival_results([*results]) == [
                ArrivalResult.COUNTED,
                ArrivalResult.DUPLICATE,
                ArrivalResult.DUPLICATE,
                ArrivalResult.COUNTED,
            ]
        state = await world.state(when=lambda it: it.duplicates == 2 and NORTH in it.arrived)
        assert state.missing == (WEST,)
        assert world.attempts == []

    world.play(story)


@pytest.mark.parametrize("seed", range(3))
def test_first_arrivals_that_come_together_start_one_operation(world: World, seed: int) -> None:
    """Three regions at once, for many operations at once: no region is lost to a race."""

    async def story() -> None:
        engine = await world.start(timeout_ms=60_000)
        ids = [f"op-{n}" for n in range(60)]
        results = await deliver_all(
            engine, *(arrival(region, id_) for region in (EAST, NORTH, WEST) for id_ in ids)
        )
        counted = arrival_results(results)
        await world.until(lambda: len(world.attempts) >= len(ids))
        await world.silence()

        assert counted == [ArrivalResult.COUNTED] * (180 if world.capabilities.reports_result else 0)
        assert sorted(world.outcomes_sent()) == sorted((id_, "completed") for id_ in ids)

    world.play(story, seed=seed)


def test_copies_that_come_together_count_once(world: World) -> None:
    """Fifty copies of one delivery in one instant are one arrival and forty-nine duplicates."""

    async def story() -> None:
        engine = await world.start(timeout_ms=60_000)
        counted = arrival_results(await deliver_all(engine, *[arrival(EAST)] * 50))

        if world.capabilities.reports_result:
            assert sorted(counted) == [ArrivalResult.COUNTED] + [ArrivalResult.DUPLICATE] * 49
        state = await world.state(when=lambda it: it.duplicates == 49)
        assert list(state.arrived) == [EAST]

    world.play(story)


def test_an_unknown_region_starts_nothing(world: World) -> None:
    """Refused, and nothing is stored."""

    async def story() -> None:
        engine = await world.start()
        with pytest.raises(UnknownRegionError):
            await engine.deliver(arrival("mars"))

        assert await engine.inspect("op-1") is None

    world.play(story)


def test_a_refused_arrival_does_not_affect_others_of_its_batch(world: World) -> None:
    """Arrivals that share a commit with it are stored."""

    async def story() -> None:
        engine = await world.start()
        results = await deliver_all(
            engine, arrival(EAST), arrival("mars"), arrival(NORTH), arrival("mars", "op-2")
        )

        assert isinstance(results[1], UnexpectedRegionError | UnknownRegionError)
        assert isinstance(results[3], UnknownRegionError)
        arrival_results([results[0], results[2]])
        state = await world.state(when=lambda it: len(it.arrived) == 2)
        assert state.missing == (WEST,)
        assert await engine.inspect("op-2") is None

    world.play(story)


def test_the_regions_are_those_of_the_start(world: World) -> None:
    """A change of settings applies to new operations only."""

    async def story() -> None:
        first = await world.start(regions=(EAST, NORTH), timeout_ms=60_000)
        await first.deliver(arrival(EAST, "old"))
        await world.stop()
        engine = await world.start(regions=(EAST, WEST))
        if world.capabilities.reports_result:
            with pytest.raises(UnexpectedRegionError):
                await engine.deliver(arrival(WEST, "old"))
        with pytest.raises(RequestError):
            await engine.deliver(arrival("mars", "old"))
        arrival_results(
            await deliver_all(engine, arrival(NORTH, "old"), arrival(EAST, "new"), arrival(WEST, "new"))
        )
        await world.until(lambda: len(world.attempts) >= 2)

        assert sorted(world.outcomes_sent()) == [("new", "completed"), ("old", "completed")]

    world.play(story)


def test_an_orderly_stop_keeps_what_was_accepted(world: World) -> None:
    """An arrival under way when the stop begins is stored or refused, never left without a result."""

    async def story() -> None:
        engine = await world.start()
        under_way = asyncio.ensure_future(engine.deliver(arrival(EAST)))
        await world.wait(0)
        await world.stop()
        (result,) = await asyncio.gather(under_way, return_exceptions=True)
        reborn = await world.start()

        stored = await reborn.inspect("op-1") is not None
        assert stored or (isinstance(result, StoreError) and not world.virtual)

    world.play(story)


def test_after_the_stop_arrivals_are_refused_for_now(world: World) -> None:
    """A closed engine raises an error that says to try again; it never hangs."""

    async def story() -> None:
        engine = await world.start()
        await world.stop()

        with pytest.raises(StoreError) as refusal:
            await engine.deliver(arrival(EAST))
        assert refusal.value.status == 503
        assert refusal.value.definite

    world.play(story)


def test_instances_are_listed_page_by_page(world: World) -> None:
    """Every operation is on exactly one page, by its state; an invalid token is refused."""

    async def story() -> None:
        engine = await world.start(timeout_ms=60_000)
        for n in range(7):
            await engine.deliver(arrival(EAST, f"waiting-{n}"))
        for n in range(5):
            await deliver_all(engine, *(arrival(region, f"done-{n}") for region in (EAST, NORTH, WEST)))
        await world.until(lambda: len(world.attempts) >= 5)

        for phase, expected in (
            (Phase.WAITING, [f"waiting-{n}" for n in range(7)]),
            (Phase.COMPLETED, [f"done-{n}" for n in range(5)]),
            (Phase.TIMED_OUT, []),
            (None, [f"waiting-{n}" for n in range(7)] + [f"done-{n}" for n in range(5)]),
        ):
            seen: list[str] = []
            after = None
            while True:
                page = await engine.instances(phase=phase, after=after, limit=3)
                assert len(page.states) <= 3
                seen += [state.operation_id for state in page.states]
                after = page.next
                if after is None:
                    break
            assert seen == expected
        with pytest.raises(MalformedError):
            await engine.instances(phase=None, after="tomorrow", limit=3)

    world.play(story)


def test_the_latest_outcomes_come_first(world: World) -> None:
    """What people look at: completed or timed out, newest first, and nothing that waits."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST, "timed-out"))
        await world.until(lambda: len(world.attempts) == 1)
        for n in range(3):
            await deliver_all(engine, *(arrival(region, f"done-{n}") for region in (EAST, NORTH, WEST)))
            await world.until(lambda n=n: len(world.attempts) == n + 2)  # type: ignore[misc]
        await engine.deliver(arrival(EAST, "waiting"))

        everything = [it.operation_id for it in await engine.latest(limit=9)]
        assert everything == ["done-2", "done-1", "done-0", "timed-out"]
        assert [it.operation_id for it in await engine.latest(limit=2)] == everything[:2]

    world.play(story)


def test_the_check_of_a_healthy_engine_passes(world: World) -> None:
    """`check` proves that an arrival could be stored."""

    async def story() -> None:
        await (await world.start()).check()

    world.play(story)
