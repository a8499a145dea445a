"""The sink: receives notifications over HTTP, and misbehaves as the scenario says.

Rules of this file: it never judges, it only writes down; a request counts as received once its whole body
was read; what a fault did is written before its effect can be seen.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Protocol

import h11

from fanin.harness.dialect import PLAIN, Dialect
from fanin.harness.history import ClientDisconnected, FaultApplied, NotificationReceived, SinkResponded
from fanin.harness.world.recorder import Recorder
from fanin.simulator.faults.sink import SinkFault, SinkResponse
from fanin.simulator.language.scenario import Scenario

# An idle connection is closed after so long, as nginx does (75 s). It is more than a courtesy: clients look
# after open connections every few seconds, which over thirty simulated days is all that would ever happen.
# The odd half of a millisecond keeps it off the instants of a scenario, so that it never closes what is just
# being used.
KEEP_ALIVE_S = 75.0005
# No notification is longer. What is, comes from somebody who wants to fill the memory.
CONTENT_BYTES_MAX = 4 * 1024 * 1024
# Whoever gives up waiting while the answer is on its way hangs up at about the instant of the answer.
HANG_UP_S = 1.0
# Told whose notification was read, before it counts; True means that the aggregator just died of it.
type OnArrival = Callable[[str | None], bool]
type FindOperation = Callable[[dict[str, Any] | None], str | None]


class RequestHandler(Protocol):
    """Whoever a connection brings its requests to: a sink, or a router in front of several."""

    def opened(self, connection: "Connection") -> None: ...

    def closed(self, connection: "Connection") -> None: ...

    def is_down(self) -> bool: ...

    def receive(self, connection: "Connection", headers: dict[str, str], content: bytes) -> None: ...


class Sink:
    """One notification endpoint. Its connections speak HTTP/1.1 to whoever connects."""

    def __init__(
        self,
        scenario: Scenario,
        recorder: Recorder,
        *,
        operation_of: FindOperation,
        before: OnArrival,
        after: OnArrival,
        dialect: Dialect = PLAIN,
    ) -> None:
        self.recorder = recorder
        self.operation_of = operation_of
        self._before, self._after = before, after
        self._dialect, self._regions = dialect, scenario.regions
        self._faults: list[tuple[int, SinkFault]] = [
            (index, fault) for index, fault in enumerate(scenario.faults) if isinstance(fault, SinkFault)
        ]
        self._times: dict[int, int] = {}  # by fault: how many notifications it has befallen
        self._connections: dict[Connection, None] = {}  # a set that keeps its order

    async def listen(self, host: str, port: int) -> asyncio.AbstractServer:
        """Serve on ``host:port`` of the running loop's network."""
        return await asyncio.get_running_loop().create_server(lambda: Connection(self), host, port)

    async def serve(self, listener: socket.socket) -> asyncio.AbstractServer:
        """Serve on a socket that is bound already."""
        return await asyncio.get_running_loop().create_server(lambda: Connection(self), sock=listener)

    def opened(self, connection: "Connection") -> None:
        self._connections[connection] = None

    def closed(self, connection: "Connection") -> None:
        self._connections.pop(connection, None)

    def close(self) -> None:
        """Break every connection, in the order in which they came."""
        for connection in tuple(self._connections):
            connection.hang_up()

    def is_down(self) -> bool:
        """Whether a connection made now is reset at once."""
        for index, fault in self._faults:
            if fault.refuses_connections and self._holds(fault):
                self.recorder.write(FaultApplied(self.recorder.now_ms(), index))
                return True
        return False

    def receive(self, connection: "Connection", headers: dict[str, str], content: bytes) -> None:
        """Take one whole request: write it down and answer it, or not."""
        self.take(connection, *self._dialect.notification(headers, content, self._regions))

    def take(self, connection: "Connection", key: str | None, body: dict[str, Any] | None) -> None:
        """Take one notification that has been read."""
        op = self.operation_of(body)
        if self._before(op):
            connection.deserted = True
            return
        post, now = self.recorder.next_post(), self.recorder.now_ms()
        self.recorder.write(NotificationReceived(now, post, key, body, op))
        if self._after(op):
            connection.deserted = True
            self.recorder.write(SinkResponded(now, post, error="disconnected"))
            return
        connection.await_answer(self, post)
        self._answer(connection, post, op)

    def _answer(self, connection: "Connection", post: int, op: str | None) -> None:
        index, fault = self._fault_for(op)
        if fault is not None:
            self._times[index] = self._times.get(index, 0) + 1
            self.recorder.write(FaultApplied(self.recorder.now_ms(), index, op))
        response = SinkResponse() if fault is None else fault.response
        if response.lost:
            connection.reset(post)
        elif response.after_ms:
            delay_s, answer = response.after_ms / 1000, connection.answer_late
            asyncio.get_running_loop().call_later(delay_s, answer, post, response.status)
        elif not response.never:  # when it never answers, the connection records how that ended
            connection.answer(post, response.status)

    def _fault_for(self, op: str | None) -> tuple[int, SinkFault | None]:
        """The first fault of the scenario's list that holds this notification now."""
        for index, fault in self._faults:
            if fault.refuses_connections or not self._holds(fault) or not _selects(fault, op):
                continue
            if fault.times_max is None or self._times.get(index, 0) < fault.times_max:
                return index, fault
        return -1, None

    def _holds(self, fault: SinkFault) -> bool:
        now = self.recorder.now_ms()
        return fault.since <= now and (fault.until is None or now < fault.until)


