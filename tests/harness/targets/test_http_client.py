"""Webhooks over a real network: what of a request reaches the other side."""

import asyncio

import pytest

from fanin.harness.targets.http_client import client, deliver
from fanin.simulator.faults.delivery import DeliveryContext
from fanin.simulator.faults.request import UpgradeH2c
from fanin.simulator.plan import Delivery
from fanin.simulator.rng import LazyRandom
from fanin.simulator.wire import address, webhook_request

BODY = b'{"id":"1"}'


@pytest.mark.anyio
async def test_a_failure_of_tls_is_named_as_one() -> None:
    """OpenSSL's number 1 is not the system's, which would be "Operation not permitted"."""
    request = webhook_request(address("/hook", "eastus"), {}, BODY)

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, client() as session:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionRefusedError, match=r"^TLS failed: wrong version number$"):
            await deliver(
                session,
                f"https://127.0.0.1:{port}/hook",
                request,
                body_over_ms=0,
                on_response=lambda _status: False,
            )


@pytest.mark.anyio
async def test_an_offer_to_upgrade_leaves_as_it_is() -> None:
    """No client library drops its hop-by-hop headers, and the body follows at once."""
    request = webhook_request(address("/hook", "eastus"), {}, BODY)
    plain = Delivery(0, "op", "eastus", "1", 0, request)
    (offered,) = UpgradeH2c().apply(plain, DeliveryContext(0, LazyRandom(0), iter(()), frozenset()))
    received = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.readuntil(BODY))
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, client() as session:
        port = server.sockets[0].getsockname()[1]
        response, _ = await deliver(
            session,
            f"http://127.0.0.1:{port}/hook",
            offered.request,
            body_over_ms=0,
            on_response=lambda _status: False,
        )

    head, _, body = bytes(received).partition(b"\r\n\r\n")
    lines = {line.lower() for line in head.split(b"\r\n")}
    assert response.status == 202
    assert b"connection: upgrade, http2-settings" in lines
    assert {b"upgrade: h2c", b"http2-settings: aaeaaeaaaaiaaaabaamaaabkaaqbaaaaaauaaeaa"} <= lines
    assert body == BODY


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("response", "why"),
    [
        (b"HELLO\r\n\r\n", "its response is not HTTP"),
        (b"", "it closed the connection without a response"),
    ],
)
async def test_a_broken_exchange_says_what_broke_it(response: bytes, why: str) -> None:
    """In words, not as the name of the client's exception."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, client() as session:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionResetError, match=f"^{why}$"):
            await deliver(
                session,
                f"http://127.0.0.1:{port}/",
                webhook_request(address("/", "eastus"), {}, BODY),
                body_over_ms=0,
                on_response=lambda _status: False,
            )
        await asyncio.sleep(0)
