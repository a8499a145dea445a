"""Behind proxies, configured as docs/deploy.md says, senders get the responses to their own webhooks."""

import asyncio
import re
import signal
from pathlib import Path

import pytest

from tests.e2e.bad_day import BadDay, webhook
from tests.e2e.proxies import PROXIES, Proxy
from tests.e2e.serving import LIMIT_S

SENDERS, ATTACKERS = 40, 20
UPGRADE = ("connection: upgrade", "upgrade: x")
H2C = ("connection: Upgrade, HTTP2-Settings", "http2-settings: AAMAAABkAAQAAP__", "upgrade: h2c")
# A server that believes the upgrade reads the next segment as a request of its own. nginx sends a body of
# this size in segments of its own; empty lines in front of a request are skipped by such servers, so that it
# does not matter where one begins; the last header, which has no end, takes in the next sender's webhook.
HIDDEN = b"\r\n" * 9_000 + b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-swallow: "


async def answer(port: int, head: bytes, body: bytes) -> tuple[int, bytes]:
    """One request whose body is a segment of its own: the response's status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(body)
        lines = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", lines, re.IGNORECASE)
        return int(lines.split()[1]), await reader.readexactly(int(length[1]) if length else 0)
    finally:
        writer.close()


def parts(request: bytes) -> tuple[bytes, bytes]:
    head, separator, body = request.partition(b"\r\n\r\n")
    return head + separator, body


async def webhooks_and_attacks(
    port: int,
) -> tuple[list[tuple[int, bytes]], list[tuple[int, bytes]], tuple[int, bytes]]:
    """The responses to good senders, to those that hide requests, and to one that offers HTTP/2."""
    hiding = parts(webhook("x", "eastus", *UPGRADE, body=HIDDEN))
    attacks, answers = [], []
    async with asyncio.timeout(LIMIT_S):
        for n in range(SENDERS):
            if n % (SENDERS // ATTACKERS) == 0:
                attacks.append(asyncio.ensure_future(answer(port, *hiding)))
            answers.append(await answer(port, *parts(webhook(f"op-{n}", "eastus"))))
        offered = await answer(port, *parts(webhook("op-h2c", "eastus", *H2C)))
        return answers, await asyncio.gather(*attacks), offered


CASES = [pytest.param(proxy, id=name, marks=proxy.needed) for name, proxy in PROXIES.items()]


@pytest.mark.parametrize("proxy", CASES)
def test_every_sender_gets_the_answer_to_its_own_webhook(tmp_path: Path, proxy: Proxy) -> None:
    """While others hide requests in the bodies of requests that offer to upgrade the connection."""
    service = BadDay.begin(tmp_path)
    with proxy.in_front_of(service.port, tmp_path) as port:
        answers, refusals, offered = asyncio.run(webhooks_and_attacks(port))
    _, _, listed = asyncio.run(service.request("GET", "/instances?limit=1000"))
    code, log = service.end(signal.SIGTERM)

    wrong = [each for n, each in enumerate(answers) if each[0] != 202 or f'"op-{n}"'.encode() not in each[1]]
    assert wrong == []
    assert {status for status, _ in refusals} == {400}
    assert offered[0] == 202
    assert all(f'"op-{n}"'.encode() in listed for n in (*range(SENDERS), "h2c"))
    assert (code, "Traceback" in log) == (0, False)
