"""A deployment on loopback: answers webhooks, and notifies when every region has reported, right or wrong."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

import aiohttp
from aiohttp import web


class FakeDeployment:
    """Answers every webhook with one status, and notifies ``notify_url`` of each id that all regions sent.

    Args:
        regions: Those that it waits for.
        status: Its answer.
        notify_url: Where it notifies; empty: nowhere.
        says: Fields of its notification, in place of the right ones.
    """

    def __init__(
        self,
        *regions: str,
        status: int = 202,
        notify_url: str = "",
        says: Mapping[str, Any] | None = None,
    ) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []  # target and headers
        self.notify_url = notify_url
        self._regions, self._status, self._says = set(regions), status, dict(says or {})
        self._arrived: dict[str, set[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()

    async def _hook(self, request: web.Request) -> web.Response:
        self.requests.append((request.path_qs, {name.lower(): it for name, it in request.headers.items()}))
        event, region = await request.json(), request.query["region"]
        arrived = self._arrived.setdefault(event["id"], set())
        arrived.add(region)
        if arrived == self._regions and self.notify_url:
            body = {"id": event["id"], "outcome": "completed", "arrived": sorted(arrived), "missing": []}
            task = asyncio.create_task(self._notify(body | self._says))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return web.Response(status=self._status)

    async def _notify(self, body: Mapping[str, Any]) -> None:
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as client, client.post(self.notify_url, json=body):
                pass
