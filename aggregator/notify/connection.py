"""HTTP/1.1 connections that only POST, and read only the status and ``Retry-After`` of a response.

Why not a client library: docs/decisions/0003-notification-client.md. The module is small because `httptools`
parses and the event loop does TLS.

Rules of this file: a receiver is not trusted. What it sends is parsed up to `RESPONSE_BYTES_MAX` per request
and not at all when no request waits for it; then the connection is closed, and its socket with it. A whole
response that is byte for byte one that was parsed before means what that meant, and is not parsed again.

`fanin.aggregator.notify.connector` opens connections.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import httptools

from fanin.aggregator.notify.progress import AttemptPhase, AttemptProgress

# An idle connection is not reused after this time. Servers close theirs after 5 s (uvicorn, Node.js) or more.
IDLE_S = 4.0
# How much of a response is parsed: informational responses, head, and what has arrived of the body with them.
# Servers' own limits for heads are 8 to 64 KiB.
RESPONSE_BYTES_MAX = 65_536
# How many informational responses (RFC 9110, section 15.2) may precede a response.
INFORMATIONAL_MAX = 16
# So many different responses are remembered, up to this length. A receiver's differ in their date at most.
RESPONSES_KEPT, RESPONSE_KEPT_BYTES_MAX = 64, 1_024
_INFORMATIONAL = range(100, 200)
_CLOSED = "connection closed before a response"
_RETRY_AFTER = b"retry-after"
_RETRY_AFTER_LENGTH = len(_RETRY_AFTER)  # compared first, because lower-casing every name costs more


class Response(NamedTuple):
    """The parts of a response that are read."""

    status: int
    retry_after: str | None


# Of all connections. Each left its connection reusable.
_kept_responses: dict[bytes, Response] = {}


class ConnectionFailedError(Exception):
    """There is no readable response. The request may have arrived all the same."""


# Called once with the response to a request, or with why there is none.
type Ended = Callable[[Response | ConnectionFailedError], None]


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._ended: Ended | None = None  # of the request in progress
        self._response: Response | None = None  # to the last request
        self._retry_after: str | None = None  # of the response that is being read
        self._unread = RESPONSE_BYTES_MAX  # how much more of the response may be parsed
        self._informational = 0  # responses of that kind to the request in progress
        self._complete = True  # the last response was read to its end …
        self._keep_alive = False  # … and the server keeps the connection open
        self._begun = False  # some of the response to the request in progress was received
        self._unsolicited = False  # the server sent more than one response to a request
        self._closed = False
        self.idle_since_s = 0.0  # loop time
        self.transport: Any = None  # until the event loop has made the connection
        self.on_failure: Callable[[], None] = _ignore  # called when there is no response

    async def post(self, request: bytes) -> Response:
        """Send one request and wait for the headers of its response; the caller limits how long.

        A response that has arrived when the time is over counts, even if a busy event loop has not read it
        yet: a notification that was accepted must not be sent again.

        Raises:
            ConnectionFailedError: the connection broke, or the response is not HTTP.
        """
        waiter: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.begin(request, partial(_resolve, waiter))
        try:
            return await waiter
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            if self._response is None:
                raise
            return self._response
        finally:
            self._ended = None

    def begin(self, request: bytes, ended: Ended) -> None:
        """Send one request, without waiting; ``ended`` is called from a later turn of the event loop.

        Raises:
            ConnectionFailedError: the connection is closed.
        """
        if self._closed:
            raise ConnectionFailedError(_CLOSED)
        self._ended, self._response = ended, None
        self._begun = self._complete = self._keep_alive = False
        self._unread, self._informational = RESPONSE_BYTES_MAX, 0
        self.transport.write(request)

    @property
    def is_sending(self) -> bool:
        """Whether the receiver has not read all of the request: what is left fills the system's buffers."""
        return not self._closed and self.transport.get_write_buffer_size() > 0

    @property
    def reusable(self) -> bool:
        """Whether a request may follow: the response is complete, and the server keeps the connection."""
        return self._complete and self._keep_alive and not self._unsolicited and not self._closed

    def abort(self) -> None:
        """Close at once."""
        self._closed = True
        if self.transport is not None:  # TLS has not begun, and the connection around it is closed
            self.transport.abort()

    def fail(self, why: str) -> None:
        """Close at once, and end the request in progress; a response that has come counts all the same."""
        self.abort()
        self._end(ConnectionFailedError(why) if self._response is None else self._response)

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._ended is None or self._closed:
            self.abort()  # nothing was requested
            return
        is_first, self._begun = not self._begun, True
        known = _kept_responses.get(data) if is_first else None
        if known is not None:
            self._complete = self._keep_alive = True
            self._response = known
            self._end(known)
            return
        failure = self._parse(data)
        if failure is not None:
            self.fail(failure)
        elif self._response is not None:
            if is_first and self.reusable:
                _keep(data, self._response)
            self._end(self._response)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self.fail("connection reset before a response" if isinstance(exc, ConnectionResetError) else _CLOSED)

    def _parse(self, data: bytes) -> str | None:
        """Parse some of what came; return why no more can be."""
        parsed, self._unread = data[: self._unread], self._unread - len(data)
        try:
            self._parser.feed_data(parsed)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._informational > INFORMATIONAL_MAX:
                return "too many informational responses"
            return "the response is not HTTP"
        if self._unread < 0:
            return f"the response is longer than {RESPONSE_BYTES_MAX >> 10} KiB"
        return None

    def _end(self, result: Response | ConnectionFailedError) -> None:
        """End the request in progress, if there is one."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(result)

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
        if not self._complete:
            self._response = Response(status, self._retry_after)

    def on_message_complete(self) -> None:
        self._complete = self._parser.get_status_code() not in _INFORMATIONAL
        self._keep_alive = self._parser.should_keep_alive()


def _keep(data: bytes, response: Response) -> None:
    """Remember a whole response, after which its connection can be used again."""
    if len(data) > RESPONSE_KEPT_BYTES_MAX:
        return
    if len(_kept_responses) >= RESPONSES_KEPT:
        del _kept_responses[next(iter(_kept_responses))]  # the oldest
    _kept_responses[data] = response


def _ignore() -> None:
    """Nothing follows."""


def _resolve(waiter: asyncio.Future[Response], result: Response | ConnectionFailedError) -> None:
    if waiter.done():  # its time was over before
        return
    if isinstance(result, Response):
        waiter.set_result(result)
    else:
        waiter.set_exception(result)


class Connections:
    """A pool of connections to one target. Idle connections are kept for `IDLE_S`.

    It has no limit of its own: there are as many connections as attempts run at once.
    """

    def __init__(self, connect: Callable[[AttemptProgress], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._idle: deque[Connection] = deque()  # the most recently used last

    async def post(self, request: bytes, progress: AttemptProgress) -> Response:
        """Send one request; return status and ``Retry-After`` of its response.

        Raises:
            ConnectionFailedError: there is no readable response.
            OSError: there is no connection.
        """
        connection = self.take() or await self._connect(progress)
        progress.phase = AttemptPhase.RESPONSE
        try:
            return await connection.post(request)
        except BaseException:
            connection.on_failure()
            raise
        finally:
            if connection.is_sending:
                progress.phase = AttemptPhase.REQUEST
            self.give_back(connection)

    def close(self) -> None:
        """Close the idle connections; the others are closed at the end of their request."""
        while self._idle:
            self._idle.pop().abort()

    def take(self) -> Connection | None:
        """An open connection without a request; None when there is none."""
        too_old_s = asyncio.get_running_loop().time() - IDLE_S
        while self._idle and self._idle[0].idle_since_s < too_old_s:
            self._idle.popleft().abort()
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.abort()
        return None

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose request has ended, or close it."""
        # A body that has not arrived yet is not read: an accepted notification must not fail because its
        # body stalls. And the late response to a preempted request must not be taken for the next one's.
        if connection.reusable:
            connection.idle_since_s = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.abort()
