"""An aggregator with a path and variables of its own: REGION_LIST, DEADLINE_S, SINK_URL, and HTTP_PORT."""

import os
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from clients import with_aiohttp as in_our_words  # type: ignore[import-not-found]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def create_app() -> Starlette:
    for name in ("FANIN_REGIONS", "WebhookTimeout", "NOTIFY_URL", "PORT"):
        os.environ.pop(name, None)  # it has never heard of them
    os.environ["FANIN_REGIONS"] = os.environ["REGION_LIST"]
    os.environ["WebhookTimeout"] = f"0:00:{os.environ['DEADLINE_S']}"  # noqa: SIM112 - the original's name
    os.environ["NOTIFY_URL"] = os.environ["SINK_URL"].removeprefix("sink=")
    inside = in_our_words()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> Any:
        async with inside.router.lifespan_context(inside):
            yield

    async def push(request: Request) -> Response:
        status = inside.state.fan_in.arrive(request.path_params["region"], await request.body())
        return Response(status_code=status)

    return Starlette(routes=[Route("/hooks/{region}", push, methods=["POST"])], lifespan=lifespan)


if __name__ == "__main__":
    port = int(os.environ["HTTP_PORT"])
    uvicorn.run(create_app(), host="127.0.0.1", port=port, log_level="warning")
