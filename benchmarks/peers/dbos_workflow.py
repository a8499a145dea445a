"""DBOS: ``python -m benchmarks.peers.dbos_workflow sqlite|postgresql``. PostgreSQL is its child.

The plain way: one workflow per operation, which receives one message per region until its deadline and then
notifies in a step. Starting it under the operation's id does nothing when it is there already; a message's
idempotency key holds the operation, because keys are unique over all destinations.
"""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3
from dbos import DBOS, DBOSConfig, SetWorkflowID

from benchmarks.peers.front import application, notification, sender, serve, world

WORLD = world()
TOPIC = "arrival"


@DBOS.workflow()
async def fan_in(operation: str, subject: dict[str, Any]) -> None:
    """Wait for every region, or for the deadline; then notify."""
    deadline_s = await now() + WORLD.timeout_s
    arrived: list[str] = []
    while len(arrived) < len(WORLD.regions):
        region = await DBOS.recv_async(TOPIC, timeout_seconds=deadline_s - await now())
        if region is None:
            break
        if region not in arrived:
            arrived.append(region)
    await notify(operation, arrived, subject)


@DBOS.step()
async def now() -> float:
    """Remembered, so that a recovery waits until the same instant."""
    return time.time()


@DBOS.step(retries_allowed=True, max_attempts=1_000, interval_seconds=1)
async def notify(operation: str, arrived: list[str], subject: dict[str, Any]) -> None:
    await APP.state.send(operation, notification(operation, arrived, WORLD.regions, subject))


@contextmanager
def postgresql(folder: Path) -> Iterator[DBOSConfig]:
    """A server of its own with its own defaults, which flush every commit; it refuses to run as root."""
    root = os.geteuid() == 0
    as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if root else {}
    if root:
        shutil.chown(folder, "postgres", "postgres")
    data = str(folder / "data")
    subprocess.run(
        [tool("initdb"), "-D", data, "-A", "trust", "-U", "dbos"],
        check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_user,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [tool("postgres"), "-D", data, "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **as_user,
    )  # fmt: skip
    try:
        until_it_answers(port)
        yield {"name": "fanin", "system_database_url": f"postgresql://dbos@127.0.0.1:{port}/dbos"}
    finally:
        server.send_signal(signal.SIGINT)  # "fast": open sessions are ended
        server.wait(30)


def until_it_answers(port: int) -> None:
    give_up = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="dbos", dbname="postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)
        else:
            return


def tool(name: str) -> str:
    """One of PostgreSQL's programs; Debian keeps them off the path."""
    found = shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    if not found:
        raise FileNotFoundError(name)
    return found


@contextmanager
def sqlite(folder: Path) -> Iterator[DBOSConfig]:
    """A file with a write-ahead log, which is kinder to DBOS than its default, and as safe."""
    path = folder / "dbos.sqlite"
    sqlite3.connect(path).execute("PRAGMA journal_mode = WAL").connection.close()
    yield {
        "name": "fanin",
        "system_database_url": f"sqlite:///{path}",
        # Its tables need a function that SQLite has since 3.42; Python may bring an older one.
        "db_engine_kwargs": {"module": pysqlite3},
    }


STORES = {"sqlite": sqlite, "postgresql": postgresql}


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    with STORES[sys.argv[1]](Path(WORLD.data_dir)) as config:
        DBOS(config=config | {"log_level": "ERROR"})
        DBOS.launch()
        async with sender(WORLD.notify_url) as send:
            app.state.send = send
            yield
        DBOS.destroy()


async def deliver(operation: str, region: str, subject: dict[str, Any]) -> None:
    with SetWorkflowID(operation):
        await DBOS.start_workflow_async(fan_in, operation, subject)
    await DBOS.send_async(operation, region, TOPIC, idempotency_key=f"{operation}/{region}")


APP = application(deliver, WORLD.regions, lifespan)

if __name__ == "__main__":
    serve(APP)
