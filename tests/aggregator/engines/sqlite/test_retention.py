"""Outcomes are deleted in small steps, between which webhooks are answered."""

import asyncio

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite import retention
from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.harness.world.host_loop import HostLoop, elapsed_ms
from tests.conformance.worlds import EAST, RETENTION_MS, WEST, World, arrival, deliver_all

COUNT = 3_000
DAY_MS = 86_400_000


def test_webhooks_do_not_wait_for_the_retention(world: World) -> None:
    """However many outcomes are due: a webhook waits for one step at most, and all are deleted."""

    async def story() -> None:
        engine = await world.start(regions=(EAST,))
        assert isinstance(engine, SqliteEngine)
        db = engine._store._db
        await deliver_all(engine, *(arrival(EAST, f"old-{n}") for n in range(COUNT)))

        def left() -> int:
            (count,) = db.execute("SELECT count(*) FROM operation WHERE id LIKE 'old-%'").fetchone()
            return int(count)

        await world.wait(RETENTION_MS + retention.GRAIN_MS - 1_000)
        assert left() == COUNT
        while left() == COUNT:
            await world.wait(10)
        begun = left()
        steps: list[int] = []
        before_ms = elapsed_ms()
        for n in range(100):
            lately = left()
            assert isinstance(await engine.deliver(arrival(EAST, f"new-{n}")), Receipt)
            steps.append(lately - left())
        took_ms = elapsed_ms() - before_ms

        assert COUNT - begun <= retention.STEP
        assert max(steps) <= retention.STEP
        assert took_ms < 1_000 * retention.PAUSE_S
        assert left() > COUNT // 2  # so all of that happened while there was much left to forget
        await world.wait(10 * 60_000)
        assert left() == 0
        assert await engine.inspect("new-99") is not None

    world.play(story)


def test_a_clock_that_is_never_set_wakes_nothing_up(world: World) -> None:
    """An outcome that is remembered, and an operation that waits, cost nothing in a simulated week."""

    async def story() -> None:
        engine = await world.start(regions=(EAST, WEST), timeout_ms=30 * DAY_MS)
        await deliver_all(engine, arrival(EAST, "done"), arrival(WEST, "done"), arrival(EAST, "waits"))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HostLoop)
        before = loop.steps
        await world.wait(6 * DAY_MS)
        assert loop.steps - before < 20

    world.play(story)
