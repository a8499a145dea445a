"""An attempt that runs out of time says where it was, on both event loops."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager

import pytest

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.formats import Message
from fanin.aggregator.notify.formats.json import render
from fanin.aggregator.notify.happy_eyeballs import DELAY_S
from fanin.aggregator.notify.http import HttpTarget
from fanin.aggregator.notify.name_lookup import SocketAddress
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.target import Target
from tests.aggregator.notify.notifications import notification

NOTIFICATION = notification(key="c0ffee", deadline_ms=120_000, decided_ms=1_000)
OK = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
TIMEOUT_MS = 300


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


class At:
    def now_ms(self) -> int:
        return 1_772_323_400_999


async def hanging_lookup(_host: str, _port: int) -> Sequence[SocketAddress]:
    await asyncio.Event().wait()
    raise AssertionError


def large(_: Notification) -> Message:
    """More than the buffers of both systems hold."""
    return Message({}, b"x" * (32 << 20))


@contextmanager
def not_accepting() -> Iterator[int]:
    """A port whose queue of connections is full: what comes then is not even refused."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        yield hole.getsockname()[1]
        for filler in fillers:
            filler.close()


@asynccontextmanager
async def silent(*, reads: bool) -> AsyncIterator[int]:
    """Accepts connections, and says nothing."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while reads and await reader.read(65_536):
            pass

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1_024)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    for writer in writers:
        writer.close()


async def reason_of(target: HttpTarget) -> str:
    with closing(target), pytest.raises(NotDeliveredError) as failure:
        await target.send(NOTIFICATION)
    assert (failure.value.sent, failure.value.final) == (True, False)
    return str(failure.value)


def target(url: str, **options: object) -> HttpTarget:
    configured = Target(address=parse(url), timeout_ms=TIMEOUT_MS)
    return HttpTarget(configured, render, At(), **options)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_name_server_that_hangs() -> None:
    """Nothing was connected."""
    reason = await reason_of(target("http://hooks.example/", lookup=hanging_lookup))

    assert reason == "timed out after 300ms while looking up the host"


@pytest.mark.anyio
async def test_an_address_that_swallows_everything() -> None:
    """As a firewall does that drops packets."""
    with not_accepting() as port:
        reason = await reason_of(target(f"http://127.0.0.1:{port}/"))

    assert reason == "timed out after 300ms while connecting"


@pytest.mark.anyio
async def test_a_receiver_that_does_not_answer_over_tls() -> None:
    """It accepts connections, and then says nothing."""
    async with silent(reads=True) as port:
        reason = await reason_of(target(f"https://127.0.0.1:{port}/"))

    assert reason == "timed out after 300ms while agreeing on TLS"


@pytest.mark.anyio
async def test_a_receiver_that_does_not_read() -> None:
    """The request is under way for as long."""
    configured = Target(address=parse("http://127.0.0.1/"), timeout_ms=TIMEOUT_MS)
    async with silent(reads=False) as port:

        async def there(_host: str, _port: int) -> Sequence[SocketAddress]:
            return [("127.0.0.1", port)]

        reason = await reason_of(HttpTarget(configured, large, At(), lookup=there))

    assert reason == "timed out after 300ms while sending the request"


@pytest.mark.anyio
async def test_a_receiver_that_reads_and_does_not_respond() -> None:
    """It may have taken the notification."""
    async with silent(reads=True) as port:
        reason = await reason_of(target(f"http://127.0.0.1:{port}/"))

    assert reason == "timed out after 300ms while waiting for the response"


@pytest.mark.anyio
@pytest.mark.real_time
async def test_dead_addresses_before_one_that_works_cost_moments_and_only_once() -> None:
    """The address that worked comes first the next time, and is connected to alone."""
    accepted: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer.get_extra_info("peername"))
        await reader.readuntil(b"}")
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        found = [("127.0.0.1", stack.enter_context(not_accepting())) for _ in range(5)]
        found.append(listening.sockets[0].getsockname()[:2])

        async def six(_host: str, _port: int) -> Sequence[SocketAddress]:
            return found

        configured = Target(address=parse("http://hooks.example/"), timeout_ms=20_000)
        it = stack.enter_context(closing(HttpTarget(configured, render, At(), lookup=six)))
        began_s = loop.time()
        await it.send(NOTIFICATION)
        first_s, began_s = loop.time() - began_s, loop.time()
        await it.send(NOTIFICATION)
        second_s = loop.time() - began_s
    listening.close()

    assert len(accepted) == 2
    assert first_s >= 5 * DELAY_S
    assert second_s < first_s


@pytest.mark.anyio
async def test_where_every_address_fails_the_reason_says_how_many() -> None:
    """One of them might have worked for another reason than the last."""

    async def two(_host: str, _port: int) -> Sequence[SocketAddress]:
        return [("127.0.0.1", 9), ("127.0.0.2", 9)]

    reason = await reason_of(target("http://hooks.example/", lookup=two))

    assert reason == "Connection refused (the last of 2 addresses)"


@pytest.mark.anyio
@pytest.mark.real_time
async def test_an_address_that_gives_no_response_gives_way_to_the_next_one() -> None:
    """One of several machines hangs; a repetition reaches another."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(OK)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with silent(reads=True) as hangs:

        async def both(_host: str, _port: int) -> Sequence[SocketAddress]:
            return [("127.0.0.1", hangs), listening.sockets[0].getsockname()[:2]]

        configured = Target(address=parse("http://hooks.example/"), timeout_ms=1_500)
        with closing(HttpTarget(configured, render, At(), lookup=both)) as it:
            with pytest.raises(NotDeliveredError, match="while waiting for the response"):
                await it.send(NOTIFICATION)
            await it.send(NOTIFICATION)
    listening.close()
