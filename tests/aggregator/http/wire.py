"""A connection without a network: what is fed to the protocol, and what it does with its transport."""

import asyncio
import re
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from fanin.aggregator.http.exchange import AsgiApp, Message, Receive, Send, complete_request
from fanin.aggregator.http.protocol import HttpProtocol
from tests.aggregator.http.streams import Seen

POST = b"POST /a HTTP/1.1\r\nhost: h\r\n"
GET = b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n"
# More iterations of the event loop than any request here needs.
_ITERATIONS = 60
# Reached only when something is broken.
_LIMIT_S = 60


def with_length(body: bytes, fields: bytes = b"") -> bytes:
    return POST + fields + b"content-length: %d\r\n\r\n" % len(body) + body


class Application:
    """Reads every request in full, keeps it, and responds with 200 and its path."""

    def __init__(self, *, whole: bool = False) -> None:
        """With ``whole``, requests that have come as a whole are taken and responded to as such."""
        self.seen: list[Seen] = []
        self._whole = whole

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        request = complete_request(scope) if self._whole else None
        taken = request.take_body() if request else None
        body, more = taken or b"", taken is None
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = tuple(
            (name, value.lower() if name == b"transfer-encoding" else value)
            for name, value in scope["headers"]
        )
        self.seen.append(Seen(scope["method"], target, headers, body, complete=True))
        headers = ((b"content-length", b"%d" % len(scope["raw_path"])),)
        if request and request.respond(200, headers, scope["raw_path"]):
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": scope["raw_path"]})


class Wire(asyncio.Transport):
    """One end of a TCP connection, as far as a protocol can see."""

    def __init__(self, app: AsgiApp, *, keep_alive_s: int = 60, concurrency_max: int | None = None) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False  # no more is read and written here
        self._gone = asyncio.Event()
        self.half_closed = False
        self.aborted = False
        self.reading = True
        self.unread = 0  # of what was written; set by tests
        config = Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=keep_alive_s,
            limit_concurrency=concurrency_max,
        )
        self.protocol = HttpProtocol(config, ServerState(), {})
        self.protocol.connection_made(self)

    # --- the client's side ---

    async def feed(self, *segments: bytes) -> None:
        """Send segments one by one, as far as the other side reads."""
        for segment in segments:
            if self.closed:
                return
            await self.until_reading()
            if not self.closed:
                self.protocol.data_received(segment)
            await settled()

    async def until_reading(self) -> None:
        for _ in range(_ITERATIONS):
            if self.reading or self.closed:
                return
            await settled()

    async def end(self) -> None:
        """Send no more."""
        await self.until_reading()
        if not self.closed and not self.protocol.eof_received():
            self.close()
        await settled()

    async def gone(self) -> None:
        """Wait until the other side has closed the connection."""
        async with asyncio.timeout(_LIMIT_S):
            await self._gone.wait()

    @property
    def statuses(self) -> list[int]:
        """Of all responses, in order."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.written)]

    # --- what the protocol does ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.half_closed
        self.written += data

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def write_eof(self) -> None:
        self.half_closed = True

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 - a transport that has none
        return default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._gone.set()
            self.protocol.connection_lost(None)

    def abort(self) -> None:
        self.aborted = True
        self.close()


async def settled() -> None:
    """Let everything run that can run now."""
    for _ in range(_ITERATIONS):
        await asyncio.sleep(0)
