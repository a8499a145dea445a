"""The client of a Restate server: which node gets a request, and what a failure means."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from fanin.aggregator.engines.restate.http import (
    CONNECTIONS_MAX,
    NoResponseError,
    RestateClient,
    ServerResponse,
    UnreachableError,
)
from fanin.aggregator.notify.address import parse

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def node(handler: Handler) -> AsyncIterator[str]:
    """A node's address."""
    runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type] # its type names a private base
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(*urls: str) -> AsyncIterator[RestateClient]:
    opened = RestateClient([parse(url) for url in urls])
    try:
        yield opened
    finally:
        await opened.close()


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_key_reaches_the_server_as_it_was_encoded() -> None:
    """With the address's path and credentials, and the body as it is."""

    async def story() -> None:
        async def echo(request: web.Request) -> web.StreamResponse:
            text = f"{request.raw_path} {request.headers['authorization']} {await request.text()}"
            return web.Response(status=202, text=text)

        async with node(echo) as address, client(f"http://me:secret@{address}/base/") as restate:
            response = await restate.post("/FanIn/a%2Fb%3F/arrive", b"{}")

        assert response == ServerResponse(202, b"/base/FanIn/a%2Fb%3F/arrive Basic bWU6c2VjcmV0 {}")

    asyncio.run(story())


def test_the_next_node_is_used_when_one_cannot_be_reached_and_stays_in_use() -> None:
    """The lost node costs one attempt, not one for each call."""

    async def story() -> None:
        requests = []

        async def answer(request: web.Request) -> web.StreamResponse:
            requests.append(request.path)
            return web.Response()

        lost = closed_port()
        async with (
            node(answer) as address,
            client(f"http://127.0.0.1:{lost}", f"http://{address}") as restate,
        ):
            await restate.get("/one")
            with socket.create_server(("127.0.0.1", lost)):  # it would take the connection, and never respond
                async with asyncio.timeout(10):
                    await restate.get("/two")

        assert requests == ["/one", "/two"]

    asyncio.run(story())


def test_where_no_node_can_be_reached_nothing_was_sent() -> None:
    """The message names each node and the reason."""

    async def story() -> None:
        ports = closed_port(), closed_port()
        async with client(*(f"http://127.0.0.1:{port}" for port in ports)) as restate:
            with pytest.raises(UnreachableError) as failure:
                await restate.get("/")

        for port in ports:
            assert f"127.0.0.1:{port}: Connection refused" in str(failure.value)

    asyncio.run(story())


def test_a_connection_that_breaks_leaves_the_result_unknown_and_nothing_is_repeated() -> None:
    """A call that is sent twice would be carried out twice."""

    async def story() -> None:
        requests = []

        async def hang_up(request: web.Request) -> web.StreamResponse:
            requests.append(request.path)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        async with node(hang_up) as address, client(f"http://{address}") as restate:
            with pytest.raises(NoResponseError):
                await restate.post("/once", b"{}")

        assert requests == ["/once"]

    asyncio.run(story())


def test_a_burst_of_calls_opens_no_more_connections_than_the_server_s_queue_holds() -> None:
    """The system drops the others' requests for a connection, which are repeated after seconds."""

    async def story() -> None:
        full = asyncio.Event()
        under_way = most = 0

        async def hold_until_all_connections_are_used(_request: web.Request) -> web.StreamResponse:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            if under_way == CONNECTIONS_MAX:
                full.set()
            await full.wait()
            under_way -= 1
            return web.Response()

        calls = 300
        async with (
            node(hold_until_all_connections_are_used) as address,
            client(f"http://{address}") as restate,
        ):
            responses = await asyncio.gather(*(restate.post(f"/{n}", b"{}") for n in range(calls)))

        assert len(responses) == calls
        assert most <= 128

    asyncio.run(story())
