"""Restate: ``python -m benchmarks.peers.restate_object``. Its server is a child of this process.

The plain way: a virtual object per operation. Its handlers run one after the other, so the arrival that makes
the set full decides; the deadline is a delayed message that the object sends itself with the first arrival.
"""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import restate
from starlette.routing import Mount

from benchmarks.peers.contenders import found
from benchmarks.peers.front import application, notification, sender, serve, world
from fanin.aggregator.engines.restate.dev_backend import free_ports

WORLD = world()
MOUNT = "/restate"
fan_in = restate.VirtualObject("FanIn")


@fan_in.handler()
async def arrive(ctx: restate.ObjectContext, arrival: dict[str, Any]) -> None:
    """One region has it."""
    arrived = await ctx.get("arrived", type_hint=list)
    if arrived is None:
        arrived = []
        ctx.set("subject", arrival["subject"])
        ctx.object_send(expire, ctx.key(), None, send_delay=timedelta(seconds=WORLD.timeout_s))
    if arrival["region"] in arrived or await ctx.get("done", type_hint=bool):
        return
    arrived.append(arrival["region"])
    ctx.set("arrived", arrived)
    if len(arrived) == len(WORLD.regions):
        await decide(ctx, arrived)


@fan_in.handler()
async def expire(ctx: restate.ObjectContext) -> None:
    """The deadline has come."""
    if not await ctx.get("done", type_hint=bool):
        await decide(ctx, await ctx.get("arrived", type_hint=list) or [])


async def decide(ctx: restate.ObjectContext, arrived: list[str]) -> None:
    """Decide; another invocation notifies, so that a slow target delays no arrival."""
    ctx.set("done", True)
    subject = await ctx.get("subject", type_hint=dict)
    ctx.service_send(notify, {"id": ctx.key(), "arrived": arrived, "subject": subject})


notifier = restate.Service("Notifier")


@notifier.handler()
async def notify(ctx: restate.Context, outcome: dict[str, Any]) -> None:
    """Until it is accepted; Restate repeats the step with a growing pause."""
    body = notification(outcome["id"], outcome["arrived"], WORLD.regions, outcome["subject"] or {})

    async def post() -> None:
        await APP.state.send(outcome["id"], body)

    await ctx.run_typed("post", post)


@asynccontextmanager
async def server() -> AsyncIterator[tuple[str, str]]:
    """Its ingress and its admin address. One partition: all of it runs on one core."""
    ingress, admin, node = free_ports(3)
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else is to be done meanwhile
        [found("restate-server"), "--no-logo"],
        env=os.environ
        | {
            "RESTATE_BASE_DIR": WORLD.data_dir,
            "RESTATE_INGRESS__BIND_PORT": str(ingress),
            "RESTATE_ADMIN__BIND_PORT": str(admin),
            "RESTATE_BIND_PORT": str(node),
            "RESTATE_DEFAULT_NUM_PARTITIONS": "1",
            "RESTATE_LOG_FILTER": "error",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_DISABLE_TELEMETRY": "true",
        },
        stdout=sys.stderr,
    )
    try:
        yield f"http://127.0.0.1:{ingress}", f"http://127.0.0.1:{admin}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


async def register(session: aiohttp.ClientSession, admin: str, uri: str) -> None:
    """Make the handlers known, as soon as both sides answer."""
    body = {"uri": uri, "use_http_11": True, "force": True}
    give_up = time.monotonic() + 60
    while True:
        try:
            async with session.post(f"{admin}/deployments", json=body) as answer:
                said = await answer.text()
                if answer.ok:
                    return
        except aiohttp.ClientError as exc:
            said = str(exc)
        if time.monotonic() > give_up:
            raise TimeoutError(said)


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    # As many connections to the ingress as there are requests; a limit would make them wait for each other.
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        server() as (ingress, admin),
        aiohttp.ClientSession(connector=connector) as session,
        sender(WORLD.notify_url) as send,
    ):
        app.state.session, app.state.ingress, app.state.admin, app.state.send = session, ingress, admin, send
        yield


async def ready(port: int) -> None:
    await register(APP.state.session, APP.state.admin, f"http://127.0.0.1:{port}{MOUNT}")


async def deliver(operation: str, region: str, subject: dict[str, Any]) -> None:
    """A send: Restate answers once it has it for certain. Region and operation make it happen once."""
    async with APP.state.session.post(
        f"{APP.state.ingress}/FanIn/{operation}/arrive/send",
        json={"region": region, "subject": subject},
        headers={"idempotency-key": f"{operation}/{region}"},
    ) as answer:
        await answer.read()
        answer.raise_for_status()


APP = application(
    deliver, WORLD.regions, lifespan, [Mount(MOUNT, app=restate.app(services=[fan_in, notifier]))]
)

if __name__ == "__main__":
    serve(APP, ready)
