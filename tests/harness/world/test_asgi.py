"""An instance of an ASGI application in process: what it receives, and what its clients see."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fanin.harness.world.asgi import AppInstance, StartError, WebhookResponse
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.simulator.wire import WebhookRequest

HELLO = WebhookRequest("/echo%20it?region=%20eastus", (("X-Custom", "yes"),), b'{"id": "1"}', " eastus")


async def echo(request: Request) -> Response:
    body = (await request.body()).decode()
    seen = {"path": request.url.path, "region": request.query_params.get("region"), "body": body}
    return JSONResponse(
        seen | {"custom": request.headers["x-custom"], "ms": elapsed_ms()}, headers={"X-Note": "n"}
    )


async def fail(_: Request) -> Response:
    raise RuntimeError("broken")


async def linger(_: Request) -> Response:
    await asyncio.sleep(30)
    return Response("late")


def app(**options: Any) -> Starlette:
    routes = [Route("/echo it", echo, methods=["POST"]), Route("/fail", fail, methods=["POST"])]
    return Starlette(routes=[*routes, Route("/linger", linger, methods=["POST"])], **options)


def live(play: Callable[[AppInstance], Awaitable[None]], application: Any = None) -> None:
    """Run one instance of an application in virtual time."""
    kernel = VirtualKernel(0)

    async def main() -> None:
        await play(AppInstance(application or app(), kernel.host("aggregator").create_task))

    kernel.run(main())


async def ask(
    instance: AppInstance, request: WebhookRequest = HELLO, *, over_ms: int = 0, killed: bool = False
) -> WebhookResponse:
    return await instance.request(request, body_over_ms=over_ms, on_response=lambda _status: killed)


def at(target: str) -> WebhookRequest:
    return WebhookRequest(target, (("X-Custom", "yes"),), b"", None)


def test_a_request_arrives_as_it_would_over_http() -> None:
    """Path and query decoded by the application, headers in lower case, the body whole."""

    async def play(instance: AppInstance) -> None:
        await instance.startup()
        answer = await ask(instance)
        assert (answer.status, answer.headers["x-note"]) == (200, "n")

    live(play)


def test_a_slow_clients_body_takes_its_time() -> None:
    """The application has the whole body only when the last piece has come."""

    async def play(instance: AppInstance) -> None:
        await instance.startup()
        await ask(instance, over_ms=4_000)
        assert elapsed_ms() == 4_000

    live(play)


def test_an_exception_is_a_500_as_under_uvicorn() -> None:
    """It neither ends the world nor leaves the client waiting."""

    async def play(instance: AppInstance) -> None:
        await instance.startup()
        assert (await ask(instance, at("/fail"))).status == 500

    live(play)


def test_connections_are_refused_before_the_start_and_after_the_stop() -> None:
    """A connection refused is a request that certainly did not count."""

    async def play(instance: AppInstance) -> None:
        with pytest.raises(ConnectionRefusedError):
            await ask(instance)
        await instance.startup()
        await instance.shutdown()
        with pytest.raises(ConnectionRefusedError):
            await ask(instance)

    live(play)


def test_a_stop_waits_for_the_requests_in_flight() -> None:
    """As uvicorn drains on SIGTERM; the lifespan ends after them."""
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        order.append("up")
        yield
        order.append(f"down at {elapsed_ms()}")

    async def play(instance: AppInstance) -> None:
        await instance.startup()
        in_flight = asyncio.create_task(ask(instance, at("/linger")))
        await asyncio.sleep(1)
        await instance.shutdown()
        order.append(str((await in_flight).status))

    live(play, app(lifespan=lifespan))

    assert order == ["up", "down at 30000", "200"]


def test_a_kill_breaks_the_requests_in_flight() -> None:
    """The client sees a broken connection, at that very instant."""

    async def play(instance: AppInstance) -> None:
        await instance.startup()
        in_flight = asyncio.create_task(ask(instance, at("/linger")))
        await asyncio.sleep(1)
        instance.kill()
        with pytest.raises(ConnectionResetError):
            await in_flight
        assert elapsed_ms() == 1_000

    live(play)


def test_a_kill_breaks_many_requests_in_the_same_order_each_time() -> None:
    """The seed decides the order, and not where in memory they lie."""

    def order() -> list[int]:
        broken: list[int] = []

        async def one(instance: AppInstance, number: int) -> None:
            with suppress(ConnectionResetError):
                await ask(instance, at("/linger"))
            broken.append(number)

        async def play(instance: AppInstance) -> None:
            await instance.startup()
            async with asyncio.TaskGroup() as group:
                for number in range(30):
                    group.create_task(one(instance, number))
                await asyncio.sleep(1)
                instance.kill()

        live(play)
        return broken

    first = order()

    assert sorted(first) == list(range(30))
    assert order() == first


def test_a_kill_at_the_response_keeps_it_from_leaving() -> None:
    """`before-response`: the work is done, the client never learns."""

    async def play(instance: AppInstance) -> None:
        await instance.startup()
        with pytest.raises(ConnectionResetError):
            await ask(instance, killed=True)

    live(play)


def test_a_start_that_fails_says_why() -> None:
    """The application's own words."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        raise RuntimeError("the data folder is read-only")
        yield

    async def play(instance: AppInstance) -> None:
        with pytest.raises(StartError, match="the data folder is read-only"):
            await instance.startup()

    live(play, app(lifespan=lifespan))


async def raises_at_the_lifespan(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 204, "headers": []})


async def returns_at_the_lifespan(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await raises_at_the_lifespan(scope, receive, send)


@pytest.mark.parametrize("application", [raises_at_the_lifespan, returns_at_the_lifespan])
def test_an_application_without_a_lifespan_is_up_at_once(application: Any) -> None:
    """As in uvicorn: one that refuses the lifespan, or ignores it, has none. It can be stopped, too."""

    async def play(instance: AppInstance) -> None:
        await instance.startup()
        assert (await ask(instance)).status == 204
        await instance.shutdown()

    live(play, application)


def test_a_client_that_gives_up_is_a_disconnect() -> None:
    """The application is notified, and may go on."""
    received: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            return
        await receive()
        received.append((await receive())["type"])

    async def play(instance: AppInstance) -> None:
        await instance.startup()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await ask(instance)
        await asyncio.sleep(0.01)

    live(play, application)

    assert received == ["http.disconnect"]
