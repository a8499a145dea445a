"""One request and its response, as an ASGI application receives and sends them (ASGI 3, HTTP 2.3)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import msgspec

from fanin.aggregator.errors import AggregatorError
from fanin.aggregator.http.request_parser import RequestHead

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

# What an application finds in its scope when `fanin.aggregator.http.protocol` serves it: requests are those
# that a strict parser sees, and memory is bounded.
EXTENSION = "fanin.http"
EXTENSIONS: dict[str, dict[str, object]] = {EXTENSION: {}}
# There where the whole body had come before the application ran: a `CompleteRequest`.
_COMPLETE = "complete"

# A body is handed over when it is complete, or in pieces of this size and more.
PIECE_BYTES = 65_536
# Segments of a few bytes are put together when there are so many, because each costs more than its bytes.
_PIECES_MAX = 64

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CRASHED = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 21\r\nconnection: close\r\n\r\nInternal Server Error"
)
_CONNECTION = frozenset((b"connection", b"transfer-encoding"))
# Names of headers that say nothing of the connection or of the body's end; most responses have no others.
_PLAIN = frozenset((b"date", b"content-type", b"location", b"retry-after", b"fanin-arrival"))
_BODILESS = frozenset((HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED))
_LOGGER = logging.getLogger("uvicorn.error")


def _status_line(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase if status in _STATUSES else ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


_STATUSES = frozenset(map(int, HTTPStatus))
_STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


def refusal(error: AggregatorError) -> bytes:
    """A whole response to what no application will see; it says that the connection closes."""
    body = msgspec.json.encode({"error": error.code, "message": str(error)})
    retry = b"" if error.retry_after_s is None else b"retry-after: %d\r\n" % error.retry_after_s
    head = b"%bconnection: close\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
    return head % (_STATUS_LINES[error.status], retry, len(body), body)


class CompleteRequest(Protocol):
    """A request that had come as a whole, for an application that need not wait for anything then."""

    @property
    def head(self) -> RequestHead: ...

    async def send(self, message: Message) -> None:
        """Send a part of the response, as ASGI says."""

    def take_body(self) -> bytes | None:
        """The body; None: the client has left, or the body was taken before."""

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole response; False: it is to be sent as ASGI says, because the client reads slowly."""


class DirectApp(Protocol):
    """An ASGI application that also takes requests without ASGI, if they have come as a whole."""

    def begin(self, request: CompleteRequest, connection: Message) -> bool:
        """Take a request, and respond to it now or later; False: it is to be served as ASGI says.

        Args:
            request: It waits for its response.
            connection: ``scheme``, ``server`` and ``client``, as a scope has them.
        """


def complete_request(scope: Message) -> CompleteRequest | None:
    """The request of a scope, if it had come as a whole."""
    ours = scope.get("extensions", EXTENSIONS).get(EXTENSION)
    return ours.get(_COMPLETE) if ours else None


class Channel(Protocol):
    """What an exchange needs of the connection that the request came over."""

    write_paused: bool

    def write(self, data: bytes) -> None: ...
    def default_headers(self) -> list[tuple[bytes, bytes]]: ...
    def log_access(self, head: RequestHead, status: int) -> None: ...
    async def writable(self) -> None: ...
    def body_taken(self) -> None: ...
    def response_ended(self, exchange: "Exchange") -> None: ...
    def abort(self) -> None: ...


def _ignore() -> None:
    """Nothing follows."""


