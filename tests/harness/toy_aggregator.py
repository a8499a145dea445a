"""A small aggregator that keeps everything in memory, right on quiet days, and wrong in chosen ways.

It shares no code with `aggregator`, so that the judge is tried on something that it does not know.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fanin.harness.world.asgi import AsgiApp


class Toy:
    """One life of it. ``bug`` names the one thing that it does wrong; empty for none."""

    def __init__(self, settings: Mapping[str, str], epoch_ms: int, bug: str) -> None:
        self.regions = {region.strip().casefold() for region in settings["FANIN_REGIONS"].split(",")}
        self.timeout_s = parse(settings["FANIN_TIMEOUT"])
        self.notify_url = settings["FANIN_NOTIFY_URL"]
        self.epoch_ms = epoch_ms
        self.bug = bug
        self.waiting: dict[str, dict[str, Any]] = {}
        self.decided: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as self.session:
            yield

    def app(self) -> Starlette:
        route = Route("/api/ImagePush", self.webhook, methods=["POST"])
        return Starlette(routes=[route], lifespan=self.lifespan)

    async def webhook(self, request: Request) -> Response:
        region = request.query_params.get("region", "").strip().casefold()
        try:
            event = json.loads(await request.body())
            operation, action = event["id"], event["action"]
        except (ValueError, KeyError, TypeError):
            if self.bug == "accepts-anything":
                return JSONResponse({}, 202)
            return JSONResponse({"error": "malformed"}, 500 if self.bug == "fails-on-rubbish" else 400)
        if action == "ping":
            return JSONResponse({})
        if region not in self.regions:
            return JSONResponse({"error": "unknown region"}, 400)
        if self.bug == "starts-after-a-look":
            known = operation in self.waiting or operation in self.decided
            await asyncio.sleep(0.01)
        else:
            known = operation in self.waiting or operation in self.decided
        if not known:
            self.start(operation, event)
        if operation in self.waiting:
            self.arrive(operation, region)
        return JSONResponse({"id": operation}, 202)

    def start(self, operation: str, event: dict[str, Any]) -> None:
        self.waiting[operation] = {"event": event, "arrived": []}
        self.spawn(self.expire(operation))

    def arrive(self, operation: str, region: str) -> None:
        arrived = self.waiting[operation]["arrived"]
        if region not in arrived or self.bug == "counts-deliveries":
            arrived.append(region)
        if len(arrived) == len(self.regions):
            self.decide(operation, "completed")

    async def expire(self, operation: str) -> None:
        await asyncio.sleep(self.timeout_s / (2 if self.bug == "half-the-timeout" else 1))
        if operation in self.waiting or self.bug == "timer-stays-armed":
            self.decide(operation, "timed_out")

    def decide(self, operation: str, outcome: str) -> None:
        kept = self.waiting.pop(operation, {"event": {"target": {}}, "arrived": []})
        if self.bug != "forgets":
            self.decided.add(operation)
        event, arrived = kept["event"], sorted(set(kept["arrived"]))
        body = {
            "id": operation,
            "outcome": outcome,
            "arrived": arrived,
            "missing": [] if self.bug == "names-no-region" else sorted(self.regions - set(arrived)),
            "action": event.get("action"),
            "repository": event["target"].get("repository"),
            "tag": event["target"].get("tag"),
            "digest": event["target"].get("digest"),
        }
        self.spawn(self.tell(operation, body))

    async def tell(self, key: str, body: dict[str, Any]) -> None:
        for attempt in range(1000):
            sent_key = f"{key}-{attempt}" if self.bug == "key-per-attempt" else key
            status = None
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self.session.post(
                    self.notify_url, json=body, headers={"webhook-id": sent_key}
                ) as answer:
                    status = answer.status
            if status == 200 and not (self.bug == "tells-twice" and attempt == 0):
                return
            if self.bug == "tells-once":
                return
            await asyncio.sleep(min(60, 2**attempt))

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def parse(duration: str) -> float:
    """The harness writes durations such as 1m20s."""
    total, number = 0.0, ""
    for character in duration:
        if character in "0123456789.":
            number += character
        else:
            total += float(number) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[character]
            number = ""
    return total


def toy(bug: str = "") -> Callable[[Mapping[str, str], int], AsgiApp]:
    """A factory for `fanin.harness.world.play.play`."""
    return lambda settings, epoch_ms: Toy(settings, epoch_ms, bug).app()