def _selects(fault: SinkFault, op: str | None) -> bool:
    """An operation's name stands for all its repeats, ``name/n``."""
    return not fault.about or (op is not None and op.partition("/")[0] == fault.about)


class Connection(asyncio.Protocol):
    """One connection to the sink: bytes in and out of h11."""

    def __init__(self, desk: RequestHandler) -> None:
        self._desk = desk
        self._http = h11.Connection(h11.SERVER)
        self._headers: dict[str, str] = {}
        self._content = bytearray()
        self._awaiting: tuple[Sink, int] | None = None  # whose post it is that has no answer yet
        self._answered_late: tuple[Sink, int] | None = None  # the last answer, if it was long awaited
        self.deserted = False  # whoever is at the other end died in the middle of a request
        self._busy_at = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._desk.opened(self)
        if self._desk.is_down():
            self._transport.abort()
        else:
            self._close_when_idle()

    def data_received(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            self._read_events()
        except h11.RemoteProtocolError:
            self._transport.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._desk.closed(self)
        self._never_answered()
        late, self._answered_late = self._answered_late, None
        if late is not None and asyncio.get_running_loop().time() <= self._busy_at + HANG_UP_S:
            sink, post = late
            sink.recorder.write(ClientDisconnected(sink.recorder.now_ms(), post))

    def hang_up(self) -> None:
        self._never_answered()
        self._answered_late = None
        self._transport.abort()

    def _close_when_idle(self) -> None:
        loop = asyncio.get_running_loop()
        left_s = self._busy_at + KEEP_ALIVE_S - loop.time()
        if self._transport.is_closing() or self.deserted:
            return
        if self._awaiting is not None:
            left_s = KEEP_ALIVE_S
        if left_s <= 0:
            self._transport.close()
        else:
            loop.call_later(left_s, self._close_when_idle)

    def await_answer(self, sink: Sink, post: int) -> None:
        """A sink has the request, and owes it an answer."""
        self._awaiting = (sink, post)
        if sink is not self._desk:
            sink.opened(self)

    def _settle(self) -> tuple[Sink, int] | None:
        awaiting, self._awaiting = self._awaiting, None
        if awaiting is not None and awaiting[0] is not self._desk:
            awaiting[0].closed(self)
        return awaiting

    def _never_answered(self) -> None:
        if (awaiting := self._settle()) is not None:
            sink, post = awaiting
            sink.recorder.write(SinkResponded(sink.recorder.now_ms(), post, error="hung"))

    def answer(self, post: int, status: int) -> None:
        """WebhookResponse the request that is this post, if it still waits."""
        if self._awaiting is None or self._awaiting[1] != post:
            return  # the aggregator gave up waiting; that is written already
        sink, _ = self._awaiting
        self._settle()
        sink.recorder.write(SinkResponded(sink.recorder.now_ms(), post, status))
        self.respond(status)

    def answer_late(self, post: int, status: int) -> None:
        """WebhookResponse the request that is this post, if it still waits, and notice how that is taken."""
        if self._awaiting is not None and self._awaiting[1] == post:
            self._answered_late = self._awaiting
            self.answer(post, status)

    def respond(self, status: int) -> None:
        """Send an answer, and take the next request."""
        self._busy_at = asyncio.get_running_loop().time()
        head = h11.Response(status_code=status, headers=[("content-length", "0")])
        self._transport.write((self._http.send(head) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._http.start_next_cycle()
            self._read_events()

    def reset(self, post: int) -> None:
        """Break the connection in the place of an answer."""
        if (awaiting := self._settle()) is not None:
            recorder = awaiting[0].recorder
            recorder.write(SinkResponded(recorder.now_ms(), post, error="reset"))
        self._transport.abort()

    def _read_events(self) -> None:
        while True:
            event = self._http.next_event()
            match event:
                case h11.Request():
                    self._answered_late = None
                    self._headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                    self._content.clear()
                    if self._http.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        self._transport.write(self._http.send(go_on) or b"")
                case h11.Data():
                    self._content += event.data
                    if len(self._content) > CONTENT_BYTES_MAX:
                        self._transport.abort()
                        return
                case h11.EndOfMessage():
                    self._desk.receive(self, self._headers, bytes(self._content))
                case h11.ConnectionClosed():
                    self._transport.close()
                    return
                case _:  # NEED_DATA, or PAUSED until this request is answered
                    return
