"""What only the SQLite engine has: its file, its transactions, and what it does when they fail."""

import asyncio
import re
import sqlite3
import time
from pathlib import Path

import pytest

from fanin.aggregator import clock
from fanin.aggregator.clock import SYSTEM_CLOCK
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.engines.sqlite.schema import VERSION
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.errors import StoreBusyError, StoreFailedError, StoreFullError, StoreUnusableError
from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.settings import Settings
from tests.aggregator.engines.sqlite.stores import started
from tests.conformance.worlds import (
    EAST,
    NORTH,
    RETENTION_MS,
    TIMEOUT_MS,
    WEST,
    World,
    arrival,
    deliver_all,
)

TRUE_TIME_NS = time.time_ns


def commits(world: World) -> int:
    return sum(world.metrics.batch.counts)


# --- transactions ---


def test_requests_that_come_together_share_a_commit(world: World) -> None:
    """Group commit: a hundred arrivals are one transaction."""

    async def story() -> None:
        engine = await world.start()
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(100)))

        assert commits(world) == 1
        assert world.metrics.batch.total == 100

    world.play(story, real=True)


def test_many_requests_are_committed_in_bounded_batches(world: World) -> None:
    """However many wait, a transaction stays small, and every request gets its response."""

    async def story() -> None:
        engine = await world.start()
        results = await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(1_000)))

        assert all(isinstance(result, Receipt) for result in results)
        assert commits(world) == 4

    world.play(story, real=True)


def test_more_than_can_wait_is_refused_for_now(world: World) -> None:
    """Memory is bounded: beyond ten thousand, senders are answered 503."""

    async def story() -> None:
        engine = await world.start()
        results = await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(10_010)))

        refused = [result for result in results if isinstance(result, StoreBusyError)]
        assert len(refused) == 10
        assert len(results) - len(refused) == world.metrics.waiting

    world.play(story, real=True)


def test_a_commit_reaches_the_disk(world: World) -> None:
    """Write-ahead log, and a full flush with every commit."""

    async def story() -> None:
        _, db = await started(world)

        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)

    world.play(story)


def test_every_statement_finds_its_rows_by_an_index(world: World) -> None:
    """A million waiting operations must cost what ten cost: no statement scans a table."""

    async def refuse_first(notify: Notification) -> None:
        if world.keys_sent().count(notify.key) == 1:
            raise NotDeliveredError("answered 503")

    async def story() -> None:
        engine, db = await started(world)
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        world.receiver = refuse_first
        await deliver_all(engine, arrival(EAST), arrival(NORTH), arrival(WEST), arrival(EAST, "op-2"))
        await world.wait(RETENTION_MS + TIMEOUT_MS + 7_200_000)
        await engine.inspect("op-1")
        for phase in (None, *Phase):
            await engine.instances(phase=phase, after=None, limit=1)
        db.set_trace_callback(None)
        daily = {it for it in statements if it.startswith(("SELECT", "UPDATE", "DELETE"))}
        plans = {it: [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + it)] for it in daily}

        assert {it.split()[0] for it in daily} == {"SELECT", "UPDATE", "DELETE"}
        assert await engine.inspect("op-1") is None  # the story went as far as forgetting
        for statement, plan in plans.items():
            no_table = ("VIRTUAL TABLE", "CONSTANT ROW")
            walks = [it for it in plan if it.startswith("SCAN") and not any(name in it for name in no_table)]
            assert not walks, (statement, plan)
            assert not any("TEMP B-TREE" in step for step in plan), (statement, plan)

    world.play(story)


# --- failures ---


def test_a_lock_held_for_a_moment_is_waited_for(world: World) -> None:
    """A backup or an interactive query must not cost a webhook."""

    async def story() -> None:
        engine, _ = await started(world)
        intruder = sqlite3.connect(world.settings.data_dir / FILE, isolation_level=None)
        intruder.execute("BEGIN IMMEDIATE")
        delivering = asyncio.ensure_future(engine.deliver(arrival(EAST)))
        await world.wait(200)
        assert not delivering.done()
        intruder.execute("ROLLBACK")
        intruder.close()

        assert (await delivering).state.missing == (NORTH, WEST)

    world.play(story)


def test_a_lock_that_stays_is_a_503_and_nothing_is_stored(world: World) -> None:
    """The sender may repeat the webhook; no deadline was set meanwhile."""

    async def story() -> None:
        engine, _ = await started(world)
        intruder = sqlite3.connect(world.settings.data_dir / FILE, isolation_level=None)
        intruder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match="locked by another program") as refusal:
            await engine.deliver(arrival(EAST))
        intruder.execute("ROLLBACK")
        intruder.close()

        assert (refusal.value.status, refusal.value.retry_after_s, refusal.value.definite) == (503, 2, True)
        assert await engine.inspect("op-1") is None
        assert isinstance(await engine.deliver(arrival(EAST)), Receipt)

    world.play(story)


@pytest.mark.parametrize("trouble", ["PRAGMA max_page_count = 1", "PRAGMA query_only = ON"])
def test_a_file_that_cannot_grow_or_be_written_is_a_503(world: World, trouble: str) -> None:
    """A full disk or a read-only one: nothing acknowledged, nothing half-stored, and it heals."""

    async def story() -> None:
        engine, db = await started(world)
        await engine.deliver(arrival(EAST))
        db.execute(trouble)
        results = await deliver_all(engine, *(arrival(NORTH, f"op-{n}") for n in range(50)))
        db.execute("PRAGMA query_only = OFF")
        db.execute("PRAGMA max_page_count = 1000000")
        await engine.check()

        assert all(isinstance(result, StoreFullError) for result in results)
        page = await engine.instances(phase=None, after=None, limit=100)
        assert [state.operation_id for state in page.states] == ["op-1"]

    world.play(story)


