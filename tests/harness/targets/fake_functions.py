"""A small Durable Functions host with the published sample's functions, in memory and in real time.

It has the HTTP API's check-status answers and status bodies, with history, as far as a probe looks at them.
Its function does what the sample's does: look the instance up, start it if there is none, raise the event,
and each of these takes storage some time. It is right, because one webhook of an instance waits for another,
or wrong in chosen ways: ``looks-then-starts`` where none waits, as in the sample, so that a second start
wipes out the first with its events; ``waits-twice`` as the sample's orchestration; ``rises-again`` where a
late webhook starts a finished instance anew; ``activity-fails`` where the notification cannot be sent.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

SYSTEM_KEY = "system-key-of-the-task-hub"
STORAGE_S = 0.05
_ACTIVITIES = {"Completed": "FirePushNotification", "TimedOut": "FireTimeoutNotification"}


def stamp(at: datetime) -> str:
    """As .NET writes it: seven fractional digits."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}0Z"


class Instance:
    """One orchestration: WaitForAllRegions."""

    def __init__(self, instance_id: str, regions: Sequence[str], waits: int) -> None:
        now = datetime.now(UTC)
        self.id, self.created = instance_id, now
        self.wanted = dict.fromkeys(regions, waits)
        self.status = "Running"
        self.history: list[dict[str, Any]] = [
            {"EventType": "ExecutionStarted", "FunctionName": "WaitForAllRegions", "Timestamp": stamp(now)}
        ]

    def record(self, **event: Any) -> None:
        self.history.append({**event, "Timestamp": stamp(datetime.now(UTC))})


class FakeFunctions:
    """The host. ``says`` is what its orchestrations return, instead of calling activities, if anything."""

    def __init__(self, regions: Sequence[str], timeout_s: float, bug: str = "", says: str = "") -> None:
        self.regions, self.timeout_s, self.bug, self.says = tuple(regions), timeout_s, bug, says
        self.instances: dict[str, Instance] = {}
        self._looked: dict[str, tuple[set[str], asyncio.Event]] = {}  # by instance: regions that found none
        self._one_at_a_time: dict[str, asyncio.Lock] = {}  # by instance id
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Serve on a free port of the loopback interface, and return it."""
        app = web.Application()
        app.router.add_post("/api/ImagePush", self.image_push)
        app.router.add_get("/runtime/webhooks/durabletask/instances/{id}", self.status)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self.port

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()

    # --- the functions ---

    async def image_push(self, request: web.Request) -> web.Response:
        region = request.query.get("region", "").strip().casefold()
        event: dict[str, Any] = {}
        with suppress(ValueError, RecursionError):
            event = await request.json()
        if region not in self.regions or not isinstance(event, dict):
            return web.Response(status=400)
        if not (isinstance(event.get("id"), str) and event["id"] and isinstance(event.get("action"), str)):
            return web.Response(status=400)
        if event.get("action") == "ping":
            return web.json_response({})
        if not isinstance(event.get("target"), dict):
            return web.Response(status=400)
        if self.bug == "looks-then-starts":
            instance = await self.find_or_start(event["id"], region)
        else:
            async with self._one_at_a_time.setdefault(event["id"], asyncio.Lock()):
                instance = await self.find_or_start(event["id"], region)
        uri = (
            f"http://127.0.0.1:{self.port}/runtime/webhooks/durabletask/instances/{instance.id}"
            f"?taskHub=Fake&connection=Storage&code={SYSTEM_KEY}"
        )
        return web.json_response(
            {"id": instance.id, "statusQueryGetUri": uri, "terminatePostUri": uri},
            status=202,
            headers={"Location": uri, "Retry-After": "10"},
        )

    async def find_or_start(self, instance_id: str, region: str) -> Instance:
        await asyncio.sleep(STORAGE_S)
        instance = self.instances.get(instance_id)
        if instance is None or (self.bug == "rises-again" and instance.status == "Completed"):
            if self.bug == "looks-then-starts":
                await self._all_have_looked(instance_id, region)
            # No two regions are equally fast, so that their starts and events do not come in step.
            await asyncio.sleep(STORAGE_S * (1 + 2 * self.regions.index(region)))
            instance = self.begin(instance_id)
        await asyncio.sleep(STORAGE_S)
        self.raise_event(self.instances[instance_id], region)
        return instance

    async def _all_have_looked(self, instance_id: str, region: str) -> None:
        """Wait until no region has found the instance, however slow the machine is; for a second at most."""
        looked, all_have = self._looked.setdefault(instance_id, (set(), asyncio.Event()))
        looked.add(region)
        if len(looked) == len(self.regions):
            all_have.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(all_have.wait(), 1)

    async def status(self, request: web.Request) -> web.Response:
        instance = self.instances.get(request.match_info["id"])
        if instance is None or request.query.get("code") != SYSTEM_KEY:
            return web.Response(status=404 if instance is None else 401)
        if self.bug == "hides-all-but-the-first" and instance is not next(iter(self.instances.values())):
            return web.Response(status=500)
        body: dict[str, Any] = {
            "name": "WaitForAllRegions",
            "instanceId": instance.id,
            "runtimeStatus": instance.status,
            "input": None,
            "customStatus": None,
            "output": {"outcome": self.says} if self.says and instance.status == "Completed" else None,
            "createdTime": f"{instance.created:%Y-%m-%dT%H:%M:%SZ}",
            "lastUpdatedTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        if request.query.get("showHistory") == "true":
            body["historyEvents"] = instance.history
        return web.json_response(body, status=202 if instance.status == "Running" else 200)

    # --- the orchestration ---

    def begin(self, instance_id: str) -> Instance:
        instance = Instance(instance_id, self.regions, 2 if self.bug == "waits-twice" else 1)
        self.instances[instance_id] = instance
        task = asyncio.get_running_loop().create_task(self.time_out(instance))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return instance

    def raise_event(self, instance: Instance, region: str) -> None:
        if instance.status != "Running":
            return  # a finished instance takes no events, silently
        instance.record(EventType="EventRaised", Name=f"pushevent-{region}")
        instance.wanted[region] -= 1
        if all(count <= 0 for count in instance.wanted.values()):
            self.finish(instance, "Completed")

    async def time_out(self, instance: Instance) -> None:
        await asyncio.sleep(self.timeout_s)
        if instance.status == "Running":
            instance.record(EventType="TimerFired", FireAt=stamp(instance.created))
            self.finish(instance, "TimedOut")

    def finish(self, instance: Instance, how: str) -> None:
        if not self.says:
            ended = "TaskFailed" if self.bug == "activity-fails" else "TaskCompleted"
            scheduled = stamp(datetime.now(UTC))
            instance.record(EventType=ended, FunctionName=_ACTIVITIES[how], ScheduledTime=scheduled)
        instance.status = "Completed"
        instance.record(EventType="ExecutionCompleted", OrchestrationStatus="Completed", Result=None)
