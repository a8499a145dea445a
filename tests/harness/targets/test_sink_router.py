"""One sink address for many worlds: to which of them a notification goes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from fanin.harness.dialect import CONTRACT
from fanin.harness.history import NotificationReceived
from fanin.harness.targets.endpoint import Secret
from fanin.harness.targets.sink_router import ECHO, SinkRouter
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.sink import Sink
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkRefuses
from fanin.simulator.language.scenario import Scenario

KEY = "s3cr+t"


def world(*ids: str, faults: tuple[Fault, ...] = ()) -> Sink:
    """The sink of a world whose operations have these ids."""
    return Sink(
        Scenario(scenario="s", title="t", faults=faults),
        Recorder(elapsed_ms),
        operation_of=lambda body: body["id"] if body and body["id"] in ids else None,
        before=lambda _op: False,
        after=lambda _op: False,
    )


def received(sink: Sink) -> list[NotificationReceived]:
    return [it for it in sink.recorder.entries if isinstance(it, NotificationReceived)]


def route(client: Callable[[SinkRouter, aiohttp.ClientSession], Awaitable[None]], *sinks: Sink) -> SinkRouter:
    """Let the client talk to a router in front of these sinks."""
    kernel = VirtualKernel(0)
    router = SinkRouter(CONTRACT, ("eastus", "westus"), Secret(KEY))

    async def main() -> None:
        for sink in sinks:
            router.connect(sink)
        await kernel.host("sink").create_task(router.listen("0.0.0.0", 80))  # noqa: S104 - simulated
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session:
            await client(router, session)
        router.close()

    kernel.run(main())
    return router


async def post(session: aiohttp.ClientSession, id_: Any, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.post("http://sink/", json={"id": id_}, headers=named) as response:
        return response.status


def test_a_notification_goes_to_the_world_of_its_operation() -> None:
    """Over one connection or several: the body decides."""
    first, second = world("a", "b"), world("c")

    async def client(_router: SinkRouter, session: aiohttp.ClientSession) -> None:
        assert [await post(session, id_) for id_ in "acb"] == [200, 200, 200]

    router = route(client, first, second)

    assert [it.op for it in received(first)] == ["a", "b"]
    assert [it.op for it in received(second)] == ["c"]
    assert router.unattributed == []


def test_each_world_has_faults_of_its_own() -> None:
    """The sink of one refuses while that of another accepts."""
    refusing = world("a", faults=(SinkRefuses(until=60_000),))

    async def client(_router: SinkRouter, session: aiohttp.ClientSession) -> None:
        assert [await post(session, id_) for id_ in "ab"] == [503, 200]

    route(client, refusing, world("b"))


def test_what_belongs_to_no_world_is_accepted_and_listed() -> None:
    """Refused, it would be sent again and again."""

    async def client(_router: SinkRouter, session: aiohttp.ClientSession) -> None:
        assert await post(session, "of another run") == 200

    router = route(client, world("a"))

    assert router.unattributed == ["of another run"]


def test_what_is_expected_reaches_who_expects_it() -> None:
    """By id, or by the header of a request of the harness's own; a second one is not lost, only ignored."""
    found: list[object] = []

    async def client(router: SinkRouter, session: aiohttp.ClientSession) -> None:
        push, echo = router.expect("push-1", "sha256:1"), router.expect("echo-1")
        await post(session, "push-1")
        await post(session, "push-1")
        await post(session, None, **{ECHO: "echo-1"})
        async with asyncio.timeout(1):
            found.extend([await push, await echo])

    router = route(client)

    assert found == [(None, {"id": "push-1"}), (None, {"id": None})]
    assert router.unattributed == []


def test_the_key_is_removed_before_anything_is_recorded() -> None:
    """An aggregator may send back what it was called with."""
    sink = world("a")

    async def client(_router: SinkRouter, session: aiohttp.ClientSession) -> None:
        body = {"id": "a", "called": f"/hook?code={KEY}", "encoded": "s3cr%2Bt"}
        headers = {"webhook-id": f"id-{KEY}"}
        async with session.post("http://sink/", json=body, headers=headers) as response:
            assert response.status == 200

    route(client, sink)

    assert received(sink)[0].key == "id-…"
    assert received(sink)[0].body == {"id": "a", "called": "/hook?code=…", "encoded": "…"}
