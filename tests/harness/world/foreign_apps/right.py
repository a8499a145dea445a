"""A right aggregator, several times over: each is unusual in one respect that the contract leaves open.

`create_app` keeps everything in one SQLite file in DATA_DIR. Each variant is a factory. Run as a script, the
module serves the one that its argument names, so that the same code can be judged as a process.
"""

import _thread
import asyncio
import fcntl
import json
import os
import secrets
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from time import time as now
from typing import Any
from urllib.parse import quote

import anyio.from_thread
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCHEMA = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS operation
        (id PRIMARY KEY, event, until, regions, key, outcome, notified DEFAULT 0);
    CREATE TABLE IF NOT EXISTS arrival (id, region, PRIMARY KEY (id, region));
"""
PAUSE_S = 2.0


def seconds(timespan: str) -> float:
    """``[d.]h:mm:ss[.fff]``."""
    hours, minutes, rest = timespan.split(":")
    days, _, hours = hours.rpartition(".")
    return int(days or 0) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(rest)


async def post_with_httpx(body: dict[str, Any], key: str) -> int:
    """With a client of its own for each notification."""
    async with httpx.AsyncClient(timeout=5) as client:
        response = await client.post(os.environ["NOTIFY_URL"], json=body, headers={"webhook-id": key})
        return response.status_code


async def post_with_streams(body: dict[str, Any], key: str) -> int:
    """Writes head and body separately, and goes on writing whether or not the other end is still there."""
    host, _, port = os.environ["NOTIFY_URL"].split("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port or 80))
    try:
        content = json.dumps(body).encode()
        head = f"POST / HTTP/1.1\r\nHost: {host}\r\nWebhook-Id: {key}\r\nContent-Length: {len(content)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        await asyncio.sleep(0.01)
        writer.write(content)
        async with asyncio.timeout(5):
            return int((await reader.readline()).split()[1])
    finally:
        writer.close()
        writer.write(b"")


class FanIn:
    """One transaction an arrival; a task for what is due, and one for each notification."""

    def __init__(self, post: Callable[[dict[str, Any], str], Awaitable[int]] = post_with_httpx) -> None:
        self.regions = [it.strip().casefold() for it in os.environ["WebhookRegions"].split(",")]  # noqa: SIM112
        self.timeout_s = seconds(os.environ["WebhookTimeout"])  # noqa: SIM112 - the original's name
        path = Path(os.environ["DATA_DIR"]) / "fan-in.db"
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.executescript(SCHEMA)
        self.post, self.tasks = post, set[asyncio.Task[None]]()
        self.woken, self.pause_s = asyncio.Event(), 1.0
        self.key: Callable[[str], str] = quote  # a header is ASCII, an id need not be

    def __del__(self) -> None:
        self.db.close()  # as the system does when its process is killed

    def takes(self, region: str, event: dict[str, Any]) -> bool:
        """Whether the region is configured, or was when an operation began that still waits."""
        row = self.db.execute(
            "SELECT regions FROM operation WHERE id = ? AND outcome IS NULL", (event["id"],)
        ).fetchone()
        return region in self.regions or (row is not None and region in json.loads(row[0]))

    def arrive(self, region: str, event: dict[str, Any]) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        until, regions = now() + self.timeout_s, json.dumps(self.regions)
        new = (event["id"], json.dumps(event), until, regions, self.key(event["id"]))
        self.db.execute(
            "INSERT OR IGNORE INTO operation (id, event, until, regions, key) VALUES (?, ?, ?, ?, ?)", new
        )
        until, outcome, regions = self.db.execute(
            "SELECT until, outcome, regions FROM operation WHERE id = ?", new[:1]
        ).fetchone()
        if outcome is None and now() < until and region in (expected := json.loads(regions)):
            self.db.execute("INSERT OR IGNORE INTO arrival VALUES (?, ?)", (event["id"], region))
            (count,) = self.db.execute("SELECT count(*) FROM arrival WHERE id = ?", new[:1]).fetchone()
            if count == len(expected):
                self.db.execute("UPDATE operation SET outcome = 'completed' WHERE id = ?", new[:1])
        self.db.execute("COMMIT")

    async def run(self) -> None:
        """Decide what is due, notify of what is decided, and sleep until something is."""
        running: set[str] = set()
        while True:
            self.woken.clear()
            self.db.execute(
                "UPDATE operation SET outcome = 'timed_out' WHERE outcome IS NULL AND until <= ?", (now(),)
            )
            rows = self.db.execute(
                "SELECT id FROM operation WHERE outcome IS NOT NULL AND NOT notified"
            ).fetchall()
            for (id_,) in rows:
                if id_ not in running:
                    running.add(id_)
                    self.spawn(self.notify(id_))
            (until,) = self.db.execute("SELECT min(until) FROM operation WHERE outcome IS NULL").fetchone()
            await self.rest(until)

    async def rest(self, until: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None if until is None else max(until - now(), 0.001)):
                await self.woken.wait()

    async def notify(self, id_: str) -> None:
        event, outcome, key, regions = self.db.execute(
            "SELECT event, outcome, key, regions FROM operation WHERE id = ?", (id_,)
        ).fetchone()
        rows = self.db.execute("SELECT region FROM arrival WHERE id = ?", (id_,)).fetchall()
        arrived, event = sorted(region for (region,) in rows), json.loads(event)
        body = {"id": id_, "outcome": outcome, "arrived": arrived, "action": event["action"]}
        body["missing"] = sorted(set(json.loads(regions)) - set(arrived))
        body |= {name: event.get("target", {}).get(name) for name in ("repository", "tag", "digest")}
        while True:
            with suppress(httpx.HTTPError, OSError, IndexError, ValueError, TimeoutError):
                if 200 <= await self.post(body, key) < 300:
                    break
            await asyncio.sleep(self.pause_s)
        self.db.execute("UPDATE operation SET notified = 1 WHERE id = ?", (id_,))

    def spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def read(body: bytes) -> dict[str, Any] | None:
    """The event; None when it is malformed, or larger than any."""
    if len(body) > 1 << 20:
        return None
    try:
        event = json.loads(body)
        target = {} if event["action"] == "ping" else event["target"]
        if not isinstance(event["id"], str) or not event["id"].strip() or not isinstance(target, dict):
            return None
        if target and not (isinstance(target["repository"], str) and target["repository"]):
            return None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return dict(event)


def webhooks(
    takes: Callable[[str, dict[str, Any]], bool], count: Callable[[str, dict[str, Any]], Awaitable[None]]
) -> Route:
    """Answers pings and what is refused; everything else is counted first."""

    async def push(request: Request) -> Response:
        if (event := read(await request.body())) is None:
            return Response(status_code=400)
        region = request.query_params.get("region", "").strip().casefold()
        if event.get("action") == "ping":
            return Response(status_code=200)
        if not takes(region, event):
            return Response(status_code=400)
        await count(region, event)
        return Response(status_code=202)

    return Route("/api/ImagePush", push, methods=["POST"])


def app_of(
    fan_in: FanIn,
    *,
    before: Callable[[], Awaitable[None]] | None = None,
    arrive: Callable[..., Awaitable[None]] | None = None,
    after: Callable[[], None] = lambda: None,
) -> Starlette:
    """The application of a `FanIn`; ``before`` is awaited before it is up, ``after`` called when it stops."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if before is not None:
            await before()
        fan_in.spawn(fan_in.run())
        yield
        for task in tuple(fan_in.tasks):
            task.cancel()
        fan_in.db.close()
        after()

    async def count(region: str, event: dict[str, Any]) -> None:
        if arrive is None:
            fan_in.arrive(region, event)
        else:
            await arrive(region, event)
        fan_in.woken.set()

    return Starlette(routes=[webhooks(fan_in.takes, count)], lifespan=lifespan)


