"""A target that is down is probed; what waits for it stays as it is."""

from collections import Counter

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.breaker import OPEN_AFTER
from fanin.aggregator.notify.port import NotDeliveredError
from tests.conformance.worlds import EAST, World, accept, arrival, deliver_all, target

OPERATIONS = [f"op-{n:03}" for n in range(300)]


async def refuse(_: Notification) -> None:
    raise NotDeliveredError("answered 503")


def test_while_a_target_is_down_the_rest_waits_untouched(world: World) -> None:
    """An hour costs some attempts, not some for each notification; another target gets all at once."""

    async def story() -> None:
        world.receivers = {"ill": refuse}
        engine = await world.start(regions=(EAST,), targets=(target("ill"), target("well")))
        for operation in OPERATIONS:
            await engine.deliver(arrival(EAST, operation))
            await world.wait(10)
        await world.wait(3_600_000)

        attempts = Counter(world.attempt_targets)
        entries = (await engine.outbox(dead=False, after=None, limit=1_000)).entries
        assert attempts["well"] == len(OPERATIONS)
        assert attempts["ill"] < 300
        assert len(entries) == len(OPERATIONS)
        assert sum(entry.attempts == 0 for entry in entries) > 150
        assert world.metrics.breakers == {"ill": "open", "well": "closed"}

    world.play(story)


def test_when_it_is_up_again_everything_is_sent(world: World) -> None:
    """Within the longest pause between probes, and at once after the probe."""

    async def story() -> None:
        world.receiver = refuse
        engine = await world.start(regions=(EAST,))
        await deliver_all(engine, *(arrival(EAST, operation) for operation in OPERATIONS))
        await world.wait(3_600_000)
        world.receiver = accept
        before = len(world.attempts)
        await world.until(lambda: len(world.attempts) > before)
        await world.wait(1_000)

        assert world.metrics.breakers == {"default": "closed"}
        unattempted = [
            entry for entry in (await engine.outbox(dead=None, after=None, limit=1_000)).entries
            if entry.attempts == 0
        ]  # fmt: skip
        assert unattempted == []
        await world.wait(400_000)
        assert (await engine.outbox(dead=None, after=None, limit=1_000)).entries == []

    world.play(story)


def test_a_poisoned_notification_never_stops_the_others(world: World) -> None:
    """One notification that fails every time does not open the breaker for the others."""

    async def poison(notification: Notification) -> None:
        if notification.operation_id == "poisoned":
            raise NotDeliveredError("answered 400")

    async def story() -> None:
        world.receiver = poison
        engine = await world.start(regions=(EAST,))
        await engine.deliver(arrival(EAST, "poisoned"))
        await world.wait(36_000_000)

        assert len(world.attempts) > OPEN_AFTER
        assert world.metrics.breakers == {"default": "closed"}
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(1, 100)))
        await world.wait(100)
        assert [id_ for id_, _ in world.outcomes_sent()].count("op-1") == 1

    world.play(story)


def test_probes_that_hang_do_not_stop_the_breaker(world: World) -> None:
    """A receiver that never responds, then does."""

    async def story() -> None:
        async def hang(_: Notification) -> None:
            await world.wait(3_600_000)

        world.receiver = hang
        engine = await world.start(regions=(EAST,))
        await deliver_all(engine, *(arrival(EAST, operation) for operation in OPERATIONS))
        await world.wait(3_600_000)
        assert world.metrics.breakers["default"] != "closed"
        assert len(world.attempts) < 700
        world.receiver = accept
        await world.wait(600_000)

        assert (await engine.outbox(dead=None, after=None, limit=1_000)).entries == []

    world.play(story)
