"""HTTP/1.1 to a Restate server: one request at a time per connection, connections kept and used again.

A call is held open until its handler has answered, so there are as many connections as calls under way, up to
a limit; whoever finds none free waits in line.
"""

import asyncio
import os
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import httptools

from fanin.aggregator.notify.address import Address

CONNECT_S = 3.0
# How many calls are under way at once. The server's own limit is 1,000 for each of its nodes.
CONNECTIONS_MAX = 256


class Response(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class UnreachableError(Exception):
    """Nothing was sent: there is no connection."""


class NoResponseError(Exception):
    """It was sent, and what became of it is unknown."""


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, address: Address) -> None:
        self._head = f" HTTP/1.1\r\nhost: {address.host_header}\r\n"
        if address.authorization:
            self._head += f"authorization: {address.authorization}\r\n"
        self._prefix = address.path.rstrip("/")
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Response] | None = None
        self._body: list[bytes] = []
        self._transport: Any = None
        self.reusable = False

    async def exchange(self, method: str, path: str, rest: bytes) -> Response:
        """Send a request, of which ``rest`` is what follows the headers that every one has."""
        if self._transport.is_closing():
            raise NoResponseError("the connection is closed")
        self.reusable = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(f"{method} {self._prefix}{path}{self._head}".encode() + rest)
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
            self._answer.set_exception(NoResponseError(why))
        self._transport.abort()

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.reusable = self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Response(self._parser.get_status_code(), b"".join(self._body)))


class Client:
    """Requests to a server of several nodes: to the first that can be reached, and then to that one."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = deque(addresses)  # the one in use first
        self._tls = ssl.create_default_context() if any(it.tls for it in addresses) else None
        self._idle: deque[_Connection] = deque()  # the most recently used last
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)

    async def post(self, path: str, body: bytes) -> Response:
        """Send JSON and wait for the whole answer; the caller limits how long.

        Raises:
            UnreachableError: nothing was sent.
            NoResponseError: it was sent, and there is no answer that can be read.
        """
        head = f"content-type: application/json\r\naccept: application/json\r\ncontent-length: {len(body)}"
        return await self._request("POST", path, f"{head}\r\n\r\n".encode() + body)

    async def get(self, path: str) -> Response:
        """Ask for something.

        Raises:
            UnreachableError, NoResponseError: as `post`.
        """
        return await self._request("GET", path, b"\r\n")

    def close(self) -> None:
        """Close what is idle; what is in use ends with its request."""
        while self._idle:
            self._idle.pop().abort()

    async def _request(self, method: str, path: str, rest: bytes) -> Response:
        async with self._slots:
            connection = self._recent() or await self._connect()
            try:
                return await connection.exchange(method, path, rest)
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
        """Connect to the node in use, or to the next one that answers, which is in use then."""
        failures = []
        for address in list(self._addresses):
            try:
                connection = await self._connect_to(address)
            except OSError as exc:  # TimeoutError is one
                failures.append(f"{address.host_header}: {_reason(exc)}")
                if self._addresses[0] is address:
                    self._addresses.rotate(-1)
            else:
                return connection
        raise UnreachableError(f"no connection to {'; '.join(failures)}")

    async def _connect_to(self, address: Address) -> _Connection:
        async with asyncio.timeout(CONNECT_S):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(address),
                address.host,
                address.port,
                ssl=self._tls if address.tls else None,
                server_hostname=address.host if address.tls else None,
            )
        return connection


def _reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    # Names that cannot be resolved have negative numbers, which only their own text explains.
    return os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror or type(exc).__name__
