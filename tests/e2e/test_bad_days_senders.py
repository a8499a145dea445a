"""Senders on a bad day: bytes that are no HTTP, bodies that are bombs, requests hidden in requests."""

import asyncio
import gzip
import json
import signal
from pathlib import Path

from tests.e2e.bad_day import MEMORY_MIB_MAX, REGIONS, Acknowledged, BadDay, webhook
from tests.e2e.serving import Sink

CLOSE = "connection: close"
EXPECTED = "operation-of-a-request-hidden-in-another"


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def good(id_: str) -> bytes:
    return json.dumps({"id": id_, "action": "push", "target": {}}).encode()


TE = "transfer-encoding: chunked"
HIDDEN = webhook(EXPECTED)

# What is sent, by what it is, and the only statuses that it may be answered with.
RUDE: dict[str, tuple[bytes, list[int]]] = {
    "a TLS greeting": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "garbage": (b"GARBAGE\r\n\r\n" + HIDDEN, [400]),
    "bare line feeds": (HIDDEN.replace(b"\r\n", b"\n"), [400]),
    "a control character in a header": (webhook("x", REGIONS[0], "x-a: b\x00c"), [400]),
    "a head without end": (webhook("x", REGIONS[0], f"x-a: {'a' * 200_000}"), [431]),
    "a proxy request": (b"CONNECT x:80 HTTP/1.1\r\nhost: localhost\r\n\r\n", [400]),
    # Two lengths: a server that believes the other one than the proxy in front sees another request.
    "both lengths, short": (webhook("x", REGIONS[0], "content-length: 4", TE, body=chunked(HIDDEN)), [400]),
    "both lengths, chunked first": (
        webhook("x", REGIONS[0], TE, "content-length: 4", body=b"0\r\n\r\n" + HIDDEN),
        [400],
    ),
    "two lengths": (
        webhook("x", REGIONS[0], "content-length: 2", "content-length: 20", body=b"{}" + HIDDEN),
        [400],
    ),
    "a signed length": (webhook("x", REGIONS[0], "content-length: +2", body=b"{}" + HIDDEN), [400]),
    "a list of lengths": (webhook("x", REGIONS[0], "content-length: 2, 2", body=b"{}" + HIDDEN), [400]),
    "a length beyond all numbers": (webhook("x", REGIONS[0], f"content-length: {'9' * 30}"), [400]),
    "an unknown coding": (
        webhook("x", REGIONS[0], "transfer-encoding: xchunked", body=chunked(HIDDEN)),
        [400],
    ),
    "a coding after chunked": (
        webhook("x", REGIONS[0], "transfer-encoding: chunked, identity", body=chunked(HIDDEN)),
        [400],
    ),
    "a space before the colon": (
        webhook("x", REGIONS[0], "transfer-encoding : chunked", body=b"0\r\n\r\n" + HIDDEN),
        [400],
    ),
    "a chunk of no size": (webhook("x", REGIONS[0], TE, body=b"zz\r\n" + HIDDEN), [400]),
    "a chunk beyond all numbers": (webhook("x", REGIONS[0], TE, body=b"f" * 20 + b"\r\n" + HIDDEN), [400]),
    "a chunk longer than it says": (webhook("x", REGIONS[0], TE, body=b"2\r\n{}XX0\r\n\r\n" + HIDDEN), [400]),
    # Bodies.
    "deep lists": (webhook("x", REGIONS[0], CLOSE, body=b'{"a":' + b"[" * 400_000 + b"]" * 400_000), [400]),
    "deep objects": (webhook("x", REGIONS[0], CLOSE, body=b'{"a":' * 150_000), [400]),
    "too large": (webhook("x", REGIONS[0], CLOSE, body=b" " * 3_000_000), [413]),
    "too large in chunks": (webhook("x", REGIONS[0], CLOSE, TE, body=chunked(*[b" " * 65_536] * 40)), [413]),
    "a bomb": (
        webhook("x", REGIONS[0], CLOSE, "content-encoding: gzip", body=gzip.compress(b" " * 50_000_000)),
        [415],
    ),
    "a good body, compressed": (
        webhook("x", REGIONS[0], CLOSE, "content-encoding: gzip", body=gzip.compress(good("x"))),
        [415],
    ),
    "half a character": (webhook("x", REGIONS[0], CLOSE, body=b'{"id":"\\ud800","action":"push"}'), [400]),
}  # fmt: skip


def test_rude_requests_are_refused_and_nothing_hidden_in_them_counts(tmp_path: Path) -> None:
    """Each is one clear 4xx; the next webhook is taken; neither memory nor the log grows with them."""

    async def story() -> None:
        service = BadDay.begin(tmp_path)
        answers = {what: await service.send(data) for what, (data, _) in RUDE.items()}
        hidden, _, _ = await service.request("GET", f"/runtime/webhooks/durabletask/instances/{EXPECTED}")
        unknown, _, _ = await service.request("GET", "/runtime/webhooks/durabletask/instances/x")
        taken = await service.push(REGIONS[0], "op")
        memory_mib = service.memory_mib()
        code, log = service.end(signal.SIGTERM)

        assert answers == {what: statuses for what, (_, statuses) in RUDE.items()}
        assert (hidden, unknown, taken) == (404, 404, (202, "counted"))
        assert memory_mib < MEMORY_MIB_MAX
        assert code == 0
        assert "Traceback" not in log
        assert max(map(len, log.splitlines())) < 1_000

    asyncio.run(story())


def test_what_comes_before_garbage_is_answered_as_what_it_is(tmp_path: Path) -> None:
    """Webhooks and then garbage in one packet: each is acknowledged, and what is acknowledged is decided.

    A 400 in their place would say that a webhook was not taken that was.
    """

    async def story() -> None:
        async with Sink() as sink:
            service = BadDay.begin(tmp_path, NOTIFY_URL=sink.url)
            pair = b"".join(webhook("op", region) for region in REGIONS)
            garbage = await service.send(pair + b"\x00GARBAGE\r\n\r\n")
            broken = await service.send(pair + webhook("x", REGIONS[0], TE, body=b"zz\r\n"))
            large = await service.send(pair + webhook("x", REGIONS[0], f"x-a: {'a' * 40_000}"))
            await sink.until(lambda: bool(sink.received))
            code, log = service.end(signal.SIGTERM)

        assert (garbage, broken, large) == ([202, 202], [202, 202], [202, 202])
        assert [body["outcome"] for _, body in sink.received] == ["completed"]
        assert (code, "Traceback" in log) == (0, False)

    asyncio.run(story())


def test_a_thousand_requests_in_one_packet_are_a_thousand_answers(tmp_path: Path) -> None:
    """Pipelining is legal, and a head may be cut anywhere by the packets that it travels in."""

    async def story() -> None:
        async with Sink() as sink:
            service = BadDay.begin(tmp_path, NOTIFY_URL=sink.url)
            acknowledged = Acknowledged()
            ids = [f"op-{n}" for n in range(500)]
            burst = b"".join(webhook(id_, region) for id_ in ids for region in REGIONS)
            answers = await service.send(burst + webhook("last", REGIONS[0], CLOSE))
            acknowledged.regions.update({id_: set(REGIONS) for id_ in ids})
            await acknowledged.reckon(sink)
            code, _ = service.end(signal.SIGTERM)

        assert answers == [202] * 1_001
        assert code == 0

    asyncio.run(story())
