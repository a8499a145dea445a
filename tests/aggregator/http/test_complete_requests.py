"""Requests that have come as a whole: taken and responded to at once, with what ASGI would have sent."""

import asyncio

import pytest

from fanin.aggregator.http.exchange import CompleteRequest, Message, Receive, Send, complete_request
from tests.aggregator.http.wire import GET, Application, Wire, settled, with_length


@pytest.mark.parametrize("fields", [b"", b"connection: close\r\n", b"expect: 100-continue\r\n"])
def test_a_request_that_has_come_as_a_whole_has_the_same_response(fields: bytes) -> None:
    """Whether the application takes it and responds at once, or as ASGI says."""

    async def story() -> None:
        wires = [Wire(Application(whole=whole)) for whole in (False, True)]
        for wire in wires:
            await wire.feed(with_length(b"body", fields), GET)

        assert wires[0].written == wires[1].written
        assert wires[0].closed == wires[1].closed == (b"close" in fields)
        for wire in wires:
            wire.close()

    asyncio.run(story())


def test_a_whole_response_waits_for_a_client_that_does_not_read() -> None:
    """It is sent as ASGI says then, and memory stays bounded."""
    results: list[bool] = []

    async def responding(scope: Message, _receive: Receive, _send: Send) -> None:
        request = complete_request(scope)
        assert request is not None
        await gone_on.wait()
        results.append(request.respond(200, ((b"content-length", b"0"),), b""))
        assert request.take_body() == b"body"
        assert request.take_body() is None

    async def story() -> None:
        wire = Wire(responding)
        await wire.feed(with_length(b"body"))
        wire.protocol.pause_writing()
        gone_on.set()
        await settled()

        assert results == [False]
        wire.close()
        await settled()

    gone_on = asyncio.Event()
    asyncio.run(story())


class Direct(Application):
    """Takes what it can without ASGI."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []

    def begin(self, request: CompleteRequest, connection: Message) -> bool:
        assert set(connection) == {"scheme", "server", "client"}
        self.begun.append(request.head.method)
        if request.head.method == "GET":
            return False
        body = request.take_body() or b""
        headers = ((b"content-length", b"%d" % len(body)),)
        asyncio.get_running_loop().call_soon(request.respond, 200, headers, body)
        return True


def test_an_application_takes_requests_without_asgi_if_they_have_come_as_a_whole() -> None:
    """One at a time, in order, with those that it leaves, and those that come in pieces, as ASGI says."""

    async def story() -> None:
        app = Direct()
        wire = Wire(app)
        await wire.feed(with_length(b"one") + GET + with_length(b"two"))
        await wire.feed(with_length(b"three")[:-2], b"ee")

        assert app.begun == ["POST", "GET", "POST"]
        assert [each.body for each in app.seen] == [b"", b"three"]
        assert wire.statuses == [200, 200, 200, 200]
        assert wire.written.index(b"one") < wire.written.index(b"two")
        wire.close()
        await settled()

    asyncio.run(story())


def test_a_limit_of_concurrent_requests_counts_all_of_them() -> None:
    """It counts tasks, so each request has one then."""

    async def story() -> None:
        app = Direct()
        wire = Wire(app, concurrency_max=5)
        await wire.feed(with_length(b"one"))

        assert app.begun == []
        assert wire.statuses == [200]
        wire.close()

    asyncio.run(story())


def test_a_client_that_leaves_before_its_response_costs_nothing() -> None:
    """The response is dropped."""

    async def story() -> None:
        app = Direct()
        wire = Wire(app)
        wire.protocol.data_received(with_length(b"one"))
        wire.close()
        await settled()

        assert app.begun == ["POST"]
        assert wire.statuses == []

    asyncio.run(story())


@pytest.mark.parametrize("header", [(b"x-a", b"1\r\nx-b: 2"), (b"content-length", b"7")])
def test_a_response_that_cannot_be_sent_ends_the_connection(header: tuple[bytes, bytes]) -> None:
    """Its client does not wait for ever."""

    class Broken(Direct):
        def begin(self, request: CompleteRequest, _: Message) -> bool:
            asyncio.get_running_loop().call_soon(request.respond, 200, (header,), b"")
            return True

    async def story() -> None:
        wire = Wire(Broken())
        await wire.feed(with_length(b"one"))

        assert wire.aborted
        assert wire.statuses == []
        await settled()

    asyncio.run(story())
