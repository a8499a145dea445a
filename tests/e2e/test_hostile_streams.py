"""Streams made to cost more than they are worth: memory has a bound, and webhooks are taken meanwhile."""

import asyncio
import multiprocessing
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.e2e.bad_day import REGIONS, BadDay
from tests.e2e.serving import LIMIT_S

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="what a process holds is read from Linux' /proc"
)
# An attack ends after so long, or when it has sent so much.
ATTACK_S = 0.8
BYTES_MAX = 48 << 20
BLOCK = 65_536
# What a connection may hold, with what Python needs for it; and all of them together.
CONNECTION_MIB, ALL_MIB = 2, 100
# What webhooks take meanwhile, which are stored.
WEBHOOKS_MIB = 3
# A webhook takes milliseconds; the rest is for a machine that does much else.
LATENCY_S = 1.0
PAUSE_S = 0.04

HEAD = b"POST /api/ImagePush?region=eastus HTTP/1.1\r\nhost: localhost\r\n"
IN_CHUNKS = HEAD + b"transfer-encoding: chunked\r\n\r\n"
ONE_MIB = HEAD + b"content-length: 1048576\r\n\r\n"
NOWHERE = b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999999999\r\n\r\n"
UPGRADE = HEAD + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 65536\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@dataclass(frozen=True)
class Attack:
    """What each of some connections sends first, and then again and again."""

    first: bytes
    again: bytes
    connections: int = 4
    reads: bool = False  # the responses
    bytes_max: int = BYTES_MAX  # on each connection

    @property
    def memory_mib_max(self) -> float:
        return WEBHOOKS_MIB + min(self.connections * CONNECTION_MIB, ALL_MIB)


ATTACKS = {
    "requests one behind the other, on one connection": Attack(b"", HEALTH * 500, connections=1),
    "the same, and responses are read": Attack(b"", HEALTH * 500, connections=1, reads=True),
    "the same, on many": Attack(b"", HEALTH * 5_000, connections=300, bytes_max=1 << 20),
    "trailers without end": Attack(IN_CHUNKS + b"0\r\n", b"x: y\r\n" * 5_000),
    "chunk extensions without end": Attack(IN_CHUNKS + b"1;", b"x" * BLOCK),
    "extensions of many chunks": Attack(IN_CHUNKS, b"1;%s\r\n \r\n" % (b"x" * 1_000) * 50),
    "chunks of one byte": Attack(IN_CHUNKS, b"1\r\n \r\n" * 5_000),
    "a head without end": Attack(HEAD + b"x: ", b"y" * BLOCK),
    "heads that are half sent": Attack(HEAD + b"x: " + b"y" * 32_000, b"", connections=400),
    "bodies that are half sent": Attack(ONE_MIB + b" " * 1_000_000, b"", connections=400),
    "bodies for an unknown path": Attack(NOWHERE, b" " * BLOCK),
    "large chunks without end": Attack(IN_CHUNKS, b"10000\r\n%s\r\n" % (b" " * BLOCK)),
    "upgrades with bodies": Attack(b"", UPGRADE + b" " * BLOCK),
}  # fmt: skip


def attack(port: int, what: Attack) -> None:
    """Send until the time is up, or all is sent, or all is closed; in a process of its own."""
    end_s = time.monotonic() + ATTACK_S
    with ExitStack() as stack:
        streams: dict[socket.socket, Iterator[bytes]] = {}
        for _ in range(what.connections):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.setblocking(False)
            streams[connection] = _blocks(what)
        rests = dict.fromkeys(streams, b"")
        while time.monotonic() < end_s:
            moved = [_send_some(each, streams, rests, reads=what.reads) for each in list(streams)]
            if not any(moved):
                time.sleep(0.01)


def _send_some(
    connection: socket.socket,
    streams: dict[socket.socket, Iterator[bytes]],
    rests: dict[socket.socket, bytes],
    *,
    reads: bool,
) -> bool:
    """Send what can be sent at once, if there is more; return whether anything could."""
    try:
        if reads:
            with suppress(BlockingIOError):
                connection.recv(1 << 20)
        rest = rests[connection] or next(streams[connection], b"")
        sent = connection.send(rest) if rest else 0
        rests[connection] = rest[sent:]
    except BlockingIOError:
        return False
    except OSError:  # closed
        del streams[connection]
        return False
    return sent > 0


def _blocks(what: Attack) -> Iterator[bytes]:
    yield what.first
    sent = 0
    while what.again and sent < what.bytes_max:
        yield what.again
        sent += len(what.again)


@pytest.fixture(scope="module")
def attacker() -> Iterator[Executor]:
    """A process of its own: an attack in the same process would delay the webhooks that are measured."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BadDay]:
    """One life, under all of them."""
    service = BadDay.begin(tmp_path_factory.mktemp("hostile"))
    yield service
    code, log = service.end(signal.SIGTERM)
    assert (code, "Traceback" in log) == (0, False)


def memory_mib(service: BadDay, what: str) -> float:
    """``VmRSS``, what it holds in memory, or ``VmHWM``, the most that it held since `forget_peak`."""
    for line in Path(f"/proc/{service.process.pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise AssertionError(what)


def forget_peak(service: BadDay) -> None:
    Path(f"/proc/{service.process.pid}/clear_refs").write_text("5")  # proc(5)


async def webhooks(service: BadDay, under_way: "Future[None]") -> list[float]:
    """A webhook every now and then for as long as an attack lasts: how long each took, in seconds."""

    async def webhook() -> float:
        began_s = time.monotonic()
        assert await service.push(REGIONS[0], f"op-{began_s}") == (202, "counted")
        return time.monotonic() - began_s

    sent = []
    async with asyncio.timeout(LIMIT_S):
        while not under_way.done():
            sent.append(asyncio.ensure_future(webhook()))
            await asyncio.sleep(PAUSE_S)
        under_way.result()
        return await asyncio.gather(*sent)


@pytest.mark.parametrize("what", ATTACKS.values(), ids=ATTACKS)
def test_memory_has_a_bound_and_webhooks_are_taken_meanwhile(
    service: BadDay, attacker: Executor, what: Attack
) -> None:
    """However much is sent: what one connection may hold, and what all may hold together."""
    attacker.submit(time.monotonic).result()  # it has started
    before_mib = memory_mib(service, "VmRSS")
    forget_peak(service)
    under_way = attacker.submit(attack, service.port, what)
    took_s = asyncio.run(webhooks(service, under_way))
    grown_mib = memory_mib(service, "VmHWM") - before_mib

    assert grown_mib < what.memory_mib_max
    assert median(took_s) < LATENCY_S
