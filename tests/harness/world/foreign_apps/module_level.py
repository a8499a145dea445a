"""Applications as most are: made when their module is imported, with their settings read there.

`app` keeps its state in a file that it opens in its lifespan, `forgetful` in a global variable.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import right
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

REGIONS = os.environ["WebhookRegions"].split(",")  # noqa: SIM112 - the original's name
TIMEOUT_S = float(os.environ["TIMEOUT_S"])
OPERATIONS: dict[str, dict[str, Any]] = {}
TASKS: set[asyncio.Task[None]] = set()


async def take(request: Request) -> Response:
    event, region = await request.json(), request.query_params["region"]
    if event["id"] not in OPERATIONS:
        OPERATIONS[event["id"]] = {"event": event, "arrived": set(), "outcome": None}
        start(expire(event["id"]))
    arrived = OPERATIONS[event["id"]]["arrived"]
    arrived.add(region)
    if len(arrived) == len(REGIONS):
        start(decide(event["id"], "completed"))
    return Response(status_code=202)


async def expire(id_: str) -> None:
    await asyncio.sleep(TIMEOUT_S)
    await decide(id_, "timed_out")


async def decide(id_: str, outcome: str) -> None:
    operation = OPERATIONS[id_]
    if operation["outcome"] is None:
        operation["outcome"] = outcome
        arrived = sorted(operation["arrived"])
        body = {"id": id_, "outcome": outcome, "arrived": arrived, "action": operation["event"]["action"]}
        body["missing"] = sorted(set(REGIONS) - set(arrived))
        target = operation["event"]["target"]
        body |= {name: target.get(name) for name in ("repository", "tag", "digest")}
        await right.post_with_httpx(body, id_)


def start(work: Any) -> None:
    task = asyncio.create_task(work)
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)


forgetful = Starlette(routes=[Route("/api/ImagePush", take, methods=["POST"])])


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    app.state.fan_in = fan_in = right.FanIn()
    fan_in.spawn(fan_in.run())
    yield
    for task in tuple(fan_in.tasks):
        task.cancel()
    fan_in.db.close()


async def push(request: Request) -> Response:
    # What is imported within a function is this life's as well.
    import right as imported_late

    assert imported_late is right
    assert sys.modules[__name__].app is app
    if (event := right.read(await request.body())) is None:
        return Response(status_code=400)
    app.state.fan_in.arrive(request.query_params["region"], event)
    app.state.fan_in.woken.set()
    return Response(status_code=202)


app = Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])], lifespan=lifespan)