class Exchange:
    """What the application receives and sends. The connection calls `feed` and `disconnect`."""

    __slots__ = (
        "_begun_head", "_changed", "_chunked", "_connection", "_continue_due", "_delivered",
        "_disconnected", "_left", "_pieces", "_request_ended", "buffered", "ended", "head", "http_1_0",
        "keep_alive", "response_ended", "started",
    )  # fmt: skip

    def __init__(self, connection: Channel, head: RequestHead) -> None:
        self._connection, self.head = connection, head
        self.ended: Callable[[], None] = _ignore  # called at the end of `run`
        self.keep_alive = head.keep_alive
        self.http_1_0 = head.minor_version == 0
        self.started = False  # the application has given the response's status
        self.response_ended = False
        self._continue_due = head.expects_continue
        self._pieces: list[bytes] = []  # of the body, which the application has not taken
        self.buffered = 0  # bytes in them
        self._request_ended = head.body_length == 0
        self._delivered = False  # the application has the whole body
        self._disconnected = False
        self._changed: asyncio.Event | None = None
        self._begun_head = b""  # of the response, until the first part of its body
        self._chunked = False
        self._left: int | None = None  # bytes of the response's body; None: until the connection closes

    # --- for the connection ---

    def feed(self, data: bytes, *, ended: bool) -> None:
        """Add to the body."""
        self._pieces.append(data)
        if len(self._pieces) > _PIECES_MAX:
            self._pieces = [b"".join(self._pieces)]
        self.buffered += len(data)
        self._request_ended = ended
        if ended or self.buffered >= PIECE_BYTES:
            self._wake()

    def disconnect(self) -> None:
        """No more will be received, and no response will be sent."""
        self._disconnected = True
        self._pieces.clear()
        self._wake()

    @property
    def is_complete(self) -> bool:
        """Whether the whole request has come."""
        return self._request_ended

    async def run(self, app: AsgiApp, scope: Message) -> None:
        """Run the application, and respond with 500 if it does not respond."""
        if self._request_ended:
            scope["extensions"] = {EXTENSION: {_COMPLETE: self}}
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            _LOGGER.exception("Exception in ASGI application")
        except BaseException:
            self._connection.abort()
            raise
        finally:
            self.ended()
        if self.response_ended or self._disconnected:
            return
        if self.started:
            self._connection.abort()
            return
        self.started = self.response_ended = True
        self.keep_alive = False
        self._connection.write(_CRASHED)
        self._connection.response_ended(self)

    # --- for the application ---

    def take_body(self) -> bytes | None:
        if self._disconnected or self._delivered:
            return None
        self._continue_due = False
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.buffered = 0
        self._delivered = True
        self._connection.body_taken()
        return body

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        if self._connection.write_paused or self.started:
            return False
        if not self._disconnected:
            try:
                self._start(status, headers)
                self._send_body(body, more=False)
            except Exception:  # a bug; a client that waits for ever would be worse than one that sends again
                _LOGGER.exception("Exception in the response")
                self._connection.abort()
        return True

    async def receive(self) -> Message:
        """The body, in one or more pieces; then, at the end of response or connection, `http.disconnect`."""
        if self._continue_due and not self.started:
            self._continue_due = False
            if not self.buffered and not self._request_ended:
                self._connection.write(_CONTINUE)
        while not (
            self._disconnected
            or self.response_ended
            or (not self._delivered and (self._request_ended or self.buffered >= PIECE_BYTES))
        ):
            self._changed = self._changed or asyncio.Event()
            self._changed.clear()
            await self._changed.wait()
        if self._disconnected or self.response_ended:
            return {"type": "http.disconnect"}
        body = b"".join(self._pieces)
        self._pieces.clear()
        self.buffered = 0
        self._delivered = self._request_ended
        self._connection.body_taken()
        return {"type": "http.request", "body": body, "more_body": not self._delivered}

    async def send(self, message: Message) -> None:
        """Take the response's head, then its body.

        Raises:
            RuntimeError: the application does not keep to ASGI, or a header would be more than one line.
        """
        if self._connection.write_paused:
            await self._connection.writable()
        if self._disconnected:
            return
        expected = "http.response.body" if self.started else "http.response.start"
        if message["type"] != expected or self.response_ended:
            raise RuntimeError(f"the application sent {message['type']!r} out of order")
        if self.started:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            self._start(message["status"], message.get("headers", ()))

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        lines = [_STATUS_LINES[status], *self._header_lines(headers)]
        if self._continue_due:
            self.keep_alive = False  # whether the body comes or another request, only the client knows
        if status in _BODILESS or self.head.method == "HEAD":
            self._left = 0
        elif self._left is None:
            self._chunked = not self.http_1_0
            self.keep_alive = self.keep_alive and self._chunked
            if self._chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if not head.count(b"\n") == head.count(b"\r") == len(lines):
            raise RuntimeError("a header of the response has a line break")
        self._begun_head = head + b"\r\n"
        self.started = True
        self._connection.log_access(self.head, status)

    def _header_lines(self, headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        lines = []
        for name, value in (*self._connection.default_headers(), *headers):
            if name not in _PLAIN:
                kind = name.lower()
                if kind == b"content-length":
                    self._left = int(value)
                elif kind in _CONNECTION:
                    # How the body is framed and whether the connection stays is the server's to say.
                    self.keep_alive = self.keep_alive and b"close" not in value.lower()
                    continue
            lines.append(b"%b: %b\r\n" % (name, value))
        return lines

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self.head.method == "HEAD":
            body = b""
        if self._chunked:
            framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body = framed if more else framed + b"0\r\n\r\n"
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the response's body is not as long as its content-length")
        if self._begun_head:
            body, self._begun_head = self._begun_head + body, b""
        self._connection.write(body)
        if not more:
            self.response_ended = True
            self._wake()
            self._connection.response_ended(self)

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
