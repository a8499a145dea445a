"""What an engine promises about notifications: one key, sent until accepted, none delayed by another."""

import asyncio
from itertools import pairwise

import pytest

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.port import NotDeliveredError
from tests.conformance.worlds import EAST, NORTH, WEST, World, accept, arrival, arrival_results, deliver_all


async def complete(world: World, *operations: str) -> None:
    engine = await world.start(regions=(EAST,))
    arrival_results(await deliver_all(engine, *(arrival(EAST, id_) for id_ in operations)))


def test_a_refused_notification_is_sent_again_under_its_key(world: World) -> None:
    """Until it is accepted, with growing pauses; the first retry comes after about a second."""

    async def refuse(_: Notification) -> None:
        raise NotDeliveredError("answered 503")

    async def story() -> None:
        world.receiver = refuse
        await complete(world, "op-1")
        await world.until(lambda: len(world.attempts) >= 4)
        if world.virtual:
            await world.wait(600_000)

        times = [sent_ms for sent_ms, _ in world.attempts]
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses[0] in range(500, 2_000)
        assert pauses[:6] == sorted(pauses[:6])
        assert max(pauses) <= 1.25 * 300_000
        assert len(set(world.keys_sent())) == 1

    world.play(story)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_accepted_notification_is_not_sent_again(world: World, end: str) -> None:
    """Neither later nor after a restart."""

    async def story() -> None:
        await complete(world, "op-1")
        await world.until(lambda: bool(world.attempts))
        await world.silence()
        await world.end(end)
        await world.start()
        await world.silence()

        assert world.outcomes_sent() == [("op-1", "completed")]

    world.play(story)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_pending_notification_survives_a_restart(world: World, end: str) -> None:
    """The same decision under the same key, with the same content."""

    async def refuse(_: Notification) -> None:
        raise NotDeliveredError("no connection")

    async def story() -> None:
        world.receiver = refuse
        await complete(world, "op-1")
        await world.until(lambda: bool(world.attempts))
        await world.end(end)
        refused = len(world.attempts)
        world.receiver = accept
        await world.start()
        await world.until(lambda: len(world.attempts) > refused)
        await world.silence()

        first, *_, last = (notify for _, notify in world.attempts)
        assert first == last
        assert len(world.attempts) == refused + 1

    world.play(story)


def test_after_a_kill_before_the_first_attempt_it_is_sent_by_the_next_process(world: World) -> None:
    """The outcome and its outbox entries are one commit."""

    async def story() -> None:
        engine = await world.start(regions=(EAST,))
        await engine.deliver(arrival(EAST))
        world.attempts.clear()
        await world.kill()
        reborn = await world.start()
        await reborn.deliver(arrival(EAST))
        state = await world.state(when=lambda it: it.duplicates == 1)
        await world.until(lambda: bool(world.attempts))

        assert list(state.arrived) == [EAST]
        assert world.outcomes_sent()[-1:] == [("op-1", "completed")]
        assert len(set(world.keys_sent())) == 1

    world.play(story)


def test_a_hanging_notification_delays_no_other(world: World) -> None:
    """After two hundred that hang, one that would be accepted is sent within seconds."""

    async def hang(notify: Notification) -> None:
        if notify.operation_id.startswith("hung"):
            await asyncio.get_running_loop().create_future()

    async def story() -> None:
        world.receiver = hang
        await complete(world, *(f"hung-{n}" for n in range(200)), "healthy")
        decided_ms = world.now_ms()
        await world.until(lambda: len({notify.operation_id for _, notify in world.attempts}) == 201)

        first_ms: dict[str, int] = {}
        for sent_ms, notify in world.attempts:
            first_ms.setdefault(notify.operation_id, sent_ms)
        assert max(first_ms.values()) - decided_ms <= 5_000 + world.slack_ms
        assert [id_ for id_, _ in world.outcomes_sent()].count("healthy") == 1

    world.play(story)


