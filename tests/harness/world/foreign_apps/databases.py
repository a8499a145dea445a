"""The right aggregator of `right`, on SQLite behind a thread: aiosqlite, and SQLAlchemy over it.

Each variant is a factory. Run as a script, the module serves the one that its argument names.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from time import time as now
from typing import Any

import aiosqlite
import httpx
from right import post_with_httpx, seconds, webhooks
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette

SCHEMA = (
    "PRAGMA journal_mode = WAL",
    "CREATE TABLE IF NOT EXISTS operation (id PRIMARY KEY, event, until, outcome, notified DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS arrival (id, region, PRIMARY KEY (id, region))",
)
# Runs one statement and returns its rows.
type Execute = Callable[..., Awaitable[Sequence[Any]]]
type Connect = Callable[[], AbstractAsyncContextManager[Execute]]


class AsyncFanIn:
    """One transaction an arrival, each on a connection of its own; a task for each notification."""

    def __init__(self, connect: Connect) -> None:
        self.regions = [it.strip().casefold() for it in os.environ["WebhookRegions"].split(",")]  # noqa: SIM112
        self.timeout_s = seconds(os.environ["WebhookTimeout"])  # noqa: SIM112 - the original's name
        self.connect, self.woken = connect, asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Execute]:
        async with self.connect() as execute:
            await execute("BEGIN IMMEDIATE")
            try:
                yield execute
            except BaseException:
                await execute("ROLLBACK")
                raise
            await execute("COMMIT")

    async def arrive(self, region: str, event: dict[str, Any]) -> None:
        id_, at = event["id"], now()
        async with self.transaction() as execute:
            await execute(
                "INSERT OR IGNORE INTO operation (id, event, until) VALUES (?, ?, ?)",
                (id_, json.dumps(event), at + self.timeout_s),
            )
            ((until, outcome),) = await execute("SELECT until, outcome FROM operation WHERE id = ?", (id_,))
            if outcome is None and at < until:
                await execute("INSERT OR IGNORE INTO arrival VALUES (?, ?)", (id_, region))
                ((count,),) = await execute("SELECT count(*) FROM arrival WHERE id = ?", (id_,))
                if count == len(self.regions):
                    await execute("UPDATE operation SET outcome = 'completed' WHERE id = ?", (id_,))
        self.woken.set()

    async def run(self) -> None:
        """Decide what is due, notify of what is decided, and sleep until something is."""
        running: set[str] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                self.woken.clear()
                async with self.transaction() as execute:
                    await execute(
                        "UPDATE operation SET outcome = 'timed_out' WHERE outcome IS NULL AND until <= ?",
                        (now(),),
                    )
                    rows = await execute(
                        "SELECT id FROM operation WHERE outcome IS NOT NULL AND NOT notified"
                    )
                    ((until,),) = await execute("SELECT min(until) FROM operation WHERE outcome IS NULL")
                for (id_,) in rows:
                    if id_ not in running:
                        running.add(id_)
                        group.create_task(self.notify(id_))
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if until is None else max(until - now(), 0.001)):
                        await self.woken.wait()

    async def notify(self, id_: str) -> None:
        async with self.connect() as execute:
            ((event, outcome),) = await execute("SELECT event, outcome FROM operation WHERE id = ?", (id_,))
            rows = await execute("SELECT region FROM arrival WHERE id = ?", (id_,))
        arrived, event = sorted(region for (region,) in rows), json.loads(event)
        body = {"id": id_, "outcome": outcome, "arrived": arrived, "action": event["action"]}
        body["missing"] = sorted(set(self.regions) - set(arrived))
        body |= {name: event.get("target", {}).get(name) for name in ("repository", "tag", "digest")}
        while True:
            with suppress(httpx.HTTPError):
                if 200 <= await post_with_httpx(body, id_) < 300:
                    break
            await asyncio.sleep(2)
        async with self.transaction() as execute:
            await execute("UPDATE operation SET notified = 1 WHERE id = ?", (id_,))


class LookThenWrite(AsyncFanIn):
    """No transaction: two arrivals at the same time may both be the last one."""

    def __init__(self, connect: Connect) -> None:
        super().__init__(connect)
        self.tasks = set[asyncio.Task[None]]()

    async def arrive(self, region: str, event: dict[str, Any]) -> None:
        id_, at = event["id"], now()
        async with self.connect() as execute:
            await execute(
                "INSERT OR IGNORE INTO operation (id, event, until) VALUES (?, ?, ?)",
                (id_, json.dumps(event), at + self.timeout_s),
            )
            await execute("INSERT OR IGNORE INTO arrival VALUES (?, ?)", (id_, region))
            ((count,),) = await execute("SELECT count(*) FROM arrival WHERE id = ?", (id_,))
            ((outcome,),) = await execute("SELECT outcome FROM operation WHERE id = ?", (id_,))
            if outcome is not None or count < len(self.regions):
                return
            await execute("UPDATE operation SET outcome = 'completed', notified = 1 WHERE id = ?", (id_,))
        task = asyncio.create_task(self.notify(id_))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def app_of(
    connect: Connect,
    close: Callable[[], Awaitable[None]] | None = None,
    make: Callable[[Connect], AsyncFanIn] = AsyncFanIn,
) -> Starlette:
    """The application of an `AsyncFanIn`."""
    fan_in = make(connect)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with fan_in.connect() as execute:
            for statement in SCHEMA:
                await execute(statement)
        running = asyncio.create_task(fan_in.run())
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        if close is not None:
            await close()

    route = webhooks(lambda region, _: region in fan_in.regions, fan_in.arrive)
    return Starlette(routes=[route], lifespan=lifespan)


def aiosqlite_connections() -> Connect:
    path = Path(os.environ["DATA_DIR"]) / "fan-in.db"

    @asynccontextmanager
    async def connect() -> AsyncIterator[Execute]:
        async with aiosqlite.connect(path, isolation_level=None) as connection:

            async def execute(statement: str, parameters: tuple[Any, ...] = ()) -> Sequence[Any]:
                return tuple(await connection.execute_fetchall(statement, parameters))

            yield execute

    return connect


def with_aiosqlite() -> Starlette:
    """A connection for each transaction; two that write at the same time wait for each other."""
    return app_of(aiosqlite_connections())


def that_looks_then_writes() -> Starlette:
    return app_of(aiosqlite_connections(), make=LookThenWrite)


def with_sqlalchemy() -> Starlette:
    """A pool of connections."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{os.environ['DATA_DIR']}/fan-in.db", isolation_level="AUTOCOMMIT"
    )

    @asynccontextmanager
    async def connect() -> AsyncIterator[Execute]:
        async with engine.connect() as connection:

            async def execute(statement: str, parameters: tuple[Any, ...] = ()) -> Sequence[Any]:
                result = await connection.exec_driver_sql(statement, parameters)
                return tuple(result.fetchall()) if result.returns_rows else ()

            yield execute

    return app_of(connect, engine.dispose)


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(globals()[sys.argv[1]](), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
