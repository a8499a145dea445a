"""The HTTP in front of every peer: one server, one reading of webhooks, so that only engines differ.

A peer's own part is a function that takes one arrival and returns when its engine has it.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, NamedTuple

import aiohttp
import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fanin.aggregator.wire import decode, normalise_region, subject_of

type Deliver = Callable[[str, str, dict[str, Any]], Awaitable[None]]  # id, region, subject

_encoder = msgspec.json.Encoder()


class World(NamedTuple):
    """The environment of every contender."""

    regions: tuple[str, ...]
    timeout_s: float
    notify_url: str
    data_dir: str  # exists; on the same disk for every contender


def world() -> World:
    """Read it."""
    env = os.environ
    return World(
        tuple(env["PEER_REGIONS"].split(",")),
        float(env["PEER_TIMEOUT_S"]),
        env["PEER_NOTIFY_URL"],
        env["PEER_DATA_DIR"],
    )


def notification(
    operation: str, arrived: Sequence[str], expected: Sequence[str], subject: Mapping[str, Any]
) -> bytes:
    """The body of a notification."""
    missing = sorted(set(expected) - set(arrived))
    body = {
        "id": operation,
        "outcome": "timed_out" if missing else "completed",
        "arrived": sorted(arrived),
        "missing": missing,
        **subject,
    }
    return _encoder.encode(body)


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[Callable[[str, bytes], Awaitable[None]]]:
    """POSTs notifications; raises what is not a 2xx, so that the engine tries again."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:

        async def send(key: str, body: bytes) -> None:
            headers = {"content-type": "application/json", "webhook-id": key}
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                answer.raise_for_status()

        yield send


def application(
    deliver: Deliver,
    regions: Sequence[str],
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """The endpoint that the registry calls; 202 once the engine has the arrival."""

    async def push(request: Request) -> Response:
        region = normalise_region(request.query_params.get("region", ""))
        if region not in regions:
            return Response(status_code=400)
        event = decode(await request.body())
        subject = subject_of(event)
        named = {name: getattr(subject, name) for name in ("action", "repository", "tag", "digest")}
        await deliver(event.id, region, named)
        return Response(status_code=202)

    return Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"]), *routes], lifespan=lifespan)


async def _nothing_more(_: int) -> None:
    return


def serve(app: Starlette, ready: Callable[[int], Awaitable[None]] = _nothing_more) -> None:
    """Serve on a free port of this machine until SIGTERM, tuned as `fanin.aggregator.cli.serve` is.

    Prints the port when ``ready``, which is called with it, has returned.
    """
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", access_log=False)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if not self.started:
                return
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)
            port = self.servers[0].sockets[0].getsockname()[1]
            await ready(port)
            print(port, flush=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, suppress(KeyboardInterrupt):
        runner.run(Server(config).serve())
