"""The sink: receives notifications over HTTP, and fails as the scenario says.

Rules of this file: it never judges, it only records; a request counts as received once its whole body was
read; a fault is recorded before its effect can be seen.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import h11

from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.history import (
    SUCCESS,
    ClientDisconnected,
    FaultApplied,
    NotificationReceived,
    SinkResponded,
)
from fanin.harness.world.recorder import Recorder
from fanin.simulator.faults.sink import OK, SinkFault, SinkResponse
from fanin.simulator.language.scenario import Scenario

# An idle connection is closed after so long, as nginx does (75 s). Otherwise clients that check open
# connections every few seconds would do so for thirty simulated days, which costs more than all else.
# The half of a millisecond keeps it off the instants of a scenario, so that it never closes a connection that
# is just being used.
KEEP_ALIVE_S = 75.0005
# No notification is longer; a longer body is not read.
CONTENT_BYTES_MAX = 4 * 1024 * 1024
# Where a sink with an address of its own is notified.
NOTIFY_PATH = "/"
# With a redirect comes an address, as it does in life. A client that follows it has sent no notification.
_REDIRECTS = (301, 302, 303, 307, 308)
_MOVED_TO = ("location", "/moved")
# Requests with these methods and no body ask how the sink is, and notify nothing.
_PROBES = ("GET", "HEAD", "OPTIONS")
# A client that gives up waiting disconnects at about the instant of a late response. None gives up so soon
# that what came before is late: one that disconnects then has read it.
DISCONNECT_S = 1.0
LATE_MS = 500
# Called with the operation of a notification; True: the aggregator was just killed at this step.
type OnNotification = Callable[[str | None], bool]
type FindOperation = Callable[[dict[str, Any] | None], str | None]


class RequestHandler(Protocol):
    """What a connection passes its requests to: a sink, or a router in front of several."""

    def opened(self, connection: "Connection") -> None: ...

    def closed(self, connection: "Connection") -> None: ...

    def broken_after_s(self) -> float | None: ...

    def receive(self, connection: "Connection", headers: dict[str, str], content: bytes) -> None: ...


class Haste:
    """Slows down what is tried again without a pause.

    A simulated network takes no time, so a client that tries again at once would do so for ever; a real one
    is slowed down by the network. After `HASTY` attempts, each less than `PAUSE_MS` after the last, failures
    take longer and longer, up to `DELAY_MS_MAX`.
    """

    HASTY, PAUSE_MS, DELAY_MS_MAX = 50, 100, 1_000

    def __init__(self) -> None:
        self._last: dict[
            str, tuple[int, int]
        ] = {}  # by what is tried: how often in a row, and when it failed

    def delay_ms(self, what: str, now_ms: int) -> int:
        """How much later an attempt that comes now is to fail."""
        count, failed_ms = self._last.get(what, (0, -self.PAUSE_MS))
        count = count + 1 if now_ms - failed_ms < self.PAUSE_MS else 0
        doubled = (count - self.HASTY) // 10
        delay_ms = 0 if doubled < 0 else min(1 << min(doubled, 10), self.DELAY_MS_MAX)
        self._last[what] = (count, now_ms + delay_ms)
        return delay_ms


class Sink:
    """One notification endpoint, HTTP/1.1.

    Args:
        scenario: Has the sink's faults.
        recorder: Records every notification and response.
        operation_of: Finds the operation that a notification's body is about.
        before: Called when a notification arrives, before it is recorded.
        after: Called when it is recorded, before it is answered.
        dialect: How notifications are to be read.
        scenario_ms: The clock by which faults begin and end; by default the recorder's.
    """

    def __init__(
        self,
        scenario: Scenario,
        recorder: Recorder,
        *,
        operation_of: FindOperation,
        before: OnNotification,
        after: OnNotification,
        dialect: Dialect = CONTRACT,
        scenario_ms: Callable[[], int] | None = None,
    ) -> None:
        self.recorder = recorder
        self._scenario_ms = scenario_ms or recorder.now_ms
        self.operation_of = operation_of
        self._before, self._after = before, after
        self._dialect, self._regions = dialect, scenario.regions
        self._faults: list[tuple[int, SinkFault]] = [
            (index, fault) for index, fault in enumerate(scenario.faults) if isinstance(fault, SinkFault)
        ]
        self._applied: dict[int, int] = {}  # by fault: to how many notifications it was applied
        self._haste = Haste()
        self._paths = frozenset((NOTIFY_PATH,))
        self.last_fault_ms = 0  # when a fault was applied that ends after so many notifications
        self._connections: dict[Connection, None] = {}  # a set that keeps its order

    async def listen(self, host: str, port: int) -> asyncio.AbstractServer:
        """Serve on ``host:port`` of the running loop's network."""
        return await asyncio.get_running_loop().create_server(lambda: Connection(self), host, port)

    async def serve(self, listener: socket.socket, path: str = NOTIFY_PATH) -> asyncio.AbstractServer:
        """Serve on a socket that is bound already.

        Args:
            listener: The socket.
            path: What the configured address has for a path. A proxy that leads here may leave it out.
        """
        self._paths = frozenset((NOTIFY_PATH, path))
        return await asyncio.get_running_loop().create_server(lambda: Connection(self), sock=listener)

    def opened(self, connection: "Connection") -> None:
        self._connections[connection] = None

    def closed(self, connection: "Connection") -> None:
        self._connections.pop(connection, None)

    def close(self) -> None:
        """Break every connection, in the order in which they came."""
        for connection in tuple(self._connections):
            connection.hang_up()

    @property
    def is_awaited(self) -> bool:
        """Whether a notification that was read has had no response, and its client still waits for one."""
        return any(connection.is_awaited_by(self) for connection in self._connections)

    def broken_after_s(self) -> float | None:
        """How long after it was made a connection is reset unread; None: it is not."""
        for index, fault in self._faults:
            if fault.refuses_connections and self._is_active(fault):
                self.recorder.write(FaultApplied(self.recorder.now_ms(), index))
                return self._haste.delay_ms("", self.recorder.now_ms()) / 1000
        return None

    def receive(self, connection: "Connection", headers: dict[str, str], content: bytes) -> None:
        """Take one whole request."""
        key, body = self._dialect.notification(headers, content, self._regions)
        self.take(connection, key, body, elsewhere="" if connection.path in self._paths else connection.path)

    def take(
        self, connection: "Connection", key: str | None, body: dict[str, Any] | None, *, elsewhere: str = ""
    ) -> None:
        """Record one notification, and respond as the scenario's faults have it.

        Args:
            connection: On which it came.
            key: Its idempotency key.
            body: What it says.
            elsewhere: Its path, if that is known not to be the sink's.
        """
        op = self.operation_of(body)
        if self._before(op):
            connection.client_gone = True
            return
        post, now = self.recorder.next_post(), self.recorder.now_ms()
        self.recorder.write(NotificationReceived(now, post, key, body, op, connection.method, elsewhere))
        if self._after(op):
            connection.client_gone = True
            self.recorder.write(SinkResponded(now, post, error="disconnected"))
            return
        connection.expect_response(self, post)
        self._respond(connection, post, op)

    def _respond(self, connection: "Connection", post: int, op: str | None) -> None:
        index, fault = self._fault_for(op)
        if fault is not None:
            self._applied[index] = self._applied.get(index, 0) + 1
            if fault.times_max is not None:
                self.last_fault_ms = self.recorder.now_ms()
            self.recorder.write(FaultApplied(self.recorder.now_ms(), index, op))
        response = SinkResponse() if fault is None else fault.response
        fails = response.lost or response.status not in SUCCESS
        haste_ms = self._haste.delay_ms(op or "", self.recorder.now_ms()) if fails else 0
        if haste_ms:
            response = replace(response, after_ms=response.after_ms + haste_ms)
        if response.lost and haste_ms:
            asyncio.get_running_loop().call_later(haste_ms / 1000, connection.reset, post)
        elif response.lost:
            connection.reset(post)
        elif response.after_ms:
            respond = connection.respond_late if response.after_ms >= LATE_MS else connection.respond_to
            asyncio.get_running_loop().call_later(response.after_ms / 1000, respond, post, response.status)
        elif not response.never:  # otherwise the connection records how it ended
            connection.respond_to(post, response.status)

    def _fault_for(self, op: str | None) -> tuple[int, SinkFault | None]:
        """The first fault that is active now and about this operation, with its index; -1: none."""
        for index, fault in self._faults:
            if fault.refuses_connections or not self._is_active(fault) or not _is_about(fault, op):
                continue
            if fault.times_max is None or self._applied.get(index, 0) < fault.times_max:
                return index, fault
        return -1, None

    def _is_active(self, fault: SinkFault) -> bool:
        now = self._scenario_ms()
        return fault.since <= now and (fault.until is None or now < fault.until)


