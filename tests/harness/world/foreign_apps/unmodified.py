"""An aggregator that is not written for the harness: environment, wall clock, one task per operation."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TIMEOUT_NAME = "WebhookTimeout"


def seconds(timespan: str) -> float:
    days, _, rest = (
        timespan.rpartition(".") if timespan.count(":") == 2 and "." in timespan[:4] else ("", "", timespan)
    )
    hours, minutes, secs = rest.split(":")
    return int(days or 0) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(secs)


def create_app() -> Starlette:
    regions = os.environ["WebhookRegions"].split(",")  # noqa: SIM112 - the original's name
    timeout = seconds(os.environ[TIMEOUT_NAME])
    operations: dict[str, dict[str, object]] = {}
    tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as app.state.http:
            yield

    async def push(request: Request) -> Response:
        event = await request.json()
        region = request.query_params["region"]
        operation = operations.get(event["id"])
        if operation is None:
            operation = operations[event["id"]] = {
                "event": event,
                "arrived": set(),
                "until": time.time() + timeout,
            }
            task = asyncio.create_task(expire(request.app, event["id"]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        arrived = operation["arrived"]
        assert isinstance(arrived, set)
        if "outcome" not in operation:
            arrived.add(region)
            if len(arrived) == len(regions):
                await notify(request.app, event["id"], "completed")
        return JSONResponse({"id": event["id"]}, 202)

    async def expire(app: Starlette, operation_id: str) -> None:
        until = operations[operation_id]["until"]
        assert isinstance(until, float)
        while time.time() < until:  # noqa: ASYNC110 - the wall clock decides
            await asyncio.sleep(until - time.time())
        if "outcome" not in operations[operation_id]:
            await notify(app, operation_id, "timed_out")

    async def notify(app: Starlette, operation_id: str, outcome: str) -> None:
        operation = operations[operation_id]
        operation["outcome"] = outcome
        event, arrived = operation["event"], operation["arrived"]
        assert isinstance(event, dict)
        assert isinstance(arrived, set)
        body = {
            "id": operation_id,
            "outcome": outcome,
            "arrived": sorted(arrived),
            "missing": sorted(set(regions) - arrived),
            "action": event["action"],
            **{name: event["target"].get(name) for name in ("repository", "tag", "digest")},
        }
        await app.state.http.post(os.environ["NOTIFY_URL"], json=body, headers={"webhook-id": operation_id})

    return Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])], lifespan=lifespan)


def create_app_of_several_regions() -> Starlette:
    if "," not in os.environ["WebhookRegions"]:  # noqa: SIM112 - the original's name
        raise ValueError("one region is none")
    return create_app()
