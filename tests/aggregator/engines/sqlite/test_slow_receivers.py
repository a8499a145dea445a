"""Receivers that are slow, and notifications that hang: who waits for whom."""

import asyncio
from collections import Counter, defaultdict

import pytest

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.port import NotDeliveredError
from tests.conformance.worlds import EAST, World, accept, arrival, deliver_all, target

# What a target's own `timeout` is by default; the world's targets have none.
TIMEOUT_S = 30


async def hang(_: Notification) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.get_running_loop().create_future()
    except TimeoutError as exc:
        raise NotDeliveredError("timed out after 30s while waiting for the response") from exc


@pytest.mark.parametrize("seconds", [0.9, 1.5, 1.9])
def test_a_receiver_that_is_slow_and_healthy_is_told_once(world: World, seconds: float) -> None:
    """Six hundred at once, many more than have a slot: the others wait until it has responded."""

    async def slow(_: Notification) -> None:
        await asyncio.sleep(seconds)

    async def story() -> None:
        world.receiver = slow
        engine = await world.start(regions=(EAST,))
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(600)))
        await world.until(lambda: len({it.key for _, it in world.attempts}) == 600)
        await world.wait(60_000)

        assert len(world.attempts) == 600

    world.play(story)


def test_a_receiver_that_becomes_slow_is_given_the_time_that_it_needs(world: World) -> None:
    """The oldest attempts are not cut short, and show how slow it is; few of the first are repeated."""
    began: list[None] = []

    async def slower(_: Notification) -> None:
        began.append(None)
        await asyncio.sleep(0.01 if len(began) <= 100 else 5)

    async def story() -> None:
        world.receiver = slower
        engine = await world.start(regions=(EAST,))
        await deliver_all(engine, *(arrival(EAST, f"early-{n}") for n in range(100)))
        await world.wait(10_000)
        await deliver_all(engine, *(arrival(EAST, f"late-{n}") for n in range(600)))
        await world.wait(400_000)

        told = Counter(it.key for _, it in world.attempts)
        assert len(told) == 700
        assert sum(count > 1 for count in told.values()) < 400
        assert max(told.values()) <= 3
        assert world.metrics.breakers == {"default": "closed"}

    world.play(story)


def test_notifications_that_hang_do_not_delay_the_repeats_of_others(world: World) -> None:
    """Ten hang every second for two minutes; each of the others is refused once, and accepted soon after."""
    first_ms: dict[str, int] = {}
    told_ms: dict[str, int] = {}

    async def receive(notification: Notification) -> None:
        operation = notification.operation_id
        if operation.startswith("hangs"):
            await hang(notification)
        if operation not in first_ms:
            first_ms[operation] = world.now_ms()
            raise NotDeliveredError("answered 503")
        told_ms[operation] = world.now_ms()

    async def story() -> None:
        world.receiver = receive
        engine = await world.start(regions=(EAST,))
        for second in range(120):
            hanging = [arrival(EAST, f"hangs-{second}-{n}") for n in range(10)]
            await deliver_all(engine, *hanging, *(arrival(EAST, f"op-{second}-{n}") for n in range(3)))
            await world.wait(1_000)
        await world.wait(10_000)

        assert len(told_ms) == len(first_ms) == 360
        delays_ms = sorted(told_ms[it] - first_ms[it] for it in told_ms)
        assert delays_ms[-1] < 3_000
        assert world.metrics.breakers == {"default": "closed"}

    world.play(story)


def test_what_hangs_is_tried_again_all_the_same(world: World) -> None:
    """It is put off, not given up: each of a hundred gets its turn when they work again."""
    works = asyncio.Event()

    async def receive(notification: Notification) -> None:
        if not works.is_set():
            await hang(notification)

    async def story() -> None:
        world.receivers = {"ill": receive}
        engine = await world.start(regions=(EAST,), targets=(target("ill"),))
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(100)))
        await world.wait(600_000)
        works.set()
        await world.wait(900_000)

        assert (await engine.outbox(dead=None, after=None, limit=1_000)).entries == []

    world.play(story)


def test_when_a_target_works_again_what_hung_is_sent_at_once(world: World) -> None:
    """After a restart all are due; the slots for slow ones are free again in no time."""

    async def story() -> None:
        world.receiver = hang
        engine = await world.start(regions=(EAST,))
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(400)))
        await world.wait(40_000)
        await world.stop()
        await world.wait(600_000)
        world.receiver = accept
        engine = await world.start()
        await world.wait(5_000)

        assert (await engine.outbox(dead=None, after=None, limit=1_000)).entries == []

    world.play(story)


def test_a_target_that_hangs_is_known_to_be_down_in_seconds(world: World) -> None:
    """Without one response the first that are cut short count; other targets are told at once."""

    async def story() -> None:
        world.receivers = {"ill": hang}
        engine = await world.start(regions=(EAST,), targets=(target("ill"), target("well")))
        began_ms = world.now_ms()
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(3_000)))
        await world.until(lambda: world.metrics.breakers["ill"] == "open")

        assert world.now_ms() - began_ms <= 13_000
        told = defaultdict(list)
        for (at_ms, _), name in zip(world.attempts, world.attempt_targets, strict=True):
            told[name].append(at_ms)
        assert len(told["well"]) == 3_000
        assert max(told["well"]) - began_ms < 1_000
        assert len(told["ill"]) < 1_000

    world.play(story)


def test_a_few_that_time_out_at_a_low_rate_open_the_breaker_too(world: World) -> None:
    """One a second: ten full timeouts instead of fifty."""

    async def story() -> None:
        world.receiver = hang
        engine = await world.start(regions=(EAST,))
        for n in range(60):
            await engine.deliver(arrival(EAST, f"op-{n}"))
            await world.wait(1_000)

        assert world.metrics.breakers["default"] in ("open", "half-open")
        assert len(world.attempts) < 50

    world.play(story)


def test_after_a_restart_with_the_clock_set_back_repetitions_come_within_minutes(world: World) -> None:
    """What was to be repeated at a time that is an hour away now is repeated after six minutes at most."""

    async def refuse(_: Notification) -> None:
        raise NotDeliveredError("answered 503", retry_after_ms=3_600_000)

    async def story() -> None:
        world.receiver = refuse
        engine = await world.start(regions=(EAST,))
        await engine.deliver(arrival(EAST, "op-1"))
        await world.until(lambda: len(world.attempts) == 1)
        await world.wait(1_000)
        await world.stop()
        await world.start()
        before_ms = world.now_ms()
        await world.until(lambda: len(world.attempts) == 2)

        assert world.now_ms() - before_ms <= 361_000

    world.play(story)
