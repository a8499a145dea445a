"""First attempts over a connection that is open already, which run without a task."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fanin.aggregator.clock import SYSTEM_CLOCK
from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.notifier import HttpNotifier
from fanin.aggregator.notify.port import AttemptEnded, BegunAttempt
from fanin.aggregator.notify.target import Target
from fanin.aggregator.settings import Settings
from tests.aggregator.notify.receiver import OK, Answer, says, server
from tests.aggregator.notify.test_open_attempt import silence
from tests.conformance.worlds import EAST, arrival

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


class CountingNotifier(HttpNotifier):
    """How many attempts have begun without a task."""

    begun = 0
    is_broken = False

    def begin(self, target: str, notification: Notification, ended: AttemptEnded) -> BegunAttempt | None:
        if self.is_broken:
            raise ZeroDivisionError
        attempt = super().begin(target, notification, ended)
        self.begun += attempt is not None
        return attempt


async def opened(folder: Path, url: str) -> tuple[SqliteEngine, CountingNotifier]:
    settings = Settings(regions=(EAST,), data_dir=folder, targets=(Target(address=parse(url)),))
    notifier = CountingNotifier(settings.targets, SYSTEM_CLOCK)
    engine = SqliteEngine(settings, SYSTEM_CLOCK, Metrics(), notifier)
    await engine.open()
    return engine, notifier


async def told(engine: SqliteEngine, operation: str) -> None:
    """Complete an operation, and wait until nothing is pending."""
    await engine.deliver(arrival(EAST, operation))
    await drained(engine)


async def drained(engine: SqliteEngine) -> None:
    await until(lambda: not engine._metrics.pending)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.01)


async def test_all_but_those_that_connect_need_no_task(tmp_path: Path) -> None:
    """Each is sent once, counted once, and recorded."""
    async with server(says(OK)) as (url, requests):
        engine, notifier = await opened(tmp_path, url)
        for n in range(3):
            await told(engine, f"op-{n}")
        page = await engine.outbox(dead=None, after=None, limit=10)
        await engine.close()

    assert (len(requests), notifier.begun, engine._metrics.attempts["ok"]) == (3, 2, 3)
    assert page.entries == []


async def test_a_refusal_is_recorded_as_one_of_a_task_is(tmp_path: Path) -> None:
    """It is attempted again, with what the receiver said as the reason."""
    refuses = says(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
    async with server(says(OK), refuses, says(OK)) as (url, requests):
        engine, _ = await opened(tmp_path, url)
        await told(engine, "op-1")
        await engine.deliver(arrival(EAST, "op-2"))
        await until(lambda: engine._metrics.attempts["failed"])
        await engine.check()  # its result is written
        (entry,) = (await engine.outbox(dead=None, after=None, limit=10)).entries
        await drained(engine)
        await engine.close()

    assert (entry.attempts, entry.error) == (1, "answered 503")
    assert len(requests) == 3


@pytest.mark.parametrize("says_nothing", [False, True])
async def test_a_stop_waits_for_them_and_the_next_start_repeats_those_without_a_response(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, says_nothing: bool
) -> None:
    """As for those that run in a task."""
    monkeypatch.setattr("fanin.aggregator.engines.sqlite.engine.STOP_S", 0.5)

    async def soon(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(OK)

    last: Answer = silence if says_nothing else soon
    async with server(says(OK), last, says(OK)) as (url, requests):
        engine, notifier = await opened(tmp_path, url)
        await told(engine, "op-1")
        await engine.deliver(arrival(EAST, "op-2"))
        await until(lambda: len(requests) == 2)
        await engine.close()
        assert notifier.begun == 1
        engine, _ = await opened(tmp_path, url)
        await drained(engine)
        await engine.close()

    assert len(requests) == 2 + says_nothing


async def test_a_bug_with_one_stops_no_other(tmp_path: Path) -> None:
    """The attempt is made in a task, which reports what is wrong."""
    async with server(says(OK)) as (url, requests):
        engine, notifier = await opened(tmp_path, url)
        notifier.is_broken = True
        for n in range(2):
            await told(engine, f"op-{n}")
        await engine.close()

    assert len(requests) == 2