def test_deadlines_that_could_not_be_decided_are_decided_later(world: World) -> None:
    """The timer tries again once the file can be written."""

    async def story() -> None:
        engine, db = await started(world)
        await engine.deliver(arrival(EAST))
        db.execute("PRAGMA query_only = ON")
        await world.wait(TIMEOUT_MS + 5_000)
        assert world.attempts == []
        db.execute("PRAGMA query_only = OFF")
        await world.wait(3_000)

        assert world.outcomes_sent() == [("op-1", "timed_out")]

    world.play(story)


def test_an_accepted_notification_that_cannot_be_recorded_is_not_sent_again(world: World) -> None:
    """Its 2xx was read; only the record is written again."""

    async def story() -> None:
        engine, db = await started(world)

        async def break_the_file(_: object) -> None:
            db.execute("PRAGMA query_only = ON")

        world.receiver = break_the_file
        await deliver_all(engine, *(arrival(region) for region in (EAST, NORTH, WEST)))
        await world.wait(30_000)
        db.execute("PRAGMA query_only = OFF")
        await world.wait(600_000)

        assert len(world.attempts) == 1
        assert world.metrics.pending == 0

    world.play(story)


def test_a_commit_that_failed_and_happened_has_its_deadline(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender was answered that it may have happened; the operation has its deadline like any other."""

    async def story() -> None:
        engine, _ = await started(world)
        commit = engine._store.commit

        def commit_and_fail() -> None:
            commit()
            monkeypatch.undo()
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(engine._store, "commit", commit_and_fail)
        with pytest.raises(StoreFailedError) as failure:
            await engine.deliver(arrival(EAST))
        assert not failure.value.definite
        await world.wait(TIMEOUT_MS + 5_000)

        assert world.outcomes_sent() == [("op-1", "timed_out")]

    world.play(story)


def test_rows_that_failed_are_not_read_to_find_new_ones(world: World) -> None:
    """After an outage the outbox is full of failed rows; a new one is sent as its commit brings it."""

    async def refuse(_: Notification) -> None:
        raise NotDeliveredError("answered 503")

    async def story() -> None:
        world.receiver = refuse
        engine = await world.start(regions=(EAST,))
        await deliver_all(engine, *(arrival(EAST, f"op-{n}") for n in range(30)))
        await world.wait(5_000)
        await world.stop()
        engine, db = await started(world)
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        await world.wait(1_000)
        statements.clear()
        await engine.deliver(arrival(EAST, "new"))
        await world.wait(1_000)

        assert ("new", "completed") in world.outcomes_sent()
        assert not any("due_ms IS NULL" in it for it in statements)
        engine.recheck()
        await world.wait(1_000)
        looked_after = [re.search(r"WHERE n > (\d+) AND due_ms IS NULL", it) for it in statements]
        assert {match.group(1) for match in looked_after if match} == {"31"}

    world.play(story)


# --- the file ---


def test_a_file_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    """Reading it by old rules could lose data."""
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()

    with pytest.raises(StoreUnusableError, match=r"newer version \(schema 4; this one reads 3\)"):
        Store(tmp_path)


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    """It has the same name by chance."""
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()

    with pytest.raises(StoreUnusableError, match="belongs to another program"):
        Store(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """The engine does not start, and leaves the file as it is."""
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be looked at" * 100)

    with pytest.raises(StoreUnusableError, match="file is not a database"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes().startswith(b"not a database")


def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    """With the path and the reason."""
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnusableError, match=r"cannot use .*file/data: Not a directory"):
        Store(tmp_path / "file" / "data")


def test_a_refused_start_leaves_the_folder_free(tmp_path: Path) -> None:
    """After the cause is removed, the next start works."""
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(StoreUnusableError):
        Store(tmp_path)
    (tmp_path / FILE).unlink()

    Store(tmp_path).close()


@pytest.mark.real_time
@pytest.mark.anyio
async def test_a_machine_whose_clock_is_set_back_repeats_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ten minutes; the second attempt comes after its second, not after ten minutes and a second."""
    attempts: list[float] = []
    set_by_ns, repeated = 0, asyncio.Event()
    monkeypatch.setattr(time, "time_ns", lambda: TRUE_TIME_NS() + set_by_ns)

    def set_back() -> None:
        nonlocal set_by_ns
        set_by_ns = -600_000_000_000

    class Refusing:
        def targets_for(self, _: Phase, subject: object = None) -> tuple[str, ...]:  # noqa: ARG002
            return ("default",)

        async def send(self, _target: str, _notification: Notification) -> None:
            attempts.append(time.monotonic())
            if len(attempts) > 1:
                repeated.set()
            asyncio.get_running_loop().call_later(0.4, set_back)  # when the next attempt has its time
            raise NotDeliveredError("answered 503")

    monkeypatch.setattr(clock, "WATCH_S", 0.1)
    settings = Settings(regions=(EAST,), data_dir=tmp_path)
    engine = SqliteEngine(settings, SYSTEM_CLOCK, Metrics(), Refusing())
    await engine.open()
    await engine.deliver(arrival(EAST))
    async with asyncio.timeout(30):
        await repeated.wait()
    await engine.close()

    assert attempts[1] - attempts[0] < 10
