"""Load without wrk: ``python -m benchmarks.generator PORT SECONDS CONNECTIONS SALT``. Prints one JSON object.

Sends the same requests as ``push.lua``, over raw connections, each one after the answer to the one before.
Slower than wrk: it may itself be the limit of what it measures.
"""

import asyncio
import json
import re
import sys
import time
from itertools import count
from typing import Any

import uvloop

REGIONS = ("northeurope", "westeurope", "eastus")
_HEAD = (
    "POST /api/ImagePush?region={region} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "User-Agent: AzureContainerRegistry/1.0\r\nContent-Length: {length}\r\n\r\n"
)
_BODY = (
    '{{"id":"{salt}-{number:012x}","timestamp":"2026-03-04T05:06:07.0958813Z","action":"push","target":{{'
    '"mediaType":"application/vnd.oci.image.index.v1+json","size":856,"digest":"sha256:{digest}",'
    '"length":856,"repository":"team/app","tag":"1.4.2"}},"request":{{'
    '"id":"9f0d6c55-7a53-4f0e-8f4e-aa55bb66cc77","host":"demo.azurecr.io","method":"PUT"}}}}'
)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Load:
    """What all connections send together, and what they saw."""

    def __init__(self, salt: str) -> None:
        self._salt, self._numbers = salt, count()
        self.latencies_s: list[float] = []
        self.refused = 0
        self.running = True

    def next(self) -> bytes:
        """The next request: three regions per id."""
        number = next(self._numbers)
        body = _BODY.format(salt=self._salt, number=number // 3, digest="1" * 64)
        return (_HEAD.format(region=REGIONS[number % 3], length=len(body)) + body).encode()


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or length is None or len(body) < int(length.group(1)):
            return
        if self._answer.startswith(b"HTTP/1.1 202"):
            self._load.latencies_s.append(time.perf_counter() - self._sent_s)
        else:
            self._load.refused += 1
        if self._load.running:
            self._send()
        else:
            self._transport.close()

    def _send(self) -> None:
        self._answer = b""
        self._sent_s = time.perf_counter()
        self._transport.write(self._load.next())


async def run(port: int, seconds: float, connections: int, salt: str) -> dict[str, float]:
    """Rate, refusals, and latencies in milliseconds."""
    load = Load(salt)
    loop = asyncio.get_running_loop()
    began_s = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
    await asyncio.sleep(seconds)
    load.running = False
    latencies_s = sorted(load.latencies_s)
    return {
        "acknowledged": len(latencies_s),
        "rate": len(latencies_s) / (time.perf_counter() - began_s),
        "refused": load.refused,
        "p50_ms": latencies_s[len(latencies_s) // 2] * 1000,
        "p99_ms": latencies_s[len(latencies_s) * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    _port, _seconds, _connections, _salt = sys.argv[1:]
    print(json.dumps(uvloop.run(run(int(_port), float(_seconds), int(_connections), _salt))))
