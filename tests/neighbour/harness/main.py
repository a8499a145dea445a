"""A fan-in service that keeps everything in memory: enough for a day on which nothing crashes."""

import asyncio
import os

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def create_app() -> Starlette:
    """The application, configured by the environment."""
    regions = {name.casefold() for name in os.environ["FANIN_REGIONS"].split(",")}
    timeout_s = seconds(os.environ["WebhookTimeout"])
    notify_url = os.environ["FANIN_NOTIFY_URL"]
    events: dict[str, dict] = {}
    arrived: dict[str, set[str]] = {}
    tasks: set[asyncio.Task[None]] = set()

    async def notify(event: dict, outcome: str) -> None:
        target = event["target"]
        body = {
            "id": event["id"],
            "outcome": outcome,
            "arrived": sorted(arrived[event["id"]]),
            "missing": sorted(regions - arrived[event["id"]]),
            "action": event["action"],
            "repository": target.get("repository"),
            "tag": target.get("tag"),
            "digest": target.get("digest"),
        }
        async with httpx.AsyncClient() as client:
            await client.post(notify_url, json=body, headers={"webhook-id": event["id"]})

    async def expire(event: dict) -> None:
        await asyncio.sleep(timeout_s)
        if arrived[event["id"]] != regions:
            await notify(event, "timed_out")

    async def webhook(request: Request) -> JSONResponse:
        event, region = await request.json(), request.query_params["region"].casefold()
        if event["id"] not in events:
            events[event["id"]], arrived[event["id"]] = event, set()
            spawn(expire(event))
        if region not in arrived[event["id"]]:
            arrived[event["id"]].add(region)
            if arrived[event["id"]] == regions:
                spawn(notify(event, "completed"))
        return JSONResponse({}, 202)

    def spawn(work) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return Starlette(routes=[Route("/api/ImagePush", webhook, methods=["POST"])])


def seconds(span: str) -> int:
    """Of a .NET TimeSpan such as 0:02:00."""
    hours, minutes, rest = span.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)
