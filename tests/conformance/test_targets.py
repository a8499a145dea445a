"""What an engine promises with several targets: each independent of the others, under one key."""

import asyncio

import pytest

from fanin.aggregator.engine import Engine
from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.notify.port import NotDeliveredError
from tests.conformance.worlds import EAST, WEST, World, accept, arrival, deliver_all, target


async def refuse(_: Notification) -> None:
    raise NotDeliveredError("answered 503")


async def hang(_: Notification) -> None:
    await asyncio.get_running_loop().create_future()


async def with_targets(world: World, *names: str) -> Engine:
    return await world.start(regions=(EAST,), targets=tuple(map(target, names)))


def test_each_target_is_notified_once_under_one_key(world: World) -> None:
    """One decision, however many targets."""

    async def story() -> None:
        engine = await with_targets(world, "a", "b", "c")
        await engine.deliver(arrival(EAST))
        await world.until(lambda: len(world.attempts) >= 3)
        await world.silence()

        assert sorted(world.attempt_targets) == ["a", "b", "c"]
        assert len({notify.key for _, notify in world.attempts}) == 1
        assert len({notify for _, notify in world.attempts}) == 1

    world.play(story)


def test_targets_are_notified_of_the_outcomes_that_they_name(world: World) -> None:
    """``completed`` to one, ``timed_out`` to another, both to a third."""
    wanting = (
        target("good", on=(Phase.COMPLETED,)),
        target("bad", on=(Phase.TIMED_OUT,)),
        target("all"),
    )

    async def story() -> None:
        engine = await world.start(regions=(EAST, WEST), targets=wanting)
        await deliver_all(engine, arrival(EAST, "done"), arrival(WEST, "done"), arrival(EAST, "half"))
        await world.until(lambda: len(world.attempts) >= 4)
        await world.silence()

        sent = {
            name: [notify.outcome.value for _, notify in world.sent_to(name)]
            for name in ("good", "bad", "all")
        }
        assert sent == {"good": ["completed"], "bad": ["timed_out"], "all": ["completed", "timed_out"]}

    world.play(story)


def test_an_outcome_without_targets_is_decided(world: World) -> None:
    """No notification is sent."""

    async def story() -> None:
        engine = await world.start(regions=(EAST,), targets=(target(on=(Phase.TIMED_OUT,)),))
        await engine.deliver(arrival(EAST))
        state = await world.state(when=lambda it: it.phase is Phase.COMPLETED)
        await world.silence()

        assert state.decided_ms is not None
        assert world.attempts == []

    world.play(story)


@pytest.mark.parametrize("trouble", [hang, refuse], ids=["hangs", "refuses"])
def test_a_failing_target_delays_no_other(world: World, trouble: object) -> None:
    """However many notifications of it are pending, the other target gets each at once, and once."""
    number = world.many(200)

    async def story() -> None:
        world.receivers = {"ill": trouble}  # type: ignore[dict-item] # one of the two above
        engine = await with_targets(world, "ill", "well")
        began_ms = world.now_ms()
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(number)))
        await world.until(lambda: len(world.sent_to("well")) >= number)
        took_ms = world.now_ms() - began_ms
        await world.wait(5 * world.slack_ms)

        assert took_ms <= 10 * world.slack_ms
        sent = [notify.operation_id for _, notify in world.sent_to("well")]
        assert sorted(sent) == sorted(f"op-{n}" for n in range(number))

    world.play(story)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_after_a_restart_only_targets_that_have_not_accepted_are_notified(world: World, end: str) -> None:
    """What one target accepted is not sent to it again because of another one."""

    async def story() -> None:
        world.receivers = {"ill": refuse}
        engine = await with_targets(world, "ill", "well")
        await engine.deliver(arrival(EAST))
        await world.until(lambda: bool(world.sent_to("ill")) and bool(world.sent_to("well")))
        await world.wait(world.slack_ms)
        await world.end(end)
        world.receivers = {}
        before = len(world.sent_to("ill"))
        await world.start()
        await world.until(lambda: len(world.sent_to("ill")) > before)
        await world.silence()

        assert len(world.sent_to("well")) == 1
        assert len(world.sent_to("ill")) == before + 1
        assert len({notify.key for _, notify in world.attempts}) == 1

    world.play(story)


def test_a_target_that_is_missing_in_the_settings_is_notified_when_it_is_back(world: World) -> None:
    """A mistake in the settings loses nothing."""
    if not world.capabilities.lists_outbox:
        pytest.skip("lists no outbox")

    async def story() -> None:
        world.receivers = {"gone": refuse}
        engine = await with_targets(world, "gone", "there")
        await engine.deliver(arrival(EAST))
        await world.until(lambda: bool(world.sent_to("gone")))
        await world.stop()
        await world.start(targets=(target("there"),))
        await world.silence()
        sent = len(world.sent_to("gone"))
        await world.stop()
        world.receivers = {"gone": accept}
        await world.start(targets=(target("gone"), target("there")))
        await world.until(lambda: len(world.sent_to("gone")) == sent + 1)

        assert len(world.sent_to("there")) == 1

    world.play(story)