def _is_about(fault: SinkFault, op: str | None) -> bool:
    """Whether a fault is about an operation; its name stands for all its repeats, ``name/n``."""
    return not fault.about or (op is not None and op.partition("/")[0] == fault.about)


def _path_of(target: str) -> str:
    """The path of a request's target, which may name the host as well; without the query."""
    _, host_named, rest = target.partition("?")[0].partition("://")
    if not host_named:
        return target.partition("?")[0]
    return "/" + rest.partition("/")[2]


class Connection(asyncio.Protocol):
    """One connection to the sink; h11 parses its bytes."""

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self._http = h11.Connection(h11.SERVER)
        self._headers: dict[str, str] = {}
        self._content = bytearray()
        self.method = ""
        self.path = ""  # without the query
        self._open: tuple[Sink, int] | None = None  # the notification that has no response yet
        self._answered_late: tuple[Sink, int] | None = None  # the last one, if its response was delayed
        self._is_broken = False  # it is about to be reset, and nothing is read from it
        self.client_gone = False  # killed in the middle of a request
        self._busy_at = asyncio.get_running_loop().time()
        self._is_timed = False  # whether it will be looked at again when it may be idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._handler.opened(self)
        broken_after_s = self._handler.broken_after_s()
        if broken_after_s is not None:
            self._is_broken = True
            if broken_after_s:
                asyncio.get_running_loop().call_later(broken_after_s, self._transport.abort)
            else:
                self._transport.abort()
        else:
            self._close_when_idle()

    def data_received(self, data: bytes) -> None:
        if self._is_broken:
            return
        try:
            self._http.receive_data(data)
            self._read_events()
        except h11.RemoteProtocolError:
            self._transport.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._handler.closed(self)
        self._end_unanswered()
        late, self._answered_late = self._answered_late, None
        if late is not None and asyncio.get_running_loop().time() <= self._busy_at + DISCONNECT_S:
            sink, post = late
            sink.recorder.write(ClientDisconnected(sink.recorder.now_ms(), post))

    def hang_up(self) -> None:
        """Close the connection at once."""
        self._end_unanswered()
        self._answered_late = None
        self._transport.abort()

    def _close_when_idle(self) -> None:
        """Close the connection, or look again later: with a request open, after its response."""
        self._is_timed = False
        if self._transport.is_closing() or self.client_gone or self._open is not None:
            return
        loop = asyncio.get_running_loop()
        left_s = self._busy_at + KEEP_ALIVE_S - loop.time()
        if left_s <= 0:
            self._transport.close()
        else:
            self._is_timed = True
            loop.call_later(left_s, self._close_when_idle)

    def expect_response(self, sink: Sink, post: int) -> None:
        """A sink has taken the request as this notification, and will respond."""
        self._open = (sink, post)
        if sink is not self._handler:
            sink.opened(self)

    def is_awaited_by(self, sink: Sink) -> bool:
        """Whether its client waits for this sink's response."""
        return self._open is not None and self._open[0] is sink

    def _close_open(self) -> tuple[Sink, int] | None:
        notification, self._open = self._open, None
        if notification is not None and notification[0] is not self._handler:
            notification[0].closed(self)
        return notification

    def _end_unanswered(self) -> None:
        if (notification := self._close_open()) is not None:
            sink, post = notification
            sink.recorder.write(SinkResponded(sink.recorder.now_ms(), post, error="hung"))

    def respond_to(self, post: int, status: int) -> None:
        """Respond to this notification, if its client still waits."""
        if self._open is None or self._open[1] != post:
            return  # the client has disconnected, which is recorded already
        sink, _ = self._open
        self._close_open()
        sink.recorder.write(SinkResponded(sink.recorder.now_ms(), post, status))
        self.respond(status)

    def respond_late(self, post: int, status: int) -> None:
        """Respond to this notification, if its client still waits, and watch whether it disconnects."""
        if self._open is not None and self._open[1] == post:
            self._answered_late = self._open
            self.respond_to(post, status)

    def respond(self, status: int) -> None:
        """Send a response, and take the next request."""
        self._busy_at = asyncio.get_running_loop().time()
        headers = [("content-length", "0"), *([_MOVED_TO] if status in _REDIRECTS else [])]
        head = h11.Response(status_code=status, headers=headers)
        self._transport.write((self._http.send(head) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._http.start_next_cycle()
            if not self._is_timed:
                self._close_when_idle()
            self._read_events()

    def reset(self, post: int) -> None:
        """Break the connection instead of responding."""
        if (notification := self._close_open()) is not None:
            recorder = notification[0].recorder
            recorder.write(SinkResponded(recorder.now_ms(), post, error="reset"))
        self._transport.abort()

    def _read_events(self) -> None:
        while True:
            event = self._http.next_event()
            match event:
                case h11.Request():
                    self._answered_late = None
                    self._headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                    self.method = event.method.decode("latin-1")
                    self.path = _path_of(event.target.decode("latin-1"))
                    self._content.clear()
                    if self._http.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        self._transport.write(self._http.send(go_on) or b"")
                case h11.Data():
                    self._content += event.data
                    if len(self._content) > CONTENT_BYTES_MAX:
                        self._transport.abort()
                        return
                case h11.EndOfMessage() if self.method in _PROBES and not self._content:
                    self.respond(OK)
                    return
                case h11.EndOfMessage():
                    self._handler.receive(self, self._headers, bytes(self._content))
                case h11.ConnectionClosed():
                    self._transport.close()
                    return
                case _:  # NEED_DATA, or PAUSED until this request is answered
                    return