def test_seventy_two_hanging_notifications_leave_room_for_another(world: World) -> None:
    """So many the pack has: the next one is sent while all of them hang, and none had to be ended for it."""
    ended: list[str] = []

    async def hang(notify: Notification) -> None:
        if notify.operation_id == "healthy":
            return
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(notify.operation_id)

    async def story() -> None:
        world.receiver = hang
        engine = await world.start(regions=(EAST,))
        await deliver_all(engine, *(arrival(EAST, f"hung-{n}") for n in range(72)))
        await world.until(lambda: len(world.attempts) == 72)
        await deliver_all(engine, arrival(EAST, "healthy"))
        await world.until(lambda: len(world.attempts) > 72)

        assert [notify.operation_id for _, notify in world.attempts[72:]] == ["healthy"]
        assert ended == []

    world.play(story)


def test_a_hanging_target_delays_neither_arrivals_nor_deadlines(world: World) -> None:
    """A sink that never responds changes no outcome and delays no webhook."""

    async def hang(_: Notification) -> None:
        await asyncio.get_running_loop().create_future()

    async def story() -> None:
        world.receiver = hang
        await complete(world, *(f"hung-{n}" for n in range(100)))
        await world.stop()
        engine = await world.start(regions=(EAST, WEST))
        before_ms = world.now_ms()
        await deliver_all(engine, arrival(EAST, "done"), arrival(WEST, "done"), arrival(EAST, "half"))
        assert world.now_ms() - before_ms < world.slack_ms
        done = await world.state("done", when=lambda it: it.decided_ms is not None)
        half = await world.state("half", when=lambda it: it.decided_ms is not None)

        assert (done.phase.value, half.phase.value) == ("completed", "timed_out")
        assert half.decided_ms is not None
        assert half.decided_ms - half.deadline_ms < world.slack_ms

    world.play(story)


def test_a_notification_that_is_always_refused_affects_no_other(world: World) -> None:
    """It is retried alone."""

    async def poison(notify: Notification) -> None:
        if notify.operation_id == "poisoned":
            raise NotDeliveredError("answered 400")

    async def story() -> None:
        world.receiver = poison
        await complete(world, "poisoned", *(f"op-{n}" for n in range(30)))
        await world.until(lambda: world.outcomes_sent().count(("poisoned", "completed")) >= 3)

        sent = [id_ for id_, _ in world.outcomes_sent()]
        assert sorted(id_ for id_ in sent if id_ != "poisoned") == sorted(f"op-{n}" for n in range(30))

    world.play(story)


def test_an_exception_in_one_attempt_does_not_stop_the_others(world: World) -> None:
    """The attempt has failed, and is retried."""

    async def crash(notify: Notification) -> None:
        if notify.operation_id == "crash":
            raise ZeroDivisionError

    async def story() -> None:
        world.receiver = crash
        await complete(world, "crash", "op-1")
        await world.until(lambda: world.outcomes_sent().count(("crash", "completed")) > 1)

        assert world.outcomes_sent().count(("op-1", "completed")) == 1

    world.play(story)


def test_a_late_region_does_not_change_a_pending_notification(world: World) -> None:
    """It has the decision as it was made, however long the target was down."""

    async def refuse(_: Notification) -> None:
        raise NotDeliveredError("answered 503")

    async def story() -> None:
        world.receiver = refuse
        engine = await world.start()
        await engine.deliver(arrival(EAST))
        await world.until(lambda: bool(world.attempts))
        await deliver_all(engine, arrival(NORTH), arrival(WEST))
        await world.state(when=lambda it: len(it.late) == 2)
        world.receiver = accept
        await world.until(lambda: len(world.attempts) > 1)
        await world.silence()

        assert {(notify.arrived, notify.missing) for _, notify in world.attempts} == {
            ((EAST,), (NORTH, WEST))
        }

    world.play(story)
