"""One sink address for many worlds: a deployment notifies one address, and all scenarios share it.

Rules of this file: the body of a notification decides to which world it belongs, never its connection. What
belongs to no world is answered 200, so that it is not sent again, and listed. Secrets are removed before
anything is read.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from fanin.harness.dialect import Dialect
from fanin.harness.targets.endpoint import Secret
from fanin.harness.world.sink import Connection, Sink
from fanin.simulator.faults.sink import OK

# A request with this header comes from the harness itself, by way of the public URL.
ECHO = "fanin-echo"
type Told = tuple[str | None, dict[str, Any]]  # a notification's key, and its body in the contract's terms


class SinkRouter:
    """Receives notifications and passes each to the sink of its world."""

    def __init__(self, dialect: Dialect, regions: Sequence[str], secret: Secret) -> None:
        self._dialect, self._regions, self._secret = dialect, regions, secret
        self._sinks: list[Sink] = []
        self._expected: dict[str, asyncio.Future[Told]] = {}  # by id, digest or echo
        self._connections: set[Connection] = set()
        self.unattributed: list[str] = []  # ids of notifications that belong to no world

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Serve on ``host:port``.

        Raises:
            OSError: that is not possible.
        """
        return await asyncio.get_running_loop().create_server(lambda: Connection(self), host, port)

    def connect(self, sink: Sink) -> None:
        """Add the sink of a world."""
        self._sinks.append(sink)

    def expect(self, *names: str) -> "asyncio.Future[Told]":
        """The next notification with one of these ids, digests or echo headers."""
        future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._expected |= dict.fromkeys(names, future)
        return future

    def close(self) -> None:
        """Break every connection."""
        for connection in tuple(self._connections):
            connection.hang_up()

    # --- `fanin.harness.world.sink.RequestHandler` ---

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def broken_after_s(self) -> float | None:
        return None

    def receive(self, connection: Connection, headers: dict[str, str], content: bytes) -> None:
        plain = {name: self._secret.hidden(value) for name, value in headers.items()}
        key, body = self._dialect.notification(plain, self._secret.hidden_bytes(content), self._regions)
        for sink in self._sinks:
            if sink.operation_of(body) is not None:
                sink.take(connection, key, body)
                return
        connection.respond(OK)
        names = (plain.get(ECHO), (body or {}).get("id"), (body or {}).get("digest"))
        expected = next((self._expected[each] for each in names if each in self._expected), None)
        if expected is None:
            self.unattributed.append(str((body or {}).get("id")))
        elif not expected.done():
            expected.set_result((key, body or {}))
