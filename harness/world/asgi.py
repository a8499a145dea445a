"""One life of an ASGI application, called in process: lifespan, requests, and its end.

It behaves towards the application as uvicorn does: an exception becomes a 500, a client that gives up
becomes ``http.disconnect``, an orderly stop waits for the requests under way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fanin.simulator.wire import WebhookRequest

type Message = MutableMapping[str, Any]
type AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
type Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
# Told the status when an answer is ready but has not left yet; True means that this life just ended.
type OnResponse = Callable[[int], bool]

# A slow client's body arrives in so many pieces.
_PIECES = 10


class StartError(Exception):
    """The application refused to start. The message is its own."""


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """What came back: status and headers, names in lower case."""

    status: int
    headers: Mapping[str, str]


class AppInstance:
    """One life of an application, from its lifespan's startup on."""

    def __init__(
        self, app: AsgiApp, spawn: Spawn, *, saw: Callable[[BaseException], None] = lambda _exc: None
    ) -> None:
        self._app = app
        self._spawn = spawn
        self._saw = saw  # told of every exception that the application lets out
        self._state: dict[str, Any] = {}
        self._orders: asyncio.Queue[Message] = asyncio.Queue()
        self._reports: asyncio.Queue[Message] = asyncio.Queue()
        self._in_flight: set[asyncio.Future[WebhookResponse]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = False

    async def startup(self) -> None:
        """Run the lifespan's startup. An application that knows none, and says so in its own way, is up.

        Raises:
            StartError: the application reported a failure.
        """
        self._orders.put_nowait({"type": "lifespan.startup"})
        self._spawn(self._lifespan())
        report = await self._reports.get()
        if report["type"] == "lifespan.startup.failed":
            # Starlette's message is a traceback, whose last line says what was wrong.
            lines = str(report.get("message") or "").strip().splitlines()
            raise StartError(lines[-1] if lines else "lifespan startup failed")
        if report["type"] == "over":
            self._reports.put_nowait(report)  # the shutdown will ask for it again
        self._open = True

    async def shutdown(self) -> None:
        """Stop in order: no new requests, those under way finish, then the lifespan's shutdown."""
        self._open = False
        await self._idle.wait()
        self._orders.put_nowait({"type": "lifespan.shutdown"})
        await self._reports.get()

    def kill(self) -> None:
        """End as ``kill -9`` does, as far as peers can tell: every request under way loses its connection."""
        self._open = False
        for future in tuple(self._in_flight):
            if not future.done():
                future.set_exception(ConnectionResetError("the aggregator died"))

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        """Send one request and wait for the head of its answer.

        Raises:
            ConnectionRefusedError: nobody listens.
            ConnectionResetError: the application died, or ``on_response`` said so, before the answer left.
        """
        if not self._open:
            raise ConnectionRefusedError("the aggregator is down")
        answered: asyncio.Future[WebhookResponse] = asyncio.get_running_loop().create_future()
        self._in_flight.add(answered)
        self._idle.clear()
        gone = asyncio.Event()
        self._spawn(self._serve(_Exchange(request, body_over_ms, answered, gone, on_response)))
        try:
            return await answered
        finally:
            gone.set()
            self._in_flight.discard(answered)
            if not self._in_flight:
                self._idle.set()

    async def _lifespan(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}

        async def send(message: Message) -> None:
            self._reports.put_nowait(message)

        try:
            await self._app(scope, self._orders.get, send)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever the judged application raises
            self._saw(exc)
        # Whoever waits for a report waits no longer.
        self._reports.put_nowait({"type": "over"})

    async def _serve(self, exchange: "_Exchange") -> None:
        try:
            await self._app(exchange.scope(dict(self._state)), exchange.receive, exchange.send)
            error = "the application returned without an answer"
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever the judged application raises
            self._saw(exc)
            error = f"the application raised {type(exc).__name__}"
        if not exchange.answered.done():
            exchange.answer(500, {"fanin-note": error})


class _Exchange:
    """One request and its answer, in the application's terms."""

    def __init__(
        self,
        request: WebhookRequest,
        body_over_ms: int,
        answered: asyncio.Future[WebhookResponse],
        gone: asyncio.Event,
        on_response: OnResponse,
    ) -> None:
        self._request = request
        self.answered = answered
        self._gone = gone
        self._on_answer = on_response
        size = max(1, -(-len(request.body) // (_PIECES if body_over_ms else 1)))
        self._pieces = [request.body[at : at + size] for at in range(0, len(request.body), size)] or [b""]
        self._pause = body_over_ms / 1000 / len(self._pieces)

    def scope(self, state: dict[str, Any]) -> dict[str, Any]:
        path, _, query = self._request.target.partition("?")
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self._request.headers
        ]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
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
        if message["type"] == "http.response.start" and not self.answered.done():
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]
            }
            self.answer(message["status"], headers)

    def answer(self, status: int, headers: Mapping[str, str]) -> None:
        if self._on_answer(status):
            if not self.answered.done():
                self.answered.set_exception(
                    ConnectionResetError("the aggregator died before its answer left")
                )
        elif not self.answered.done():
            self.answered.set_result(WebhookResponse(status, headers))
