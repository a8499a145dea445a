"""HTTP/1.1 to a Restate server: one request at a time per connection, connections kept and used again.

A call is held open until its handler has answered, so there are as many connections as calls under way, up to
a limit; whoever finds none free waits in line.
"""

import asyncio
import ssl
from collections import deque
from typing import Any, NamedTuple

import httptools

from aggregator.notify.address import Address

CONNECT_S = 3.0
# How many calls are under way at once. The server's own limit is 1,000 for each of its nodes.
CONNECTIONS_MAX = 256


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class UnreachableError(Exception):
    """Nothing was sent: there is no connection."""


class NoAnswerError(Exception):
    """It was sent, and what became of it is unknown."""


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._transport: Any = None
        self.reusable = False

    async def exchange(self, request: bytes) -> Answer:
        if self._transport.is_closing():
            raise NoAnswerError("the connection is closed")
        self.reusable = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    @property
    def closed(self) -> bool:
        return bool(self._transport.is_closing())

    def abort(self) -> None:
        self._transport.abort()

    # --- what the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("what came back is not HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("connection reset" if exc else "connection closed")

    def _fail(self, why: str) -> None:
        self.reusable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswerError(why))
        self._transport.abort()

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.reusable = self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), b"".join(self._body)))


class Client:
    """Requests to one address."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._tls = ssl.create_default_context() if target.tls else None
        self._idle: deque[_Connection] = deque()  # the most recently used last
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)
        self._prefix = target.path.rstrip("/")
        head = f" HTTP/1.1\r\nhost: {target.host_header}\r\n"
        if target.authorization:
            head += f"authorization: {target.authorization}\r\n"
        self._head = head

    @property
    def where(self) -> str:
        """The address, without what may be secret in it."""
        return f"{'https' if self._target.tls else 'http'}://{self._target.host_header}"

    async def post(self, path: str, body: bytes) -> Answer:
        """Send JSON and wait for the whole answer; the caller limits how long.

        Raises:
            UnreachableError: nothing was sent.
            NoAnswerError: it was sent, and there is no answer that can be read.
        """
        head = f"content-type: application/json\r\naccept: application/json\r\ncontent-length: {len(body)}"
        return await self._request(f"POST {self._prefix}{path}{self._head}{head}\r\n\r\n".encode() + body)

    async def get(self, path: str) -> Answer:
        """Ask for something.

        Raises:
            UnreachableError, NoAnswerError: as `post`.
        """
        return await self._request(f"GET {self._prefix}{path}{self._head}\r\n".encode())

    def close(self) -> None:
        """Close what is idle; what is in use ends with its request."""
        while self._idle:
            self._idle.pop().abort()

    async def _request(self, request: bytes) -> Answer:
        async with self._slots:
            connection = self._recent() or await self._connect()
            try:
                return await connection.exchange(request)
            finally:
                if connection.reusable:
                    self._idle.append(connection)
                else:
                    connection.abort()

    def _recent(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self) -> _Connection:
        target = self._target
        name = target.host if self._tls else None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, target.host, target.port, ssl=self._tls, server_hostname=name
                )
        except OSError as exc:  # TimeoutError is one
            raise UnreachableError(f"no connection to {self.where}: {_reason(exc)}") from exc
        return connection


def _reason(exc: OSError) -> str:
    return "no answer in time" if isinstance(exc, TimeoutError) else exc.strerror or type(exc).__name__
