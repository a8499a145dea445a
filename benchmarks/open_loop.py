"""Webhooks at a given rate: ``python -m benchmarks.open_loop PORT SECONDS RATE CONNECTIONS``.

Every request has an instant at which it should be sent. A latency is counted from that instant, not from the
moment at which a connection was free for it, so a server that stalls cannot hide it by slowing its senders
down (the correction for coordinated omission). Prints one JSON object; times in milliseconds.
"""

import asyncio
import json
import re
import sys
from collections import deque
from typing import Any

import uvloop

from benchmarks.generator import Load

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
# Requests that fall due within so long are sent together; a timer for each would cost more than the request.
TICK_S = 0.001


class Connections:
    """Idle ones, and requests that are due and have none."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.idle: list[Connection] = []
        self.due: deque[float] = deque()  # the instants at which they should have been sent
        self.latencies_s: list[float] = []
        self.refused = 0

    def pump(self) -> None:
        """Send what is due on whatever is idle."""
        while self.due and self.idle:
            self.idle.pop().send(self.due.popleft())


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, all_: Connections) -> None:
        self._all = all_

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._loop = asyncio.get_running_loop()
        self._all.idle.append(self)

    def send(self, due_s: float) -> None:
        self._due_s, self._answer = due_s, b""
        self._transport.write(self._all.load.next())

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or length is None or len(body) < int(length.group(1)):
            return
        if head.startswith(b"HTTP/1.1 202"):
            self._all.latencies_s.append(self._loop.time() - self._due_s)
        else:
            self._all.refused += 1
        self._all.idle.append(self)
        self._all.pump()


async def run(port: int, seconds: float, rate: float, connections: int) -> dict[str, float]:
    """Send for so long; wait for the last answers."""
    loop = asyncio.get_running_loop()
    all_ = Connections(Load("open"))
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(all_), "127.0.0.1", port)
    began_s, total, sent = loop.time(), int(seconds * rate), 0
    while sent < total:
        now_s = loop.time() - began_s
        while sent < total and sent / rate <= now_s:
            all_.due.append(began_s + sent / rate)
            sent += 1
        all_.pump()
        await asyncio.sleep(TICK_S)
    async with asyncio.timeout(60):
        while len(all_.latencies_s) + all_.refused < total:  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(TICK_S)
    ms = sorted(latency * 1000 for latency in all_.latencies_s)
    share = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999}
    figures = {name: ms[int(len(ms) * part)] for name, part in share.items()}
    return {"sent": total, "refused": all_.refused, "max_ms": ms[-1], **figures}


if __name__ == "__main__":
    _port, _seconds, _rate, _connections = sys.argv[1:]
    print(json.dumps(uvloop.run(run(int(_port), float(_seconds), float(_rate), int(_connections)))))
