"""One running instance of an ASGI application, in process: lifespan, requests, stop, kill.

It behaves towards the application as uvicorn does: an exception becomes a 500, a client that gives up
becomes ``http.disconnect``, an orderly stop waits for the requests in flight.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from fanin.simulator.wire import WebhookRequest

type Message = MutableMapping[str, Any]
type AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
type Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
# Called with the status of a response that is ready but has not left yet; True: the instance was just killed.
type OnResponse = Callable[[int], bool]

# The body of a slow client arrives in so many pieces.
_BODY_PIECES = 10


class AppLoadError(Exception):
    """An application cannot be imported, or what was named is none."""


class StartError(Exception):
    """The application did not start; the message is its own."""


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The head of a response to a webhook; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]


class AppInstance:
    """A running instance of an application, from its lifespan's startup on.

    Args:
        app: The application.
        spawn: Starts a task in which the application runs.
        on_error: Called with every exception that the application lets out.
    """

    def __init__(
        self, app: AsgiApp, spawn: Spawn, *, on_error: Callable[[BaseException], None] = lambda _exc: None
    ) -> None:
        self._app = app
        self._spawn = spawn
        self._on_error = on_error
        self._state: dict[str, Any] = {}
        self._to_lifespan: asyncio.Queue[Message] = asyncio.Queue()
        self._from_lifespan: asyncio.Queue[Message] = asyncio.Queue()
        self._in_flight: dict[asyncio.Future[WebhookResponse], None] = {}  # in the order in which they came
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = False

    async def startup(self) -> None:
        """Run the lifespan's startup. An application without one is up at once.

        Raises:
            StartError: the application reported a failure.
        """
        self._to_lifespan.put_nowait({"type": "lifespan.startup"})
        self._spawn(self._lifespan())
        report = await self._from_lifespan.get()
        if report["type"] == "lifespan.startup.failed":
            # Starlette's message is a traceback, whose last line says what was wrong.
            lines = str(report.get("message") or "").strip().splitlines()
            raise StartError(lines[-1] if lines else "lifespan startup failed")
        if report["type"] == "over":
            self._from_lifespan.put_nowait(report)  # for the shutdown, which waits for it again
        self._open = True

    async def shutdown(self) -> None:
        """Stop in order: no new requests, those in flight finish, then the lifespan's shutdown."""
        self._open = False
        await self._idle.wait()
        self._to_lifespan.put_nowait({"type": "lifespan.shutdown"})
        await self._from_lifespan.get()

    def kill(self) -> None:
        """End as with ``kill -9``, as far as clients can see: requests in flight lose their connection."""
        self._open = False
        for future in tuple(self._in_flight):
            if not future.done():
                future.set_exception(ConnectionResetError("the aggregator was killed"))

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        """Send one request and wait for the head of its response.

        Raises:
            ConnectionRefusedError: the instance does not listen.
            ConnectionResetError: it was killed, or ``on_response`` returned True, before the response left.
        """
        if not self._open:
            raise ConnectionRefusedError("the aggregator is down")
        response: asyncio.Future[WebhookResponse] = asyncio.get_running_loop().create_future()
        self._in_flight[response] = None
        self._idle.clear()
        gone = asyncio.Event()
        self._spawn(self._serve(_Exchange(request, body_over_ms, response, gone, on_response)))
        try:
            return await response
        finally:
            gone.set()
            self._in_flight.pop(response, None)
            if not self._in_flight:
                self._idle.set()

    def read(self, target: str) -> bytes | None:
        """The body of a 200 that a GET gets without anything being waited for; None for any other response.

        The application runs here and now, beside the loop: no task, no turn of the loop and no time of the
        world is used, so that reading changes nothing. Only for applications that are known to answer
        so; one that waits is cut off.
        """
        response = _ReadResponse()
        scope = _scope("GET", target, [], dict(self._state))
        serving = self._app(scope, _no_body, response.send)
        assert inspect.iscoroutine(serving)  # noqa: S101 - of our own applications
        try:
            serving.send(None)
        except StopIteration:
            return bytes(response.body) if response.status == HTTPStatus.OK else None
        serving.close()
        return None

    async def _lifespan(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}

        async def send(message: Message) -> None:
            self._from_lifespan.put_nowait(message)

        try:
            await self._app(scope, self._to_lifespan.get, send)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever the judged application raises
            self._on_error(exc)
        # Startup and shutdown no longer wait for the application.
        self._from_lifespan.put_nowait({"type": "over"})

    async def _serve(self, exchange: "_Exchange") -> None:
        try:
            await self._app(exchange.scope(dict(self._state)), exchange.receive, exchange.send)
            error = "the application returned without a response"
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever the judged application raises
            self._on_error(exc)
            error = f"the application raised {type(exc).__name__}"
        if not exchange.response.done():
            exchange.respond(500, {"fanin-note": error})


class _Exchange:
    """One request and its response, as ASGI messages."""

    def __init__(
        self,
        request: WebhookRequest,
        body_over_ms: int,
        response: asyncio.Future[WebhookResponse],
        gone: asyncio.Event,
        on_response: OnResponse,
    ) -> None:
        self._request = request
        self.response = response
        self._gone = gone
        self._on_answer = on_response
        size = max(1, -(-len(request.body) // (_BODY_PIECES if body_over_ms else 1)))
        self._pieces = [request.body[at : at + size] for at in range(0, len(request.body), size)] or [b""]
        self._pause = body_over_ms / 1000 / len(self._pieces)

    def scope(self, state: dict[str, Any]) -> dict[str, Any]:
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self._request.headers
        ]
        return _scope("POST", self._request.target, headers, state)

    async def receive(self) -> Message:
        if not self._pieces:
            await self._gone.wait()
        elif self._pause:
            await asyncio.sleep(self._pause)
        if self._gone.is_set():
            return {"type": "http.disconnect"}
        piece = self._pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self.response.done():
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]
            }
            self.respond(message["status"], headers)

    def respond(self, status: int, headers: Mapping[str, str]) -> None:
        if self._on_answer(status):
            if not self.response.done():
                self.response.set_exception(
                    ConnectionResetError("the aggregator was killed before its response left")
                )
        elif not self.response.done():
            self.response.set_result(WebhookResponse(status, headers))


def _scope(
    method: str, target: str, headers: list[tuple[bytes, bytes]], state: dict[str, Any]
) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [(b"host", b"aggregator"), *headers],
        "client": ("registry", 1),
        "server": ("aggregator", 80),
        "state": state,
    }


class _ReadResponse:
    """Collects the response to a GET."""

    def __init__(self) -> None:
        self.status, self.body = 0, bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.body += message.get("body", b"")


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
