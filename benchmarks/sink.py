"""A sink that costs as little as a sink can: reads notifications and says 200. Prints its port."""

import asyncio
import sys

import uvloop

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_LENGTH = b"content-length:"


class Sink(asyncio.Protocol):
    """One connection; requests may come in pieces."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP has no other
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (head_end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:head_end].lower()
            length = int(head[head.index(_LENGTH) + len(_LENGTH) :].split(b"\r\n", 1)[0])
            end = head_end + 4 + length
            if len(self._rest) < end:
                return
            self._rest = self._rest[end:]
            self._transport.write(_OK)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1])
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
