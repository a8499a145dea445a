"""The outbox: entries are listed, become dead letters in time, and are sent again."""

from collections.abc import Awaitable, Callable

import pytest

from fanin.aggregator.engine import Engine, OutboxEntry
from fanin.aggregator.errors import MalformedError
from fanin.aggregator.fanin import ArrivalResult, Notification
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.retry_policy import RetryPolicy
from tests.conformance.worlds import EAST, RETENTION_MS, World, accept, arrival, deliver_all, target

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture(autouse=True)
def _outbox(world: World) -> None:
    if not world.capabilities.lists_outbox:
        pytest.skip("lists no outbox")
    world.takes_days()


def refusing(reason: str = "answered 503", **rest: object) -> Callable[[Notification], Awaitable[None]]:
    async def refuse(_: Notification) -> None:
        raise NotDeliveredError(reason, **rest)  # type: ignore[arg-type] # whatever a test wants

    return refuse


def limited(name: str, attempts: int = 3) -> object:
    return target(name, retry_policy=RetryPolicy(attempts_max=attempts))


async def outbox(engine: Engine, *, dead: bool | None = None) -> list[OutboxEntry]:
    return (await engine.outbox(dead=dead, after=None, limit=1_000)).entries


async def complete(world: World, *operations: str, **changes: object) -> Engine:
    engine = await world.start(regions=(EAST,), **changes)
    await deliver_all(engine, *(arrival(EAST, id_) for id_ in operations))
    return engine


def test_pending_notifications_are_listed(world: World) -> None:
    """With the target, the attempts, the last error and the time of the next attempt."""

    async def story() -> None:
        world.receivers = {"ill": refusing()}
        engine = await complete(world, "op-1", targets=(target("ill"), target("well")))
        await world.wait(500)

        (entry,) = await outbox(engine)
        assert entry._replace(due_ms=None) == OutboxEntry(
            "op-1",
            "ill",
            world.attempts[0][1].outcome,
            world.attempts[0][1].key,
            1,
            None,
            "answered 503",
            None,
        )
        assert entry.due_ms is not None
        assert entry.due_ms > world.now_ms()
        assert await outbox(engine, dead=True) == []
        assert (world.metrics.pending, world.metrics.dead) == (1, 0)

    world.play(story)


def test_after_so_many_attempts_it_is_a_dead_letter(world: World) -> None:
    """Kept, listed, and not attempted again, not even by the next process."""

    async def story() -> None:
        world.receiver = refusing()
        engine = await complete(world, "op-1", targets=(limited("ill"),))
        await world.wait(DAY_MS)

        assert len(world.attempts) == 3
        (entry,) = await outbox(engine, dead=True)
        assert (entry.operation_id, entry.attempts, entry.error) == ("op-1", 3, "answered 503")
        assert entry.dead_ms == world.attempts[-1][0]
        assert await outbox(engine, dead=False) == []
        assert (world.metrics.pending, world.metrics.dead) == (0, 1)
        await world.kill()
        engine = await world.start()
        await world.wait(DAY_MS)
        assert len(world.attempts) == 3
        assert await outbox(engine, dead=True) == [entry]
        assert (world.metrics.pending, world.metrics.dead) == (0, 1)

    world.play(story)


def test_after_three_days_it_is_a_dead_letter(world: World) -> None:
    """Without other settings; until then the pauses stay at five minutes."""

    async def story() -> None:
        world.receiver = refusing()
        engine = await complete(world, "op-1")
        await world.wait(3 * DAY_MS - 700_000)
        assert await outbox(engine, dead=True) == []
        await world.wait(1_400_000)

        assert len(await outbox(engine, dead=True)) == 1

    world.play(story)


def test_time_in_which_no_process_ran_does_not_count(world: World) -> None:
    """A service that was down over the weekend still makes attempts on Monday."""

    async def story() -> None:
        world.receiver = refusing()
        await complete(world, "op-1")
        await world.wait(60_000)
        await world.stop()
        await world.wait(4 * DAY_MS)
        engine = await world.start()
        await world.wait(DAY_MS)
        assert await outbox(engine, dead=True) == []
        world.receiver = accept
        await world.wait(400_000)

        assert await outbox(engine) == []

    world.play(story)