def create_app() -> Starlette:
    return app_of(FanIn())


def with_monotonic_timers() -> Starlette:
    """Waits by ``time.monotonic()``, imported by name; only the deadline is an instant of the clock."""

    class Monotonic(FanIn):
        async def rest(self, until: float | None) -> None:
            start, left = monotonic(), 3_600.0 if until is None else until - now()
            while not self.woken.is_set() and monotonic() - start < left and time.perf_counter() >= start:  # noqa: ASYNC110
                await asyncio.sleep(min(0.5, max(left - (monotonic() - start), 0.001)))

    return app_of(Monotonic())


def with_rare_looks() -> Starlette:
    """Looks at what is due every ten seconds: right where so much lateness is allowed."""

    class Rare(FanIn):
        async def rest(self, until: float | None) -> None:  # noqa: ARG002 - it looks when it looks
            await asyncio.sleep(10)

    return app_of(Rare())


def that_looks_every_second() -> Starlette:
    """Looks at what is due once a second, whatever there is to do."""

    class Polling(FanIn):
        async def rest(self, until: float | None) -> None:  # noqa: ARG002 - it looks all the same
            if not self.woken.is_set():
                await asyncio.sleep(0.9)

    return app_of(Polling())


def with_slow_start() -> Starlette:
    """Takes three seconds until it is up."""
    return app_of(FanIn(), before=lambda: asyncio.sleep(3))


