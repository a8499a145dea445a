"""One row that cannot be read: it is set aside, counted, logged once and shown; everything else goes on."""

import logging
import sqlite3
from collections.abc import Callable

import pytest

from fanin.aggregator.cli.check import checked
from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.errors import StoreUnreadableError
from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.settings import Settings
from tests.aggregator.engines.sqlite.stores import started
from tests.conformance.worlds import EAST, NORTH, RETENTION_MS, TIMEOUT_MS, World, arrival, deliver_all

# What damage, a foreign hand or a defect can make of a row of `operation`.
DAMAGES = {
    "no JSON": "state = '{'",
    "other JSON": "state = '[1, 2]'",
    "no UTF-8": "state = CAST(x'7bff7d' AS TEXT)",
    "another id": "state = json_set(state, '$.operation_id', 'other')",
    "an id that is no UTF-8": "id = CAST(x'ff' AS TEXT)",
    "another deadline": "deadline_ms = deadline_ms - 1",
    "already decided": "state = json_set(state, '$.phase', 'completed')",
    "no date": "state = json_set(state, '$.started_ms', 999999999999999)",
    "deeply nested": "state = replace(hex(zeroblob(5000)), '00', '[[')",
}


async def refuse(_: Notification) -> None:
    raise NotDeliveredError("answered 503")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_others_are_stored_decided_and_listed(
    world: World, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The damaged operation's own webhooks are answered 503; it is counted and logged once."""

    async def story() -> None:
        engine, db = await started(world)
        await deliver_all(engine, *(arrival(EAST, name) for name in ("a", "damaged", "z")))
        db.execute(f"UPDATE operation SET {damage} WHERE id = 'damaged'")  # noqa: S608 - the table above
        results = await deliver_all(engine, *(arrival(NORTH, name) for name in ("a", "damaged", "z")))
        assert isinstance(results[1], StoreUnreadableError) or damage.startswith("id")
        page = await engine.instances(phase=None, after=None, limit=2)
        assert page.next
        rest = await engine.instances(phase=None, after=page.next, limit=9)
        assert {"a", "z"} <= {it.operation_id for it in (*page.states, *rest.states)}
        if not damage.startswith("id"):
            with pytest.raises(StoreUnreadableError, match="operation 'damaged' cannot be read"):
                await engine.inspect("damaged")
        await world.wait(2 * TIMEOUT_MS)
        await engine.deliver(arrival(EAST, "later"))

        assert {"a", "z"} <= {name for name, _ in world.outcomes_sent()}
        assert world.metrics.waiting == 1
        assert world.metrics.unreadable_rows == {"operation": 1}

    with caplog.at_level(logging.ERROR, "fanin"):
        world.play(story)
    assert [it.getMessage().split()[0] for it in caplog.records] == ["row-unreadable"]


def test_more_damaged_rows_than_a_transaction_decides_stop_no_deadline(world: World) -> None:
    """They have the earliest deadlines, and would be all that the timer ever reads."""

    async def story() -> None:
        engine, db = await started(world)
        await deliver_all(engine, *(arrival(EAST, f"damaged-{n}") for n in range(1_200)))
        db.execute("UPDATE operation SET state = '{'")
        await engine.deliver(arrival(EAST, "sound"))
        await world.wait(TIMEOUT_MS + 5_000)

        assert world.outcomes_sent() == [("sound", "timed_out")]
        assert world.metrics.waiting == 0

    world.play(story)


def test_what_was_set_aside_is_known_after_a_restart_and_kept_for_the_retention(world: World) -> None:
    """Then it is deleted, like every operation."""

    async def story() -> None:
        engine, db = await started(world)
        await engine.deliver(arrival(EAST, "damaged"))
        db.execute("UPDATE operation SET state = '{'")
        await world.wait(TIMEOUT_MS + 5_000)
        await world.stop()
        engine, db = await started(world)
        assert world.metrics.unreadable_rows == {"operation": 1}
        with pytest.raises(StoreUnreadableError):
            await engine.deliver(arrival(NORTH, "damaged"))
        await world.wait(RETENTION_MS + 7_200_000)

        assert db.execute("SELECT count(*) FROM operation").fetchone() == (0,)

    world.play(story)


@pytest.mark.parametrize("retried", [False, True], ids=["never attempted", "failed before"])
@pytest.mark.parametrize(
    "damage", ["notify = '{'", "notify = CAST(x'ff' AS TEXT)", "operation = 'other'", "notify = '{}'"]
)
def test_a_damaged_notification_silences_no_other_one(world: World, damage: str, *, retried: bool) -> None:
    """However many there are in front of it; they are dead letters then."""

    async def story() -> None:
        world.receiver = refuse
        engine, _ = await started(world)
        await deliver_all(engine, *(arrival(EAST, f"op-{n:03}") for n in range(151)))
        await world.wait(TIMEOUT_MS + 1_000)
        await world.stop()
        with sqlite3.connect(world.settings.data_dir / FILE) as file:
            file.execute("UPDATE outbox SET due_ms = NULL, attempts = 0" if not retried else "SELECT 1")
            file.execute(f"UPDATE outbox SET {damage} WHERE n < (SELECT max(n) FROM outbox)")  # noqa: S608
        file.close()
        world.attempts.clear()
        world.receivers.clear()
        world.receiver = accept
        engine, _ = await started(world)
        await world.wait(3_600_000)

        assert len(world.outcomes_sent()) == 1
        assert world.metrics.pending == 0
        assert world.metrics.dead == 150
        assert world.metrics.unreadable_rows["outbox"] == 150
        assert world.metrics.outbox_age_s() == 0
        dead = await engine.outbox(dead=True, after=None, limit=100)
        assert dead.next
        assert not dead.entries
        assert await engine.retry(target=None, operation=None) == 150
        await world.wait(60_000)
        assert world.metrics.dead == 150

    world.play(story)


async def accept(_: Notification) -> None:
    """Accept everything."""


def write(world: World, damage: Callable[[sqlite3.Connection], object]) -> None:
    async def story() -> None:
        engine, db = await started(world)
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(3)))
        damage(db)

    world.play(story)


def test_the_check_shows_them(world: World) -> None:
    """With table, row and reason; the start is not refused."""
    write(world, lambda db: db.execute("UPDATE operation SET state = '{' WHERE id = 'op-1'"))

    names = {"FANIN_REGIONS": "eastus,westus", "FANIN_DATA_DIR": str(world.settings.data_dir)}
    report = checked(Settings.from_environment(names)).splitlines()

    assert report[-2] == "warning: 1 row cannot be read and is set aside; everything else is served"
    assert report[-1].endswith(": operation 'op-1': Input data was truncated")


def test_a_sound_file_has_none(world: World) -> None:
    """The check reads every row."""
    write(world, lambda _: None)

    names = {"FANIN_REGIONS": "eastus,westus", "FANIN_DATA_DIR": str(world.settings.data_dir)}
    assert "cannot be read" not in checked(Settings.from_environment(names))
