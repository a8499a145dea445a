"""One request is one request, whatever it asks of the connection, on a socket and in any pieces."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.e2e.bad_day import BadDay, webhook
from tests.e2e.serving import LIMIT_S

HIDDEN = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
UPGRADES = {
    "h2c, as Java's clients offer it": (
        "connection: Upgrade, HTTP2-Settings",
        "http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "upgrade: h2c",
    ),
    "an unknown protocol": ("connection: upgrade", "upgrade: x"),
    "a websocket": ("connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"),
}


async def answers(service: BadDay, *segments: bytes) -> bytes:
    """Send each segment by itself, then no more; all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        async with asyncio.timeout(LIMIT_S):
            for segment in segments:
                writer.write(segment)
                await writer.drain()
                await asyncio.sleep(0.02)  # a segment of its own, as a slow network brings it
            writer.write_eof()
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("offer", UPGRADES.values(), ids=UPGRADES)
def test_an_offer_to_upgrade_is_declined_by_serving_the_request(
    tmp_path: Path, offer: tuple[str, ...]
) -> None:
    """RFC 9110, section 7.8. The body comes later, and would be a request if it were taken for one."""

    async def story() -> None:
        service = BadDay.begin(tmp_path)
        good = webhook("op-1", "eastus", *offer)
        head, _, body = good.partition(b"\r\n\r\n")
        accepted = await answers(service, head + b"\r\n\r\n", body)
        smuggled = await answers(service, webhook("x", "eastus", *offer, body=HIDDEN)[: -len(HIDDEN)], HIDDEN)
        code, log = service.end(signal.SIGTERM)

        assert accepted.startswith(b"HTTP/1.1 202 ")
        assert smuggled.startswith(b"HTTP/1.1 400 ")
        assert [accepted.count(b"HTTP/1.1 "), smuggled.count(b"HTTP/1.1 ")] == [1, 1]
        assert (code, "Traceback" in log) == (0, False)

    asyncio.run(story())


def test_a_client_that_closes_its_half_gets_its_answer(tmp_path: Path) -> None:
    """As `nc -N` does, and shell scripts: the end of what is sent is not the end of what is read."""

    async def story() -> None:
        service = BadDay.begin(tmp_path)
        both = await answers(service, webhook("op-1", "eastus") + webhook("op-1", "westus"))
        cut = await answers(service, webhook("op-2", "eastus")[:-1])
        code, _ = service.end(signal.SIGTERM)

        assert both.count(b"HTTP/1.1 202 ") == 2
        assert cut.startswith(b"HTTP/1.1 400 ")
        assert code == 0

    asyncio.run(story())
