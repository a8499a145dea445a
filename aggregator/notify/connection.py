"""HTTP/1.1 connections that only ever POST, and of whose answers only the status and ``Retry-After`` matter.

Why not a client library: sending a notification is as dear as receiving all webhooks of an operation, and of
what a library's request costs, most is for features that a notification must not use (redirects, cookies,
sessions) or does not need (bodies of answers). Measured in the running service, a POST cost 90 µs less here.
What is left is small because the hard parts are others': `httptools` parses, the event loop does TLS.

Not supported: proxies.
"""

import asyncio
import socket
import ssl
from collections import deque
from typing import Any, NamedTuple

import httptools

from fanin.aggregator.notify.address import Address

# How long one address of a host may take to connect, TLS included, before the next one is tried.
CONNECT_S = 3.0
# An idle connection is not used again after so long. Servers close theirs after 5 s (uvicorn, Node.js) up.
IDLE_S = 4.0
_INFORMATIONAL = range(100, 200)
_RETRY_AFTER = b"retry-after"
_RETRY_AFTER_LENGTH = len(_RETRY_AFTER)  # asked first, because lowering every name costs more


class Response(NamedTuple):
    """What there is to know of an answer."""

    status: int
    retry_after: str | None


class ConnectionFailedError(Exception):
    """No answer that can be read. The request may have arrived all the same."""


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Response] | None = None  # while one is due
        self._heard: Response | None = None  # since the last request
        self._retry_after: str | None = None  # as the answer that is being read has it
        self._complete = True  # whether the last answer was read to its end …
        self._kept = False  # … and the server then waits for another request
        self._spoilt = False  # whether it has said more than it was asked
        self._closed = False
        self.idle_since_s = 0.0  # loop time

    async def post(self, request: bytes) -> Response:
        """Send one request and wait for its answer's headers; the caller limits how long.

        What has come when the time is over is taken all the same, even where a busy loop has not read it yet:
        whoever has accepted must not be asked again.

        Raises:
            ConnectionFailedError: the connection broke, or what came back is not HTTP.
        """
        if self._closed:
            raise ConnectionFailedError("connection closed before an answer")
        loop = asyncio.get_running_loop()
        self._answer, self._heard = loop.create_future(), None
        self._complete = self._kept = False
        self._transport.write(request)
        try:
            return await self._answer
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            if self._heard is None:
                raise
            return self._heard
        finally:
            self._answer = None
            self.idle_since_s = loop.time()

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: the answer has ended, and the server keeps the connection."""
        return self._complete and self._kept and not self._spoilt and not self._closed

    def abort(self) -> None:
        """Close at once."""
        self._closed = True
        self._transport.abort()

    # --- what the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("the answer is not HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        if isinstance(exc, ConnectionResetError):
            self._fail("connection reset before an answer")
        self._fail("connection closed before an answer")

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionFailedError(why))
        self.abort()

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        self._spoilt = self._complete
        self._retry_after = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == _RETRY_AFTER_LENGTH and name.lower() == _RETRY_AFTER:
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status: int = self._parser.get_status_code()
        if status in _INFORMATIONAL or self._answer is None:
            return
        self._heard = Response(status, self._retry_after)
        if not self._answer.done():
            self._answer.set_result(self._heard)

    def on_message_complete(self) -> None:
        self._complete = self._parser.get_status_code() not in _INFORMATIONAL
        self._kept = self._parser.should_keep_alive()


class Connections:
    """Connections to one address: as many as are in use at once, the idle ones kept for a moment."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: deque[Connection] = deque()  # the most recently used last
        self._tls = ssl.create_default_context() if address.tls else None

    async def post(self, request: bytes) -> Response:
        """Send one request; return what its answer's headers say.

        Raises:
            ConnectionFailedError: no answer that can be read.
            OSError: no connection.
        """
        connection = self._recent() or await self._connect()
        try:
            return await connection.post(request)
        finally:
            # A body that has not come yet is left unread: what was accepted must not become doubtful because
            # the rest stalls. And the late answer to a request that was cut short must not meet a new one.
            if connection.reusable:
                self._idle.append(connection)
            else:
                connection.abort()

    def close(self) -> None:
        """Close what is idle; what is in use ends with its request."""
        while self._idle:
            self._idle.pop().abort()

    def _recent(self) -> Connection | None:
        too_old_s = asyncio.get_running_loop().time() - IDLE_S
        while self._idle and self._idle[0].idle_since_s < too_old_s:
            self._idle.popleft().abort()
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    async def _connect(self) -> Connection:
        """Connect to the first of the host's addresses that answers."""
        loop = asyncio.get_running_loop()
        name = self._address.host if self._tls else None  # whose certificate it must be
        failure: OSError = OSError(f"{self._address.host} has no address")
        for host, port in await self._addresses():
            try:
                async with asyncio.timeout(CONNECT_S):
                    _, connection = await loop.create_connection(
                        Connection, host, port, ssl=self._tls, server_hostname=name
                    )
            except TimeoutError:
                failure = TimeoutError("no connection in time")
            except OSError as exc:
                failure = exc
            else:
                return connection
        raise failure

    async def _addresses(self) -> list[tuple[str, int]]:
        address = self._address
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )
        return [(str(where[0]), int(where[1])) for *_, where in found]
