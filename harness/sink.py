"""The sink: receives notifications over HTTP, and misbehaves as the scenario says.

Rules of this file: it never judges, it only writes down; a request counts as received once its whole body
was read; what a fault did is written before its effect can be seen.
"""

import asyncio
from collections.abc import Callable
from typing import Any, assert_never

import h11
import msgspec

from harness.history import Bit, Received, Replied
from harness.journal import Journal
from simulator.scenario import (
    OnSink,
    Scenario,
    SinkDown,
    SinkFault,
    SinkHangs,
    SinkLosesAnswer,
    SinkRefuses,
    SinkStalls,
)

OK = 200
type Misbehaviour = SinkRefuses | SinkStalls | SinkHangs | SinkLosesAnswer
# An idle connection is closed after so long, as nginx does (75 s). It is more than a courtesy: clients look
# after open connections every few seconds, which over thirty simulated days is all that would ever happen.
# The odd half of a millisecond keeps it off the instants of a scenario, so that it never closes what is just
# being used.
KEEP_ALIVE_S = 75.0005
# Told whose notification was read, before it counts; True means that the aggregator just died of it.
type OnArrival = Callable[[str | None], bool]
type WhoseIs = Callable[[dict[str, Any] | None], str | None]


class Sink:
    """One notification endpoint. Its connections speak HTTP/1.1 to whoever connects."""

    def __init__(
        self, scenario: Scenario, journal: Journal, *, whose: WhoseIs, before: OnArrival, after: OnArrival
    ) -> None:
        self.journal = journal
        self._whose, self._before, self._after = whose, before, after
        self._faults: list[tuple[int, SinkFault]] = [
            (index, fault) for index, fault in enumerate(scenario.faults) if isinstance(fault, SinkFault)
        ]
        self._answers_lost: dict[int, int] = {}
        self._connections: dict[_Connection, None] = {}  # a set that keeps its order

    async def listen(self, host: str, port: int) -> asyncio.AbstractServer:
        """Serve on ``host:port`` of the running loop's network."""
        return await asyncio.get_running_loop().create_server(lambda: _Connection(self), host, port)

    def opened(self, connection: "_Connection") -> None:
        self._connections[connection] = None

    def closed(self, connection: "_Connection") -> None:
        self._connections.pop(connection, None)

    def close(self) -> None:
        """Break every connection, in the order in which they came."""
        for connection in tuple(self._connections):
            connection.hang_up()

    def is_down(self) -> bool:
        """Whether a connection made now is reset at once."""
        for index, fault in self._faults:
            if isinstance(fault, SinkDown) and self._holds(fault):
                self.journal.write(Bit(self.journal.now_ms(), index))
                return True
        return False

    def receive(self, connection: "_Connection", headers: dict[str, str], content: bytes) -> None:
        """Take one whole request: write it down and answer it, or not."""
        body = _json_object(content)
        op = self._whose(body)
        if self._before(op):
            connection.deserted = True
            return
        post, now = self.journal.next_post(), self.journal.now_ms()
        self.journal.write(Received(now, post, headers.get("webhook-id"), body, op))
        connection.awaiting = post
        if self._after(op):
            connection.deserted = True
            connection.awaiting = None
            self.journal.write(Replied(now, post, error="gone"))
            return
        self._answer(connection, post, op)

    def _answer(self, connection: "_Connection", post: int, op: str | None) -> None:
        index, fault = self._fault_for(op)
        if fault is not None:
            self.journal.write(Bit(self.journal.now_ms(), index, op))
        match fault:
            case None:
                connection.answer(post, OK)
            case SinkRefuses():
                connection.answer(post, fault.status)
            case SinkStalls():
                asyncio.get_running_loop().call_later(fault.by / 1000, connection.answer, post, OK)
            case SinkHangs():
                pass  # the connection writes down how that ended
            case SinkLosesAnswer():
                self._answers_lost[index] = self._answers_lost.get(index, 0) + 1
                connection.reset(post)
            case _:
                assert_never(fault)

    def _fault_for(self, op: str | None) -> tuple[int, Misbehaviour | None]:
        """The first fault of the scenario's list that holds this notification now."""
        for index, fault in self._faults:
            if isinstance(fault, SinkDown) or not self._holds(fault) or not _selects(fault, op):
                continue
            if isinstance(fault, SinkLosesAnswer) and self._answers_lost.get(index, 0) >= fault.times:
                continue
            return index, fault
        return -1, None

    def _holds(self, fault: SinkFault) -> bool:
        now = self.journal.now_ms()
        return fault.since <= now and (fault.until is None or now < fault.until)


def _selects(fault: OnSink, op: str | None) -> bool:
    """An operation's name stands for all its repeats, ``name/n``."""
    return not fault.operation or (op is not None and op.partition("/")[0] == fault.operation)


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


class _Connection(asyncio.Protocol):
    """One connection to the sink: bytes in and out of h11."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._http = h11.Connection(h11.SERVER)
        self._headers: dict[str, str] = {}
        self._content = bytearray()
        self.awaiting: int | None = None  # the post that has no answer yet
        self.deserted = False  # whoever is at the other end died in the middle of a request
        self._busy_at = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._sink.opened(self)
        if self._sink.is_down():
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
        self._sink.closed(self)
        self._never_answered()

    def hang_up(self) -> None:
        self._never_answered()
        self._transport.abort()

    def _close_when_idle(self) -> None:
        loop = asyncio.get_running_loop()
        left_s = self._busy_at + KEEP_ALIVE_S - loop.time()
        if self._transport.is_closing() or self.deserted:
            return
        if self.awaiting is not None:
            left_s = KEEP_ALIVE_S
        if left_s <= 0:
            self._transport.close()
        else:
            loop.call_later(left_s, self._close_when_idle)

    def _never_answered(self) -> None:
        if self.awaiting is not None:
            post, self.awaiting = self.awaiting, None
            self._sink.journal.write(Replied(self._sink.journal.now_ms(), post, error="hung"))

    def answer(self, post: int, status: int) -> None:
        if self.awaiting != post:
            return  # the aggregator gave up waiting; that is written already
        self.awaiting = None
        self._busy_at = asyncio.get_running_loop().time()
        self._sink.journal.write(Replied(self._sink.journal.now_ms(), post, status))
        head = h11.Response(status_code=status, headers=[("content-length", "0")])
        self._transport.write((self._http.send(head) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._http.start_next_cycle()
            self._read_events()

    def reset(self, post: int) -> None:
        self.awaiting = None
        self._sink.journal.write(Replied(self._sink.journal.now_ms(), post, error="reset"))
        self._transport.abort()

    def _read_events(self) -> None:
        while True:
            event = self._http.next_event()
            match event:
                case h11.Request():
                    self._headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                    self._content.clear()
                    if self._http.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        self._transport.write(self._http.send(go_on) or b"")
                case h11.Data():
                    self._content += event.data
                case h11.EndOfMessage():
                    self._sink.receive(self, self._headers, bytes(self._content))
                case h11.ConnectionClosed():
                    self._transport.close()
                    return
                case _:  # NEED_DATA, or PAUSED until this request is answered
                    return