def test_a_restart_keeps_the_number_of_attempts(world: World) -> None:
    """Attempts are counted over all processes."""

    async def story() -> None:
        world.receiver = refusing()
        await complete(world, "op-1", targets=(limited("ill", attempts=4),))
        await world.wait(2_500)
        assert len(world.attempts) == 2
        await world.kill()
        engine = await world.start()
        (entry,) = await outbox(engine)
        assert entry.attempts == 2
        await world.wait(DAY_MS)

        assert len(world.attempts) == 4

    world.play(story)


def test_a_final_refusal_makes_a_dead_letter_at_once(world: World) -> None:
    """The receiver will never accept."""

    async def story() -> None:
        world.receiver = refusing("answered 410", final=True)
        engine = await complete(world, "op-1")
        await world.wait(60_000)

        (entry,) = await outbox(engine, dead=True)
        assert (entry.attempts, entry.error) == (1, "answered 410")
        assert len(world.attempts) == 1

    world.play(story)


def test_a_receiver_that_asks_for_a_pause_gets_it(world: World) -> None:
    """What is not sent because of it is not counted as an attempt."""

    async def story() -> None:
        world.receiver = refusing("answered 429", retry_after_ms=30_000)
        engine = await complete(world, "op-1")
        await world.wait(29_000)
        assert len(world.attempts) == 1
        world.receiver = refusing("the receiver asked for a pause", retry_after_ms=60_000, sent=False)
        await world.wait(8_000)
        assert len(world.attempts) == 2
        (entry,) = await outbox(engine)
        assert entry.attempts == 1
        world.receiver = accept
        await world.wait(80_000)

        assert await outbox(engine) == []
        assert world.metrics.attempts == {"failed": 1, "ok": 1}

    world.play(story)


def test_a_first_attempt_that_had_to_wait_is_made_later(world: World) -> None:
    """It was not sent, so it is not counted, and it is not lost."""

    async def story() -> None:
        world.receiver = refusing("the receiver asked for a pause", retry_after_ms=60_000, sent=False)
        engine = await complete(world, "op-1")
        await world.wait(1_000)
        (entry,) = await outbox(engine)
        assert entry.attempts == 0
        world.receiver = accept
        await world.wait(80_000)

        assert await outbox(engine) == []

    world.play(story)


async def with_dead_letters(world: World, *operations: str) -> Engine:
    """Each operation has dead letters of two targets."""
    world.receiver = refusing()
    engine = await complete(world, *operations, targets=(limited("a"), limited("b")))
    await world.wait(60_000)
    assert len(await outbox(engine, dead=True)) == 2 * len(operations)
    world.receiver = accept
    world.attempts.clear()
    world.attempt_targets.clear()
    return engine


def test_dead_letters_can_be_sent_again(world: World) -> None:
    """All of them, under their keys, with attempts counted anew."""

    async def story() -> None:
        engine = await with_dead_letters(world, "op-1", "op-2")
        keys = {entry.key for entry in await outbox(engine)}

        assert await engine.retry(target=None, operation=None) == 4
        await world.wait(1_000)

        assert set(world.keys_sent()) == keys
        assert sorted(world.attempt_targets) == ["a", "a", "b", "b"]
        assert await outbox(engine) == []
        assert (world.metrics.pending, world.metrics.dead) == (0, 0)
        assert await engine.retry(target=None, operation=None) == 0

    world.play(story)


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        ({"target": "a", "operation": None}, [("a", "op-1"), ("a", "op-2")]),
        ({"target": None, "operation": "op-2"}, [("a", "op-2"), ("b", "op-2")]),
        ({"target": "b", "operation": "op-1"}, [("b", "op-1")]),
        ({"target": "unknown", "operation": None}, []),
        ({"target": None, "operation": "nothing"}, []),
    ],
)
def test_dead_letters_are_sent_again_by_target_and_operation(
    world: World, chosen: dict[str, str | None], sent: list[tuple[str, str]]
) -> None:
    """Or both."""

    async def story() -> None:
        engine = await with_dead_letters(world, "op-1", "op-2")

        assert await engine.retry(target=chosen["target"], operation=chosen["operation"]) == len(sent)
        await world.wait(1_000)

        attempts = zip(
            world.attempt_targets, (notify.operation_id for _, notify in world.attempts), strict=True
        )
        assert sorted(attempts) == sent
        assert len(await outbox(engine, dead=True)) == 4 - len(sent)

    world.play(story)


