"""A sink that costs as little as a sink can: reads notifications and says 200. Prints its port.

``GET /count`` answers how many notifications it has taken under different keys, how many in all, and when the
last new one came, as JSON: ``{"keys", "posts", "last_s"}``; the time is Unix epoch.

With the argument ``hang`` it reads notifications and never answers one.
"""

import asyncio
import json
import sys
import time

import uvloop

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_LENGTH = b"content-length:"
_KEY = b"webhook-id:"


class Seen:
    """What all connections have taken."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.posts = 0
        self.last_s = 0.0

    def take(self, key: bytes) -> None:
        self.posts += 1
        if key not in self.keys:
            self.keys.add(key)
            self.last_s = time.time()

    def answer(self) -> bytes:
        body = json.dumps({"keys": len(self.keys), "posts": self.posts, "last_s": self.last_s}).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


class Sink(asyncio.Protocol):
    """One connection; requests may come in pieces."""

    def __init__(self, seen: Seen, *, hangs: bool) -> None:
        self._seen, self._hangs = seen, hangs

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP has no other
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (head_end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:head_end].lower()
            if head.startswith(b"get "):
                self._rest = self._rest[head_end + 4 :]
                self._transport.write(self._seen.answer())
                continue
            end = head_end + 4 + int(_value(head, _LENGTH))
            if len(self._rest) < end:
                return
            self._rest = self._rest[end:]
            self._seen.take(_value(head, _KEY))
            if not self._hangs:
                self._transport.write(_OK)


def _value(head: bytes, name: bytes) -> bytes:
    return head[head.index(name) + len(name) :].split(b"\r\n", 1)[0].strip()


async def main() -> None:
    seen, hangs = Seen(), "hang" in sys.argv[1:]
    server = await asyncio.get_running_loop().create_server(lambda: Sink(seen, hangs=hangs), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1])
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
