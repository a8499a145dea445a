"""What an engine promises where an image may be pushed again: an outcome for each push, under its own key."""

import asyncio

import pytest

from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.wire import Arrival
from tests.conformance.worlds import EAST, IMAGE, NORTH, WEST, World, deliver_all, target

ALL = (EAST, NORTH, WEST)


def push(region: str, event_id: str) -> Arrival:
    """A webhook of a push, where the image is what correlates."""
    return Arrival("op-1", region, IMAGE, event_id)


def outcomes(world: World) -> list[str]:
    return [notify.outcome.value for _, notify in world.attempts]


async def pushed(world: World, event_id: str, *regions: str, count: int) -> None:
    """Every region reports a push, and its outcome has been sent."""
    assert world._engine is not None
    await deliver_all(world._engine, *(push(region, event_id) for region in regions))
    await world.until(lambda: len(world.attempts) >= count)


def test_the_same_image_pushed_again_is_notified_again(world: World) -> None:
    """Under another key, with a deadline of its own, and as often as it is pushed."""

    async def story() -> None:
        await world.start()
        for n in (1, 2, 3):
            await pushed(world, f"push-{n}", *ALL, count=n)
        state = await world.state(when=lambda it: it.generation == 3)

        assert outcomes(world) == ["completed"] * 3
        assert len(set(world.keys_sent())) == 3
        assert (state.phase, sorted(state.arrived)) == (Phase.COMPLETED, list(ALL))

    world.play(story)


def test_what_comes_twice_or_late_begins_nothing(world: World) -> None:
    """A duplicate of either push, and the region that was missing."""

    async def story() -> None:
        engine = await world.start()
        await pushed(world, "push-1", *ALL, count=1)
        await deliver_all(engine, push(EAST, "push-2"), push(WEST, "push-2"))
        await world.until(lambda: len(world.attempts) == 2)
        await deliver_all(
            engine, push(NORTH, "push-2"), push(EAST, "push-2"), push(EAST, "push-1"), push(WEST, "push-1")
        )
        state = await world.state(when=lambda it: NORTH in it.late and it.duplicates == 3)
        await world.silence()

        assert outcomes(world) == ["completed", "timed_out"]
        assert (state.generation, state.missing) == (2, (NORTH,))

    world.play(story)


def test_a_deadline_of_a_later_push_is_its_own(world: World) -> None:
    """One timeout after its first arrival, over a restart."""

    async def story() -> None:
        engine = await world.start()
        await pushed(world, "push-1", *ALL, count=1)
        await world.wait(20)
        await engine.deliver(push(NORTH, "push-2"))
        waiting = await world.state(when=lambda it: it.generation == 2)
        await world.stop()
        await world.start()
        await world.until(lambda: len(world.attempts) == 2)

        (_, first), (sent_ms, second) = world.attempts
        assert second.outcome is Phase.TIMED_OUT
        assert (second.arrived, second.missing) == ((NORTH,), (EAST, WEST))
        assert second.deadline_ms == waiting.deadline_ms > first.deadline_ms
        assert sent_ms - second.deadline_ms in range(1_000 + world.slack_ms)

    world.play(story)


def test_a_push_that_overtakes_is_counted_with_what_came_of_it_before(world: World) -> None:
    """Two pushes within seconds, whose webhooks mix: both complete."""

    async def story() -> None:
        engine = await world.start()
        for region, event_id in (
            (NORTH, "1"), (NORTH, "2"), (WEST, "1"), (EAST, "1"), (WEST, "2"), (EAST, "2"),
        ):  # fmt: skip
            await engine.deliver(push(region, event_id))
            await world.wait(20)
        await world.until(lambda: len(world.attempts) == 2)
        await world.silence()

        assert outcomes(world) == ["completed", "completed"]

    world.play(story)


def test_an_outcome_that_is_not_accepted_is_sent_beside_that_of_the_next_push(world: World) -> None:
    """Each under its own key, until it is accepted."""

    async def story() -> None:
        accepting = asyncio.Event()

        async def refuse_the_first(notification: Notification) -> None:
            if notification.key == world.keys_sent()[0] and not accepting.is_set():
                raise NotDeliveredError("answered 500")

        world.receiver = refuse_the_first
        await world.start()
        await pushed(world, "push-1", *ALL, count=1)
        await pushed(world, "push-2", *ALL, count=2)
        await world.until(lambda: len(set(world.keys_sent())) == 2)
        accepting.set()
        first = world.keys_sent()[0]
        before = world.keys_sent().count(first)
        await world.until(lambda: world.keys_sent().count(first) > before)
        await world.silence()

        assert len(set(world.keys_sent())) == 2

    world.play(story)


def test_a_push_after_a_change_of_regions_waits_for_those_of_today(world: World) -> None:
    """An operation keeps its regions, and each push is one."""

    async def story() -> None:
        await world.start(regions=(EAST, WEST), targets=(target(),))
        await pushed(world, "push-1", EAST, WEST, count=1)
        await world.stop()
        await world.start(regions=ALL)
        await pushed(world, "push-2", EAST, WEST, NORTH, count=2)

        assert outcomes(world) == ["completed", "completed"]
        assert world.attempts[1][1].arrived == ALL

    world.play(story)


@pytest.mark.parametrize("event_id", ["push-1", "push-2"])
def test_one_region_alone_completes_each_push_at_once(world: World, event_id: str) -> None:
    """At the very instant of the one before, if need be: the keys differ all the same."""

    async def story() -> None:
        engine = await world.start(regions=(EAST,))
        # Of two that are handed over at once, some engines process the later one first.
        await engine.deliver(push(EAST, "push-1"))
        await engine.deliver(push(EAST, event_id))
        await world.until(lambda: len(world.attempts) >= (1 if event_id == "push-1" else 2))
        await world.silence()

        assert len(set(world.keys_sent())) == len(world.attempts) == (1 if event_id == "push-1" else 2)

    world.play(story)


def test_without_the_payloads_id_an_operation_has_one_outcome(world: World) -> None:
    """Where the id is what correlates, there is nothing to tell pushes by."""

    async def story() -> None:
        engine = await world.start()
        await deliver_all(engine, *(Arrival("op-1", region, IMAGE) for region in ALL))
        await world.until(lambda: bool(world.attempts))
        await deliver_all(engine, *(Arrival("op-1", region, IMAGE) for region in ALL))
        await world.silence()

        assert outcomes(world) == ["completed"]

    world.play(story)
