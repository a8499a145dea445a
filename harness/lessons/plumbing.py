"""What every chapter needs and none is about: settings, HTTP, and tasks in the background.

A chapter is a class with two methods: ``start`` runs when the process starts, ``arrive`` gets each webhook,
which is answered 202 when ``arrive`` returns. One that has ``waits_for`` is asked about regions that are not
configured any more.
"""

import asyncio
import hmac
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODY_BYTES_MAX = 1 << 20
FIELDS = ("repository", "tag", "digest")


@dataclass(frozen=True, slots=True)
class Webhook:
    """One region's announcement of one operation."""

    operation: str  # the correlation key
    region: str
    event: dict[str, Any]  # what a notification repeats: id, action, repository, tag, digest


class Chapter(Protocol):
    """What `serve` needs of an aggregator."""

    async def start(self) -> None:
        """Take up what an earlier process left."""

    async def arrive(self, webhook: Webhook) -> None:
        """Take one webhook; it is answered 202 when this returns."""


class Service:
    """The settings of one process, as `fanin verify` puts them into the environment, and its HTTP client."""

    def __init__(self) -> None:
        environment = os.environ
        self.regions = {_normalised(each) for each in environment["FANIN_REGIONS"].split(",")}
        self.timeout_s = seconds(environment["WebhookTimeout"])
        self.data_dir = Path(environment["DATA_DIR"])
        self._sink_url = environment["NOTIFY_URL"]
        self._keys = [each.strip() for each in environment.get("FANIN_KEYS", "").split(",") if each.strip()]
        self._actions = [each.strip() for each in environment.get("FANIN_ACTIONS", "").split(",") if each]
        self._tasks: set[asyncio.Task[None]] = set()
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.AsyncClient(timeout=10, limits=limits, trust_env=False)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background. asyncio forgets a task that has no reference."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def post(
        self, key: str, event: dict[str, Any], outcome: str, arrived: Iterable[str], missing: Iterable[str]
    ) -> bool:
        """Send one notification. Returns whether the sink has accepted it."""
        body = event | {"outcome": outcome, "arrived": sorted(arrived), "missing": sorted(missing)}
        try:
            response = await self._client.post(self._sink_url, json=body, headers={"webhook-id": key})
        except httpx.HTTPError:
            return False
        return response.is_success

    async def read(self, request: Request, waits_for: Callable[[str, str], bool]) -> Webhook | None:
        """Read a request; None if it is to be answered 200 and ignored.

        Args:
            request: The request.
            waits_for: Whether an operation still waits for a region that is not configured any more.

        Raises:
            HTTPException: 400, 401 or 413.
        """
        if self._keys and not any(hmac.compare_digest(_key(request), each) for each in self._keys):
            raise HTTPException(401, "a function key is required")
        payload = _json(await _body(request))
        event_id, action, target = payload.get("id"), payload.get("action"), payload.get("target")
        if not (isinstance(event_id, str) and event_id and isinstance(action, str)):
            raise HTTPException(400, "id and action must be strings")
        if action == "ping" or (self._actions and action not in self._actions):
            return None
        if not isinstance(target, dict) or not _text(target, "repository"):
            raise HTTPException(400, "target must be an object that names a repository")
        region = _normalised(request.query_params.get("region", ""))
        if region not in self.regions and not waits_for(event_id, region):
            raise HTTPException(400, f"region {region!r} is none of {', '.join(sorted(self.regions))}")
        event = {"id": event_id, "action": action} | {name: _text(target, name) for name in FIELDS}
        return Webhook(event_id, region, event)

    async def close(self) -> None:
        """Cancel what runs in the background."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()


def serve(chapter: Callable[[Service], Chapter]) -> Starlette:
    """An ASGI application around one chapter."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service = app.state.service = Service()
        app.state.chapter = chapter(service)
        await app.state.chapter.start()
        yield
        await service.close()

    async def push(request: Request) -> Response:
        waits_for = getattr(request.app.state.chapter, "waits_for", lambda _key, _region: False)
        webhook = await request.app.state.service.read(request, waits_for)
        if webhook is None:
            return Response(status_code=200)
        await request.app.state.chapter.arrive(webhook)
        return Response(status_code=202)

    return Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])], lifespan=lifespan)


def seconds(timespan: str) -> float:
    """``[d.]h:mm:ss[.fff]``, as .NET writes a duration."""
    hours, minutes, rest = timespan.split(":")
    days, _, hours = hours.rpartition(".")
    return int(days or 0) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(rest)


def _normalised(region: str) -> str:
    return region.strip().casefold()


def _key(request: Request) -> str:
    return request.query_params.get("code") or request.headers.get("x-functions-key", "")


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise HTTPException(413, f"the body is larger than {BODY_BYTES_MAX} bytes")
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise HTTPException(400, f"the body is no JSON: {exc}") from exc
    if not isinstance(payload, dict):
        raise HTTPException(400, "the body is no JSON object")
    return payload


def _text(source: dict[str, Any], name: str) -> str | None:
    value = source.get(name)
    if value is not None and not isinstance(value, str):
        raise HTTPException(400, f"{name} must be a string")
    return value
