"""The outbox as a table: what is selected among a million others is found by an index."""

import sqlite3
from pathlib import Path

import pytest

from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.port import NotDeliveredError
from tests.aggregator.notify.receiver import NOTIFICATION
from tests.conformance.worlds import EAST, World, accept, arrival, deliver_all, target


@pytest.mark.parametrize(
    "chosen", ["target = 'a'", "operation = 'op-1'", "target = 'a' AND operation = 'op-1'"]
)
def test_dead_letters_are_found_by_an_index(tmp_path: Path, chosen: str) -> None:
    """A retry of one must not read a million others, while webhooks wait."""
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as db:
        query = f"SELECT n FROM dead_letter WHERE {chosen} AND n <= 9 ORDER BY n LIMIT 5"  # noqa: S608
        (plan, *_) = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}")]
    db.close()

    assert plan.startswith("SEARCH dead_letter USING")
    assert "INDEX dead_letter_" in plan


@pytest.mark.parametrize(
    "numbers", [(), (3,), (1, 2, 3), (3, 1, 2), (1, 3, 5, 6), (6, 5, 2), (2, 2, 3), (7, 8), (1, 9)]
)
def test_what_was_delivered_is_deleted_and_nothing_between(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    """Others are attempted still, whose numbers may lie between those that were accepted."""
    store = Store(tmp_path)
    found = store.outbox.enqueue([(NOTIFICATION, ["a"])] * 6)
    assert [row.n for row in found["a"]] == [1, 2, 3, 4, 5, 6]

    deleted = store.outbox.delete_delivered(numbers)

    left = [row.n for row in store.outbox.unattempted(target="a", after=0, limit=10)]
    assert left == [n for n in range(1, 7) if n not in numbers]
    assert deleted == 6 - len(left)
    store.close()


def test_what_is_discarded_is_not_sent(world: World) -> None:
    """Pending ones and dead letters, of one operation or of one target; the figures follow."""

    async def refuse(_: Notification) -> None:
        raise NotDeliveredError("answered 503")

    async def story() -> None:
        world.receivers = {"a": refuse, "b": refuse}
        engine = await world.start(regions=(EAST,), targets=(target("a"), target("b")))
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(700)))
        await world.wait(5_000)
        assert isinstance(engine, SqliteEngine)

        assert await engine.discard(target=None, operation="op-7") == 2
        assert await engine.discard(target="b", operation=None) == 699
        assert await engine.discard(target="b", operation=None) == 0
        assert (world.metrics.pending, world.metrics.dead) == (699, 0)
        world.receivers, world.receiver = {}, accept
        world.attempts.clear()
        world.attempt_targets.clear()
        await world.wait(1_000_000)

        assert set(world.attempt_targets) == {"a"}
        assert ("op-7", "completed") not in world.outcomes_sent()
        assert (world.metrics.pending, world.metrics.dead) == (0, 0)

    world.play(story)


def test_an_operation_that_is_paused_waits_over_restarts(world: World) -> None:
    """Whether it was attempted or not; an attempt that runs meanwhile does not resume it."""

    async def refuse_slowly(_: Notification) -> None:
        await world.wait(500)
        raise NotDeliveredError("answered 503")

    async def story() -> None:
        world.receiver = refuse_slowly
        engine = await world.start(regions=(EAST,))
        assert isinstance(engine, SqliteEngine)
        await deliver_all(engine, arrival(EAST, "op-1"), arrival(EAST, "op-2"))
        assert await engine.pause(target=None, operation="op-1", paused=True) == 1
        assert await engine.pause(target=None, operation="op-1", paused=True) == 0
        await world.wait(3_600_000)
        await world.kill()
        world.receiver = accept
        world.attempts.clear()
        engine = await world.start()
        assert isinstance(engine, SqliteEngine)
        await world.wait(3_600_000)

        assert world.outcomes_sent() == [("op-2", "completed")]
        (entry,) = (await engine.outbox(dead=None, after=None, limit=10)).entries
        assert (entry.operation_id, entry.paused, entry.due_ms) == ("op-1", True, None)
        assert await engine.pause(target=None, operation="op-1", paused=False) == 1
        await world.wait(1_000)
        assert world.outcomes_sent() == [("op-2", "completed"), ("op-1", "completed")]

    world.play(story)