def with_blocking_start() -> Starlette:
    """Takes three seconds in its factory."""
    time.sleep(3)
    return app_of(FanIn())


def with_streams() -> Starlette:
    """Writes to a transport that may be closing."""
    return app_of(FanIn(post_with_streams))


def with_pid_file() -> Starlette:
    """Refuses to start beside another one, by a pid file and a lock in its working directory."""
    path, lock = Path(os.environ["PID_DIR"]) / "fan-in.pid", Path(os.environ["PID_DIR"]) / "fan-in.lock"
    if path.exists():
        with suppress(ProcessLookupError):
            os.kill(int(path.read_text()), 0)
            raise RuntimeError(f"it runs already, as {path.read_text()}")
    path.write_text(str(os.getpid()))
    held = lock.open("w")
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release() -> None:
        held.close()
        path.unlink(missing_ok=True)

    return app_of(FanIn(), after=release)


def with_random_keys() -> Starlette:
    """Draws the key of a notification, and goes through sets in their order."""
    fan_in = FanIn()
    fan_in.key = lambda _: f"{uuid.uuid4()}-{secrets.token_hex(4)}"
    return app_of(fan_in)


def with_eager_retry() -> Starlette:
    """Tries again at once."""
    fan_in = FanIn()
    fan_in.pause_s = 0.0
    return app_of(fan_in)


def with_to_thread() -> Starlette:
    """Commits in a thread of asyncio's pool, which sleeps in between."""
    fan_in = FanIn()
    turn = asyncio.Lock()

    def work(region: str, event: dict[str, Any]) -> None:
        time.sleep(0.02)
        fan_in.arrive(region, event)

    async def arrive(region: str, event: dict[str, Any]) -> None:
        async with turn:
            await asyncio.to_thread(work, region, event)

    return app_of(fan_in, arrive=arrive)


def with_plain_endpoint() -> Starlette:
    """An endpoint that is no coroutine, so that Starlette has a thread of its pool run it."""
    fan_in = FanIn()
    app = app_of(fan_in)

    def push(request: Request) -> Response:
        region = request.query_params.get("region", "").strip().casefold()
        if (event := read(anyio.from_thread.run(request.body))) is None:
            return Response(status_code=400)
        if event.get("action") == "ping":
            return Response(status_code=200)
        if not fan_in.takes(region, event):
            return Response(status_code=400)
        fan_in.arrive(region, event)
        anyio.from_thread.run_sync(fan_in.woken.set)
        return Response(status_code=202)

    return Starlette(
        routes=[Route("/api/ImagePush", push, methods=["POST"])], lifespan=app.router.lifespan_context
    )


def that_never_starts() -> Starlette:
    return app_of(FanIn(), before=lambda: asyncio.Event().wait())  # type: ignore[arg-type,return-value]


def that_polls_before_it_starts() -> Starlette:
    async def poll() -> None:
        while True:  # noqa: ASYNC110 - for what never comes
            await asyncio.sleep(1)

    return app_of(FanIn(), before=poll)


def that_goes_round() -> Starlette:
    """Waits for a notification to be accepted without ever letting time pass."""
    fan_in = FanIn()

    async def arrive(region: str, event: dict[str, Any]) -> None:
        fan_in.arrive(region, event)
        while True:  # noqa: ASYNC110 - that it goes round is the point
            await asyncio.sleep(0)

    return app_of(fan_in, arrive=arrive)


def with_locks(make_lock: Callable[[], AbstractContextManager[Any]]) -> Starlette:
    fan_in, lock = FanIn(), make_lock()

    def work(region: str, event: dict[str, Any]) -> None:
        with lock:
            time.sleep(1)
            fan_in.arrive(region, event)

    return app_of(fan_in, arrive=lambda *arrived: asyncio.to_thread(work, *arrived))


def with_locked_threads() -> Starlette:
    """Threads of asyncio's pool wait for each other."""
    return with_locks(threading.Lock)


def that_waits_for_a_bare_lock() -> Starlette:
    """The same with a lock that is not `threading`'s: the second can never get it while the first sleeps."""
    return with_locks(_thread.allocate_lock)


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(globals()[sys.argv[1]](), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
