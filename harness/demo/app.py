"""The demo's server: one page, and what the page may ask.

    GET  /<token>/               the page
    POST /<token>/api/play       plays YAML, with a change to it or without: `PlayRequest` to `PlayResponse`
    POST /<token>/api/complete   what may be written at a place of the YAML
    POST /<token>/api/save       the page of a recording, self-contained

Rules of this file: it is for the person who started it. It listens on loopback, answers under names of
loopback only, allows no other origin, and every address holds a token that other pages do not know.
"""

import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from fanin.harness.demo.completion import complete
from fanin.harness.demo.plays import PlayRequest
from fanin.harness.demo.worker import PlayWorker
from fanin.harness.report.player.page import page

BODY_BYTES_MAX = 8 * 1024 * 1024
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "[::1]"))
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Demo(NamedTuple):
    """What the page shows and offers. ``live`` is JSON for the page's scripts."""

    live: dict[str, Any]
    worker: PlayWorker
    token: str


class _CompleteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    yaml: str
    cursor: int


class _RecordedScenario(msgspec.Struct, frozen=True):
    name: str = "fanin"


class _Recording(msgspec.Struct, frozen=True):
    """What is read of a recording here; the rest is the player's."""

    scenario: _RecordedScenario = _RecordedScenario()


class _SaveRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    recording: dict[str, Any]


def new_token() -> str:
    """What makes the address of a demo its own."""
    return secrets.token_urlsafe(18)


def create_app(demo: Demo) -> Starlette:
    """The page and its API."""

    async def show(_: Request) -> Response:
        return HTMLResponse(page("fanin demo", live=demo.live))

    async def play(request: Request) -> Response:
        asked = await _read(request, PlayRequest)
        return asked if isinstance(asked, Response) else _json(await demo.worker.play(asked))

    async def completions(request: Request) -> Response:
        asked = await _read(request, _CompleteRequest)
        if isinstance(asked, Response):
            return asked
        return _json(msgspec.json.encode(complete(asked.yaml, asked.cursor)))

    async def save(request: Request) -> Response:
        asked = await _read(request, _SaveRequest)
        if isinstance(asked, Response):
            return asked
        try:
            name = msgspec.convert(asked.recording, _Recording).scenario.name
        except msgspec.ValidationError as exc:
            return PlainTextResponse(f"recording: {exc}\n", 400)
        return HTMLResponse(page(f"{name} - fanin", recording=asked.recording))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        demo.worker.start()
        try:
            yield
        finally:
            demo.worker.stop()

    guarded = _guard(demo.token)
    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/{token}/", guarded(show)),
            Route("/{token}/api/play", guarded(play), methods=["POST"]),
            Route("/{token}/api/complete", guarded(completions), methods=["POST"]),
            Route("/{token}/api/save", guarded(save), methods=["POST"]),
        ],
    )


type _Endpoint = Callable[[Request], Awaitable[Response]]


def _guard(token: str) -> Callable[[_Endpoint], _Endpoint]:
    """Let through what this page asks, and nothing that another page could."""

    def wrap(endpoint: _Endpoint) -> _Endpoint:
        async def respond(request: Request) -> Response:
            if (problem := _problem(request, token)) is not None:
                return PlainTextResponse(f"{problem}\n", 403)
            response = await endpoint(request)
            response.headers.update(_HEADERS)
            return response

        return respond

    return wrap


def _problem(request: Request, token: str) -> str | None:
    """Why a request is refused; None if it is not."""
    host = urlsplit(f"//{request.headers.get('host', '')}")
    name = f"[{host.hostname}]" if host.hostname and ":" in host.hostname else host.hostname
    if name not in _LOOPBACK:
        return f"the host {name or ''!r} is no name of this machine; open the address that was printed"
    if not hmac.compare_digest(request.path_params["token"].encode(), token.encode()):
        return "this address has no valid token; open the one that was printed"
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return f"the origin {origin!r} is another page"
    if request.method == "POST" and request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return "another page sent this"
    return None


async def _read[Shape](request: Request, shape: type[Shape]) -> Shape | Response:
    """The body as a value of this shape, or the response that says what is wrong with it."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return PlainTextResponse("send application/json\n", 415)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            return PlainTextResponse(f"larger than {BODY_BYTES_MAX} bytes\n", 413)
    try:
        return msgspec.json.decode(bytes(body), type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        return PlainTextResponse(f"{exc}\n", 400)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
