"""HTTP/1.1 connections that only POST, and read only the status and ``Retry-After`` of a response.

Why not a client library: docs/decisions/0003-notification-client.md. The module is small because `httptools`
parses and the event loop does TLS.

Rules of this file: a receiver is not trusted. What it sends is parsed up to `RESPONSE_BYTES_MAX` per request
and not at all when no request waits for it; then the connection is closed, and its socket with it.

Not supported: proxies.
"""

import asyncio
import ssl
from collections import deque
from typing import Any, NamedTuple

import httptools

from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.name_lookup import NameLookup, lookup_on_loop

# How long connecting to one address of a host may take, with TLS, before the next address is tried.
CONNECT_S = 3.0
# An idle connection is not reused after this time. Servers close theirs after 5 s (uvicorn, Node.js) or more.
IDLE_S = 4.0
# How much of a response is parsed: informational responses, head, and what has arrived of the body with them.
# Servers' own limits for heads are 8 to 64 KiB.
RESPONSE_BYTES_MAX = 65_536
# How many informational responses (RFC 9110, section 15.2) may precede a response.
INFORMATIONAL_MAX = 16
# How many addresses of a host are tried.
ADDRESSES_MAX = 8
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
        self._unread = RESPONSE_BYTES_MAX  # how much more of the response may be parsed
        self._informational = 0  # responses of that kind to the request in progress
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
        self._unread, self._informational = RESPONSE_BYTES_MAX, 0
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
        if self._waiter is None or self._closed:
            self.abort()  # nothing was requested
            return
        parsed, self._unread = data[: self._unread], self._unread - len(data)
        try:
            self._parser.feed_data(parsed)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(
                "too many informational responses"
                if self._informational > INFORMATIONAL_MAX
                else "the response is not HTTP"
            )
        if self._unread < 0:
            self._fail(f"the response is longer than {RESPONSE_BYTES_MAX >> 10} KiB")

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
        if status in _INFORMATIONAL:
            self._informational += 1
            if self._informational > INFORMATIONAL_MAX:
                raise ConnectionFailedError  # ends the parsing
            return
        if self._waiter is None or self._complete:
            return
        self._response = Response(status, self._retry_after)
        if not self._waiter.done():
            self._waiter.set_result(self._response)

    def on_message_complete(self) -> None:
        self._complete = self._parser.get_status_code() not in _INFORMATIONAL
        self._keep_alive = self._parser.should_keep_alive()


class Connections:
    """A pool of connections to one address. Idle connections are kept for `IDLE_S`.

    It has no limit of its own: there are as many connections as attempts run at once.
    """

    def __init__(self, address: Address, lookup: NameLookup = lookup_on_loop) -> None:
        self._address, self._lookup = address, lookup
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
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        """Connect to the first address of the host that accepts."""
        loop = asyncio.get_running_loop()
        name = self._address.host if self._tls else None  # that the certificate must have
        failure: OSError = OSError(f"{self._address.host} has no address")
        address = self._address
        for host, port in (await self._lookup(address.host, address.port))[:ADDRESSES_MAX]:
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
