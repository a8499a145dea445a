"""HTTP/1.1 connections that only POST, and read only the status and ``Retry-After`` of a response.

Why not a client library: sending a notification costs as much as receiving all webhooks of an operation, and
most of the cost of a library's request is for features that a notification must not use (redirects, cookies,
sessions) or does not need (bodies of responses). In the running service, a POST cost 90 µs less here.
The module is small because `httptools` parses and the event loop does TLS.

Not supported: proxies.
"""

import asyncio
import socket
import ssl
from collections import deque
from typing import Any, NamedTuple

import httptools

from fanin.aggregator.notify.address import Address

# How long connecting to one address of a host may take, with TLS, before the next address is tried.
CONNECT_S = 3.0
# An idle connection is not reused after this time. Servers close theirs after 5 s (uvicorn, Node.js) or more.
IDLE_S = 4.0
_INFORMATIONAL = range(100, 200)
_RETRY_AFTER = b"retry-after"
_RETRY_AFTER_LENGTH = len(_RETRY_AFTER)  # compared first, because lower-casing every name costs more


class Response(NamedTuple):
    """The parts of a response that are read."""

    status: int
    retry_after: str | None


class ConnectionFailedError(Exception):
    """There is no readable response. The request may have arrived all the same."""


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Response] | None = None  # of the request in progress
        self._response: Response | None = None  # to the last request
        self._retry_after: str | None = None  # of the response that is being read
        self._complete = True  # the last response was read to its end …
        self._keep_alive = False  # … and the server keeps the connection open
        self._unsolicited = False  # the server sent more than one response to a request
        self._closed = False
        self.idle_since_s = 0.0  # loop time

    async def post(self, request: bytes) -> Response:
        """Send one request and wait for the headers of its response; the caller limits how long.

        A response that has arrived when the time is over counts, even if a busy event loop has not read it
        yet: a notification that was accepted must not be sent again.

        Raises:
            ConnectionFailedError: the connection broke, or the response is not HTTP.
        """
        if self._closed:
            raise ConnectionFailedError("connection closed before a response")
        loop = asyncio.get_running_loop()
        self._waiter, self._response = loop.create_future(), None
        self._complete = self._keep_alive = False
        self._transport.write(request)
        try:
            return await self._waiter
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            if self._response is None:
                raise
            return self._response
        finally:
            self._waiter = None
            self.idle_since_s = loop.time()

    @property
    def reusable(self) -> bool:
        """Whether a request may follow: the response is complete, and the server keeps the connection."""
        return self._complete and self._keep_alive and not self._unsolicited and not self._closed

    def abort(self) -> None:
        """Close at once."""
        self._closed = True
        self._transport.abort()

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("the response is not HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        if isinstance(exc, ConnectionResetError):
            self._fail("connection reset before a response")
        self._fail("connection closed before a response")

    def _fail(self, why: str) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionFailedError(why))
        self.abort()

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        self._unsolicited = self._complete
        self._retry_after = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == _RETRY_AFTER_LENGTH and name.lower() == _RETRY_AFTER:
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status: int = self._parser.get_status_code()
        if status in _INFORMATIONAL or self._waiter is None:
            return
        self._response = Response(status, self._retry_after)
        if not self._waiter.done():
            self._waiter.set_result(self._response)

    def on_message_complete(self) -> None:
        self._complete = self._parser.get_status_code() not in _INFORMATIONAL
        self._keep_alive = self._parser.should_keep_alive()


class Connections:
    """A pool of connections to one address. It has no limit; idle connections are kept for `IDLE_S`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: deque[Connection] = deque()  # the most recently used last
        self._tls = ssl.create_default_context() if address.tls else None

    async def post(self, request: bytes) -> Response:
        """Send one request; return status and ``Retry-After`` of its response.

        Raises:
            ConnectionFailedError: there is no readable response.
            OSError: there is no connection.
        """
        connection = self._recent() or await self._connect()
        try:
            return await connection.post(request)
        finally:
            # A body that has not arrived yet is not read: an accepted notification must not fail because its
            # body stalls. And the late response to a preempted request must not be taken for the next one's.
            if connection.reusable:
                self._idle.append(connection)
            else:
                connection.abort()

    def close(self) -> None:
        """Close the idle connections; the others are closed at the end of their request."""
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
        """Connect to the first address of the host that accepts."""
        loop = asyncio.get_running_loop()
        name = self._address.host if self._tls else None  # that the certificate must have
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
