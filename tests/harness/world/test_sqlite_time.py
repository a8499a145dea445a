"""SQLite in virtual time: what its clock shows, and how long it waits for a database that is locked."""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanin.harness.world import sqlite_time
from fanin.harness.world.host_loop import elapsed_ms
from tests.harness.world.living import live

pytestmark = pytest.mark.skipif(not sqlite_time.is_possible(), reason="this Python has an SQLite inside")


@contextlib.contextmanager
def connected(path: Path, timeout_s: float = 5) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=timeout_s, isolation_level=None)) as connection:
        yield connection


def shown(connection: sqlite3.Connection) -> str:
    (text,) = connection.execute("SELECT datetime('now')").fetchone()
    return str(text)


def test_its_clock_is_the_worlds(tmp_path: Path) -> None:
    """In the loop and in threads; outside it is real again."""

    async def main() -> list[str]:
        with connected(tmp_path / "it.db") as connection:
            await asyncio.sleep(86_400)
            return [shown(connection), await asyncio.to_thread(in_thread)]

    def in_thread() -> str:
        time.sleep(60)
        with connected(tmp_path / "it.db") as connection:
            return shown(connection)

    assert live(main) == ["1970-01-02 00:00:00", "1970-01-02 00:01:00"]
    with connected(tmp_path / "it.db") as connection:
        assert shown(connection) > "2020"


@pytest.mark.parametrize("in_loop", [True, False])
def test_a_locked_database_is_waited_for_in_virtual_time(tmp_path: Path, in_loop: bool) -> None:  # noqa: FBT001
    """Until the other connection has committed, or until the timeout is over."""
    path = tmp_path / "it.db"

    def hold(seconds: float) -> None:
        with connected(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("COMMIT")

    def write() -> int:
        with connected(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        return elapsed()

    def write_in_vain() -> int:
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            write()
        return elapsed()

    def elapsed() -> int:
        return round(time.time() * 1_000)

    async def main() -> list[int]:
        threads = [threading.Thread(target=hold, args=(seconds,)) for seconds in (3, 20)]
        instants: list[int] = []
        for thread, attempt in zip(threads, (write, write_in_vain), strict=True):
            thread.start()
            await asyncio.sleep(0.001)
            instants.append(attempt() if in_loop else await asyncio.to_thread(attempt))
        return [*instants, elapsed_ms()]

    written, given_up, _ = live(main)

    assert 3_000 <= written <= 3_200
    assert 5_000 <= given_up - written <= 5_300
