"""The outbox, as far as it can be tested within seconds, and so in real time, too."""

from functools import partial

import pytest

from fanin.aggregator.engine import Engine, OutboxEntry
from fanin.aggregator.errors import MalformedError
from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.port import NotDeliveredError
from tests.conformance.worlds import EAST, World, accept, arrival, deliver_all

DEAD, PENDING, ACCEPTED = "dead", "pending", "accepted"


@pytest.fixture(autouse=True)
def _outbox(world: World) -> None:
    if not world.capabilities.lists_outbox:
        pytest.skip("lists no outbox")


async def by_name(notify: Notification) -> None:
    """Refuses finally, refuses for now, or accepts, by the operation's name."""
    if notify.operation_id != ACCEPTED:
        raise NotDeliveredError("answered 410", final=notify.operation_id.startswith(DEAD))


async def outbox(engine: Engine, *, dead: bool | None = None, limit: int = 1) -> list[OutboxEntry]:
    found, after = list[OutboxEntry](), None
    while True:
        page = await engine.outbox(dead=dead, after=after, limit=limit)
        found += page.entries
        after = page.next
        if after is None:
            return found


async def listed(world: World, engine: Engine, *expected: str, dead: bool | None = None) -> list[OutboxEntry]:
    """The outbox, when its entries are of these operations."""
    deadline_ms = world.now_ms() + 60_000
    while True:
        found = await outbox(engine, dead=dead)
        if sorted(it.operation_id for it in found) == sorted(expected) and all(it.error for it in found):
            return found
        assert world.now_ms() < deadline_ms, found
        await world.wait(10)


async def refused(world: World) -> Engine:
    """An engine with one dead letter and one pending notification; a third one was accepted."""
    world.receiver = by_name
    engine = await world.start(regions=(EAST,))
    await deliver_all(engine, *(arrival(EAST, id_) for id_ in (DEAD, PENDING, ACCEPTED)))
    await listed(world, engine, PENDING, DEAD)
    return engine


def test_refused_notifications_are_listed(world: World) -> None:
    """The pending one with the time of its next attempt, the dead letter with the time of its last."""

    async def story() -> None:
        engine = await refused(world)

        (pending,) = await listed(world, engine, PENDING, dead=False)
        (dead,) = await listed(world, engine, DEAD, dead=True)

        assert (pending.dead_ms, pending.error, pending.due_ms is None) == (None, "answered 410", False)
        assert (dead.due_ms, dead.error, dead.attempts) == (None, "answered 410", 1)
        assert dead.dead_ms is not None
        assert dead.key in world.keys_sent()
        with pytest.raises(MalformedError):
            await engine.outbox(dead=None, after="nonsense", limit=1)

    world.play(story)


def test_dead_letters_are_listed_after_all_that_is_pending(world: World) -> None:
    """Over all pages, whatever their size, and each entry once."""

    async def story() -> None:
        world.receiver = by_name
        engine = await world.start(regions=(EAST,))
        operations = [f"{name}-{n}" for n in range(4) for name in (DEAD, PENDING)]
        for id_ in operations:
            await engine.deliver(arrival(EAST, id_))
        await listed(world, engine, *operations)

        for limit in (1, 2, 3, 1_000):
            found = await outbox(engine, limit=limit)
            assert [it.dead_ms is None for it in found] == [True] * 4 + [False] * 4
            assert sorted(it.operation_id for it in found) == sorted(operations)

    world.play(story)


def test_a_dead_letter_is_sent_again_under_its_key(world: World) -> None:
    """Only the chosen one; when it is accepted, it is no longer listed."""

    async def story() -> None:
        engine = await refused(world)
        (dead,) = await outbox(engine, dead=True)
        assert await engine.retry(target="another", operation=None) == 0
        assert await engine.retry(target=None, operation=PENDING) == 0
        world.receiver = accept

        assert await engine.retry(target=None, operation=DEAD) == 1
        await listed(world, engine)

        sent = [notify.key for _, notify in world.attempts if notify.operation_id == DEAD]
        assert sent == [dead.key] * 2
        assert [it for it, _ in world.outcomes_sent()].count(ACCEPTED) == 1
        assert await engine.retry(target=None, operation=None) == 0

    world.play(story)


def test_a_notification_can_become_a_dead_letter_more_than_once(world: World) -> None:
    """Attempts are counted anew each time."""

    async def story() -> None:
        engine = await refused(world)
        for times in (2, 3):
            assert await engine.retry(target=None, operation=None) == 1
            await world.until(partial(_was_sent, world, DEAD, times))
            (dead,) = await listed(world, engine, DEAD, dead=True)

            assert dead.attempts == 1

    world.play(story)


def _was_sent(world: World, operation_id: str, times: int) -> bool:
    return sum(id_ == operation_id for id_, _ in world.outcomes_sent()) == times
