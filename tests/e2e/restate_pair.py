"""Two services on one Restate server behind one address, as a command that `fanin verify` can judge.

``python -m tests.e2e.restate_pair [kill]`` listens on PORT and passes each request to the other service than
the one before. With ``kill``, every third time, the service that took a request is killed as soon as it has
answered, and another takes its place: operations that it was part of are under way then.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from contextlib import suppress

from aggregator.engines.restate.server import free_ports

KILL_EVERY = 3
START_S = 30.0


class Service:
    """One of the two, through all its lives."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.under_way = 0

    async def start(self) -> None:
        """Return when it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "aggregator.engines.restate.trial", "life", "--port", str(self.port),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            assert await self._process.stdout.readline()

    async def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


class Balancer:
    """Passes one request per connection to the services in turn."""

    def __init__(self, services: list[Service], *, kills: bool) -> None:
        self._services, self._kills, self._served = deque(services), kills, 0
        self._killing: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its first byte to its last."""
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            service = self._services[0]
            self._services.rotate(-1)
            service.under_way += 1
            try:
                await self._pass_on(service, head, reader, writer)
            finally:
                service.under_way -= 1
            self._served += 1
            if self._kills and self._served % KILL_EVERY == 0 and not service.under_way:
                self._replace(service)
        writer.close()

    async def _pass_on(
        self, service: Service, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", service.port)
        ours.write(head.removesuffix(b"\r\n") + b"connection: close\r\n\r\n")
        asking = asyncio.create_task(_copy(reader, ours))
        await _copy(theirs, writer)
        asking.cancel()
        ours.close()

    def _replace(self, service: Service) -> None:
        """Kill it and start it again; until it listens, the other one takes everything."""
        if len(self._services) == 1:
            return
        self._services.remove(service)
        task = asyncio.create_task(self._reborn(service))
        self._killing.add(task)
        task.add_done_callback(self._killing.discard)

    async def _reborn(self, service: Service) -> None:
        await service.kill()
        await service.start()
        self._services.append(service)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()


async def main(*, kills: bool) -> None:
    services = [Service(), Service()]
    await services[0].start()  # the first one settles the address at which the server calls both
    await services[1].start()
    balancer = Balancer(services, kills=kills)
    server = await asyncio.start_server(balancer.serve, "127.0.0.1", int(os.environ["PORT"]), limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(kills="kill" in sys.argv[1:]))
