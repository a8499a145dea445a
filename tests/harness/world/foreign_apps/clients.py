"""One aggregator, several times over: the same rule behind different frameworks and HTTP clients.

Each is written as its author might have, and knows nothing of the harness. They keep nothing on disk.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Post = Callable[[dict[str, Any]], Awaitable[int]]


class FanIn:
    """Waits for every region, or for the deadline by the wall clock."""

    def __init__(self, post: Post) -> None:
        self.regions = os.environ["FANIN_REGIONS"].split(",")
        hours, minutes, seconds = os.environ["WebhookTimeout"].split(":")  # noqa: SIM112 - the original's name
        days, _, hours = hours.rpartition(".")
        self.timeout = timedelta(int(days or 0), float(seconds), minutes=int(minutes), hours=int(hours))
        self.arrived: dict[str, set[str]] = {}
        self.decided: set[str] = set()
        self.post = post
        self.tasks: set[asyncio.Task[None]] = set()

    def arrive(self, region: str, content: bytes) -> int:
        event = json.loads(content)
        if region not in self.regions:
            return 400
        if event["id"] not in self.arrived:
            self.arrived[event["id"]] = set()
            self.spawn(self.expire(event, datetime.now(UTC) + self.timeout))
        self.arrived[event["id"]].add(region)
        if len(self.arrived[event["id"]]) == len(self.regions):
            self.decide(event, "completed")
        return 202

    async def expire(self, event: dict[str, Any], deadline: datetime) -> None:
        while (left := deadline - datetime.now(UTC)) > timedelta(0):  # noqa: ASYNC110 - the wall clock decides
            await asyncio.sleep(left.total_seconds())
        self.decide(event, "timed_out")

    def decide(self, event: dict[str, Any], outcome: str) -> None:
        if event["id"] in self.decided:
            return
        self.decided.add(event["id"])
        arrived = sorted(self.arrived[event["id"]])
        body = {"id": event["id"], "outcome": outcome, "arrived": arrived, "action": event["action"]}
        body["missing"] = [region for region in self.regions if region not in arrived]
        self.spawn(
            self.notify(body | {name: event["target"].get(name) for name in ("repository", "tag", "digest")})
        )

    async def notify(self, body: dict[str, Any]) -> None:
        while await self.post(body) != 200:  # noqa: ASYNC110 - the sink decides
            await asyncio.sleep(1)

    def spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def starlette(client: Callable[[], Any], post: Callable[[Any], Post]) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client() as opened:
            app.state.fan_in = FanIn(post(opened))
            yield

    async def push(request: Request) -> Response:
        fan_in: FanIn = request.app.state.fan_in
        return Response(status_code=fan_in.arrive(request.query_params["region"], await request.body()))

    return Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])], lifespan=lifespan)


def with_httpx() -> Starlette:
    def post(client: httpx.AsyncClient) -> Post:
        async def send(body: dict[str, Any]) -> int:
            headers = {"webhook-id": str(body["id"])}
            return (await client.post(os.environ["NOTIFY_URL"], json=body, headers=headers)).status_code

        return send

    return starlette(httpx.AsyncClient, post)


def with_aiohttp() -> Starlette:
    def post(client: aiohttp.ClientSession) -> Post:
        async def send(body: dict[str, Any]) -> int:
            headers = {"webhook-id": str(body["id"])}
            async with client.post(os.environ["NOTIFY_URL"], json=body, headers=headers) as answer:
                return answer.status

        return send

    return starlette(aiohttp.ClientSession, post)


def plain() -> Any:
    """No framework, no lifespan, no client library: ASGI and a socket's streams."""

    async def send_raw(body: dict[str, Any]) -> int:
        host, _, port = os.environ["NOTIFY_URL"].split("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port or 80))
        content = json.dumps(body).encode()
        head = (
            f"POST / HTTP/1.1\r\nHost: {host}\r\nWebhook-Id: {body['id']}\r\nContent-Length: {len(content)}"
        )
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + content)
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status

    fan_in = FanIn(send_raw)

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError("this application knows no lifespan")
        content = b""
        more = True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        region = parse_qs(scope["query_string"].decode())["region"][0]
        await send({"type": "http.response.start", "status": fan_in.arrive(region, content), "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app