def test_thousands_can_be_sent_again(world: World) -> None:
    """In steps, so that other requests do not wait."""

    async def story() -> None:
        operations = [f"op-{n}" for n in range(1_200)]
        world.receiver = refusing("answered 410", final=True)
        engine = await complete(world, *operations)
        await world.wait(60_000)
        world.receiver = accept
        world.attempts.clear()

        assert await engine.retry(target=None, operation=None) == 1_200
        await world.wait(60_000)

        assert sorted(id_ for id_, _ in world.outcomes_sent()) == sorted(operations)

    world.play(story)


def test_what_is_sent_again_can_become_a_dead_letter_again(world: World) -> None:
    """After as many attempts as the first time."""

    async def story() -> None:
        engine = await with_dead_letters(world, "op-1")
        world.receiver = refusing("answered 500")
        await engine.retry(target="a", operation=None)
        await world.wait(60_000)

        assert len(world.attempts) == 3
        dead = await outbox(engine, dead=True)
        assert [(it.target, it.attempts, it.error) for it in dead] == [
            ("b", 3, "answered 503"),
            ("a", 3, "answered 500"),
        ]

    world.play(story)


def test_the_list_comes_in_pages(world: World) -> None:
    """Each entry once, dead letters after what is pending, whatever the pages' size."""

    async def story() -> None:
        engine = await with_dead_letters(world, "op-1", "op-2")
        world.receiver = refusing()
        await engine.retry(target="b", operation=None)
        await world.wait(500)

        whole = await outbox(engine)
        paged, after = [], None
        while True:
            page = await engine.outbox(dead=None, after=after, limit=1)
            paged += page.entries
            after = page.next
            if after is None:
                break
        assert [(it.target, it.dead_ms is None) for it in whole] == [
            ("b", True), ("b", True), ("a", False), ("a", False),
        ]  # fmt: skip
        assert paged == whole
        with pytest.raises(MalformedError):
            await engine.outbox(dead=None, after="nonsense", limit=1)

    world.play(story)


def test_an_operation_is_kept_until_its_notification_is_accepted(world: World) -> None:
    """Or a dead letter: no second operation starts while the first one's notification is pending."""

    async def story() -> None:
        world.receivers = {"ill": refusing()}
        both = (target("ill"), target("well"))
        engine = await complete(world, "pending", targets=both, retention_ms=HOUR_MS)
        await world.wait(2 * HOUR_MS)
        late = await engine.deliver(arrival(EAST, "pending"))
        assert late is not None
        assert late.result is ArrivalResult.DUPLICATE
        world.receivers = {}
        await world.wait(600_000)

        assert await engine.inspect("pending") is None
        assert len(world.sent_to("well")) == 1

    world.play(story)


def test_a_dead_letter_does_not_keep_its_operation(world: World) -> None:
    """The operation is deleted after its retention; the entry has everything that is to be sent."""

    async def story() -> None:
        engine = await with_dead_letters(world, "op-1")
        await world.wait(RETENTION_MS + DAY_MS)
        assert await engine.inspect("op-1") is None

        assert await engine.retry(target=None, operation="op-1") == 2
        await world.wait(1_000)

        assert [notify.subject.repository for _, notify in world.attempts] == ["team/app", "team/app"]

    world.play(story)
