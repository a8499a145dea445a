"""An attempt over an open connection, without a task: it ends as the same attempt in a task does."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing

import pytest

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.formats import Message
from fanin.aggregator.notify.formats.json import render
from fanin.aggregator.notify.http import HttpTarget
from fanin.aggregator.notify.port import BegunAttempt, NotDeliveredError
from fanin.aggregator.notify.target import Target
from tests.aggregator.notify.receiver import NOTIFICATION, OK, Answer, At, hang_up, says, server
from tests.aggregator.notify.receiver import target as opened

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


class Ending:
    """How an attempt ended, and how often it said so."""

    def __init__(self) -> None:
        self.results: list[NotDeliveredError | None] = []
        self._said = asyncio.Event()

    def __call__(self, _: BegunAttempt, error: NotDeliveredError | None) -> None:
        self.results.append(error)
        self._said.set()

    async def wait(self) -> NotDeliveredError | None:
        async with asyncio.timeout(20):
            await self._said.wait()
        return self.results[0]


async def begun(it: HttpTarget) -> NotDeliveredError | None:
    """Attempt without a task."""
    ending = Ending()
    assert it.begin(NOTIFICATION, ending) is not None
    return await ending.wait()


async def sent(it: HttpTarget) -> NotDeliveredError | None:
    """Attempt in a task."""
    try:
        await it.send(NOTIFICATION)
    except NotDeliveredError as exc:
        return exc
    return None


async def silence(_: asyncio.StreamWriter) -> None:
    """Not a word."""


HEAD = b"HTTP/1.1 200 OK\r\n"
ANSWERS: dict[str, Answer] = {
    "accepts": says(OK),
    "accepts with a body": says(HEAD + b"content-length: 2\r\n\r\n" + b"ok"),
    "accepts and keeps the body": says(HEAD + b"content-length: 99\r\n\r\n"),
    "accepts and closes": says(HEAD + b"connection: close\r\ncontent-length: 0\r\n\r\n"),
    "accepts until the end": says(HEAD + b"\r\n"),
    "hints first": says(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK),
    "hints for ever": says(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17),
    "says too much": says(HEAD + b"x: " + b"y" * 70_000),
    "says more than was asked": says(OK + OK),
    "refuses": says(b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"),
    "redirects": says(b"HTTP/1.1 302 There\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"),
    "speaks no HTTP": says(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "hangs up": hang_up,
    "says nothing": silence,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_it_ends_as_in_a_task(answer: Answer) -> None:
    """Accepted, or for which reason not; and the connection serves the next attempt where it did."""
    seen = []
    for attempted in (sent, begun):
        connections: list[Answer] = [says(OK), answer, says(OK)]
        async with server(*connections) as (url, requests):
            configured = Target(address=parse(url), timeout_ms=300)
            with closing(HttpTarget(configured, render, At())) as it:
                await it.send(NOTIFICATION)
                error = await attempted(it)
                is_open = it._connections.take() is not None
            facts = error and (str(error), error.retry_after_ms, error.final, error.sent, error.timed_out)
            seen.append((facts, is_open, [body for _, body in requests]))

    assert seen[0] == seen[1]
    assert len(seen[1][2]) == 2


async def test_without_an_open_connection_there_is_none() -> None:
    """Connecting takes a task."""
    async with server(says(OK)) as (url, requests), opened(url) as it:
        assert it.begin(NOTIFICATION, Ending()) is None
        await it.send(NOTIFICATION)
        assert await begun(it) is None

    assert len(requests) == 2


async def test_while_the_receiver_wants_a_pause_there_is_none() -> None:
    """The attempt in a task says so."""
    async with server(says(OK)) as (url, requests), opened(url) as it:
        await it.send(NOTIFICATION)
        it._paused_until_ms = At().now_ms() + 1_000

        assert it.begin(NOTIFICATION, Ending()) is None
    assert len(requests) == 1


async def test_a_notification_that_cannot_be_rendered_holds_no_connection() -> None:
    """The error is the caller's, and no attempt has begun."""
    renders = [render]

    def rendered(notification: Notification) -> Message:
        return renders.pop()(notification)

    async with server(says(OK)) as (url, requests):
        with closing(HttpTarget(Target(address=parse(url)), rendered, At())) as it:
            await it.send(NOTIFICATION)
            ending = Ending()
            with pytest.raises(IndexError):
                it.begin(NOTIFICATION, ending)

    assert (len(requests), ending.results) == (1, [])


async def test_one_that_is_preempted_says_so_and_one_that_is_cancelled_says_nothing() -> None:
    """Neither's connection serves another attempt, whose response would be taken for the late one."""
    async with server(silence) as (url, _), opened(url) as it:
        endings = []
        for end in ("preempt", "cancel"):
            await _open_anew(it)
            endings.append(Ending())
            attempt = it.begin(NOTIFICATION, endings[-1])
            assert attempt is not None
            getattr(attempt, end)()
            for _turn in range(5):
                await asyncio.sleep(0)
            assert it._connections.take() is None

    (preempted,) = endings[0].results
    assert str(preempted).startswith("cut short: ")
    assert endings[1].results == []
    assert it._limits._timer is None


async def _open_anew(it: HttpTarget) -> None:
    """Give a target an open connection, whatever its receiver answers."""
    async with asyncio.timeout(20):
        connection = await it._connections._connect(_Progress())  # type: ignore[arg-type]  # as much as needed
    connection._keep_alive = True
    it._connections.give_back(connection)


class _Progress:
    phase = None


@pytest.mark.parametrize("over", ["expire", "preempt"])
async def test_a_response_that_has_come_counts_although_a_busy_loop_reads_it_late(over: str) -> None:
    """A notification that was accepted must not be sent again."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        with closing(HttpTarget(Target(address=parse(f"http://{host}:{port}/")), render, At())) as it:
            await _open_anew(it)
            ending = Ending()
            attempt = it.begin(NOTIFICATION, ending)
            theirs, _ = listener.accept()
            with theirs:
                assert await loop.run_in_executor(None, theirs.recv, 10_000)
                theirs.sendall(OK)
                end: Callable[[], None] = getattr(attempt, over)
                end()

                assert await ending.wait() is None
    assert ending.results == [None]
