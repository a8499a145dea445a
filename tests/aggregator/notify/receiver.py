"""A receiver of notifications that does as a test says, and a target that sends to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.formats.json import render
from fanin.aggregator.notify.http import HttpTarget
from fanin.aggregator.notify.target import Target

NOTIFICATION = Notification(
    key="c0ffee",
    operation_id="op-1",
    outcome=Phase.TIMED_OUT,
    subject=Subject(action="push", host="h", repository="team/app", tag="1.0"),
    arrived=("eastus",),
    missing=("westus",),
    started_ms=1_772_323_200_000,
    deadline_ms=1_772_323_320_000,
    decided_ms=1_772_323_320_000,
)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

type Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class At:
    """A clock that stands still."""

    def now_ms(self) -> int:
        return 1_772_323_400_999


def says(*parts: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


@asynccontextmanager
async def server(
    *answers: Answer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[tuple[list[str], bytes]]]]:
    """Answers the requests of all connections one after the other; the last answer again and again."""
    requests: list[tuple[list[str], bytes]] = []
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                (length,) = (int(line[15:]) for line in head if line.lower().startswith("content-length:"))
                requests.append((head, await reader.readexactly(length)))
                await answers[min(len(requests), len(answers)) - 1](writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    host, port = listening.sockets[0].getsockname()
    try:
        yield f"http{'s' if tls else ''}://{host}:{port}/hook/hunter2", requests
    finally:
        listening.close()
        for writer in writers:
            writer.close()
        await listening.wait_closed()


@asynccontextmanager
async def target(url: str) -> AsyncIterator[HttpTarget]:
    with closing(HttpTarget(Target(address=parse(url)), render, At())) as it:
        yield it
