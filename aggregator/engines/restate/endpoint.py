"""Where the Restate server calls our handlers: HTTP/1.1, one attempt per request, one response to each."""

import asyncio
import logging
import socket
from collections.abc import Callable, Container, Coroutine, Mapping
from functools import partial
from typing import Any

import httptools
from restate._internal import (
    IdentityVerificationException,
    PyIdentityVerifier,
)
from restate.discovery import compute_discovery_json
from restate.endpoint import Endpoint as Services

from fanin.aggregator import log
from fanin.aggregator.engines.restate.call import Call, CancelledByServerError, SuspendedError
from fanin.aggregator.engines.work_queue import WorkQueue

# A handler acts on its call and returns, or, if it has to wait for something, returns what is to be awaited.
type Handler = Callable[[Call], Coroutine[Any, Any, None] | None]

BACKLOG = 2_048
_MANIFEST = "application/vnd.restate.endpointmanifest.v{}+json"
# Of the manifest, newest first. [SDK, restate.discovery]
_MANIFEST_VERSIONS = (5, 4, 3, 2)


class Endpoint:
    """Serves handlers until it is closed.

    Args:
        services: The SDK's description of the services.
        handlers: By service and name.
        identity_keys: The server's; if there are any, calls that it has not signed are refused.
        queue: Says when calls have their turn.
        urgent: Handlers whose calls are urgent work.
    """

    def __init__(
        self,
        services: Services,
        handlers: Mapping[tuple[str, str], Handler],
        identity_keys: tuple[str, ...],
        *,
        queue: WorkQueue,
        urgent: Container[tuple[str, str]],
    ) -> None:
        self._services, self._handlers = services, handlers
        self._queue, self._urgent = queue, urgent
        self._identity = PyIdentityVerifier(list(identity_keys))
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self, listener: socket.socket) -> None:
        """Serve on a socket that listens already."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=listener, backlog=BACKLOG)

    async def stop(self, grace_s: float) -> None:
        """Take no more calls; let those that run end within ``grace_s``. The server repeats the rest."""
        self._stopping = True
        await self._stop_listening()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._open):
            connection.close()

    async def _stop_listening(self) -> None:
        """Close the listener without losing a connection that it has accepted.

        asyncio leaves a connection open and forgets it when it is accepted in the turn in which its listener
        closes (`Server._attach` asserts); the server would wait for a response on it. So one turn passes
        between accepting the last connection and closing.
        """
        loop = asyncio.get_running_loop()
        for listener in self._server.sockets:
            loop.remove_reader(listener.fileno())
        await asyncio.sleep(0)
        self._server.close()

    # --- for its connections ---

    def joined(self, connection: "_Connection") -> None:
        if self._stopping:
            connection.close()
            return
        self._open.add(connection)

    def left(self, connection: "_Connection") -> None:
        self._open.discard(connection)

    def serve(
        self, connection: "_Connection", path: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        """Handle one request; there is one response to it, now or later."""
        parts = path.partition("?")[0].rsplit("/", 3)
        if parts[-1] == "health":
            connection.respond(_response(200, [], b"{}"))
            return
        try:
            self._identity.verify(headers, path)
        except IdentityVerificationException:
            connection.respond(_response(401, [], b""))
            return
        if parts[-1] == "discover":
            connection.respond(self._manifest(dict(headers).get("accept", "")))
            return
        name = (parts[-2], parts[-1]) if parts[:-2][-1:] == ["invoke"] else ("", "")
        handler = self._handlers.get(name)
        if handler is None:
            connection.respond(_response(404, [], b""))
            return
        self._queue.add(
            partial(self._invoke, connection, handler, headers, body), urgent=name in self._urgent
        )

    def _invoke(
        self, connection: "_Connection", handler: Handler, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        if self._stopping:
            connection.close()
        if connection.closed:
            return  # the server makes another attempt
        try:
            call = Call(headers, body)
        except Exception:  # noqa: BLE001 - the server repeats what is cut off
            log.LOGGER.exception("a call could not be read")
            connection.close()
            return
        try:
            rest = handler(call)
        except Exception as exc:  # noqa: BLE001 - whatever it was, the server gets it, and repeats the attempt
            _settle(call, exc)
        else:
            if rest is not None:
                task = asyncio.ensure_future(self._await(connection, call, rest))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                task.add_done_callback(lambda _: rest.close())  # where it was cancelled before it began
                return
        connection.respond(_response(*call.head(), call.output()))

    async def _await(self, connection: "_Connection", call: Call, rest: Coroutine[Any, Any, None]) -> None:
        try:
            await rest
        except Exception as exc:  # noqa: BLE001 - as above
            _settle(call, exc)
        connection.respond(_response(*call.head(), call.output()))

    def _manifest(self, accept: str) -> bytes:
        for version in _MANIFEST_VERSIONS:
            kind = _MANIFEST.format(version)
            if kind in accept:
                body = compute_discovery_json(self._services, version, "request_response").encode()
                return _response(200, [("content-type", kind)], body)
        return _response(415, [], b"")


def _settle(call: Call, exc: Exception) -> None:
    match exc:
        case SuspendedError():
            return
        case CancelledByServerError():
            call.cancelled()
        case _:
            log.LOGGER.error("an attempt crashed", exc_info=exc)
            call.failed(exc)


def _response(status: int, headers: list[tuple[str, str]], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """One connection from the server; one request at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []

    @property
    def closed(self) -> bool:
        return bool(self._transport.is_closing())

    def close(self) -> None:
        self._transport.abort()

    def respond(self, response: bytes) -> None:
        if not self.closed:
            self._transport.write(response)

    # --- what the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._endpoint.joined(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._endpoint.left(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            log.event(logging.WARNING, "endpoint-no-http", reason=exc)
            self._transport.abort()

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers, self._body = [], []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        path = self._url.decode("latin-1")
        try:
            self._endpoint.serve(self, path, self._headers, b"".join(self._body))
        except Exception:  # noqa: BLE001 - the parser would swallow it; the server repeats what is cut off
            log.LOGGER.exception("a request could not be read")
            self._transport.abort()
