"""A file of an earlier version becomes one of this version, with everything that was in it."""

import sqlite3

import msgspec
import pytest

from fanin.aggregator.engines.sqlite import schema
from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.fanin import Phase
from tests.conformance.worlds import EAST, EPOCH_MS, World, arrival

# The outbox of version 1, as it was released; the other tables were as they are.
OUTBOX_1 = """
DROP TABLE outbox;
DROP TABLE dead_letter;
DROP TABLE paused_target;
CREATE TABLE outbox (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    notify   TEXT    NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_ms   INTEGER NOT NULL,
    error    TEXT
) STRICT;
CREATE INDEX outbox_retry ON outbox (due_ms) WHERE attempts > 0;
PRAGMA user_version = 1;
"""


def file_of_version_1(world: World) -> None:
    """With one operation that waits, one notification never attempted, and one that failed twice."""

    async def story() -> None:
        engine = await world.start()
        await engine.deliver(arrival(EAST, "waiting"))
        for name in ("fresh", "failed"):
            await engine.deliver(arrival(EAST, name))

    world.play(story)
    db = sqlite3.connect(world.settings.data_dir / FILE, isolation_level=None)
    db.executescript(OUTBOX_1)
    for name, attempts, due_ms in (("fresh", 0, 5), ("failed", 2, EPOCH_MS + 300_000)):
        (text,) = db.execute("SELECT state FROM operation WHERE id = ?", (name,)).fetchone()
        state = msgspec.json.decode(text)
        notify = {
            "key": f"key-{name}", "operation_id": name, "outcome": "timed_out", "subject": state["subject"],
            "arrived": [EAST], "missing": [], "started_ms": 1, "deadline_ms": 2, "decided_ms": 3,
        }  # fmt: skip
        db.execute(
            "INSERT INTO outbox (notify, attempts, due_ms, error) VALUES (?, ?, ?, ?)",
            (msgspec.json.encode(notify).decode(), attempts, due_ms, "answered 503" if attempts else None),
        )
    db.close()


def test_pending_notifications_go_to_the_one_target_of_version_1(world: World) -> None:
    """Under the same keys; one that had failed keeps its attempts and the time of its next one."""
    file_of_version_1(world)

    async def story() -> None:
        engine = await world.start()
        page = await engine.outbox(dead=None, after=None, limit=10)
        assert [(it.operation_id, it.target, it.attempts, it.error) for it in page.entries] == [
            ("fresh", "default", 0, None),
            ("failed", "default", 2, "answered 503"),
        ]
        state = await engine.inspect("waiting")
        assert state is not None
        assert state.phase is Phase.WAITING
        await world.wait(290_000)
        assert "key-fresh" in world.keys_sent()
        assert "key-failed" not in world.keys_sent()
        await world.wait(20_000)
        assert "key-failed" in world.keys_sent()

    world.play(story)


def test_a_step_that_fails_leaves_the_file_as_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version before can still read it."""
    file_of_version_1(world)
    broken = f"{schema.MIGRATIONS[1]} INSERT INTO nowhere VALUES (1);"  # noqa: S608 - fixed words
    monkeypatch.setitem(schema.MIGRATIONS, 1, broken)
    path = world.settings.data_dir / FILE
    with sqlite3.connect(path) as db:
        before = list(db.iterdump())
    db.close()

    with pytest.raises(Exception, match="no such table: nowhere"):
        Store(world.settings.data_dir)

    with sqlite3.connect(path) as db:
        assert list(db.iterdump()) == before
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()
    monkeypatch.undo()
    Store(world.settings.data_dir).close()
