"""HTTP/1.1 over one connection, for uvicorn: requests one after the other, bounded in memory and in time.

Rules of this file: one request is in progress at a time, and what follows it waits unread; whatever a
client can occupy is limited, in bytes and in seconds; a client that is still sending can read its response
before the connection closes (RFC 9112, section 9.6).

Requests before garbage get their responses, and the garbage none: a client could take that response for the
one to a webhook that is on disk.
"""

import asyncio
import logging
import math
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from fanin.aggregator import log
from fanin.aggregator.errors import AggregatorError, MemoryBudgetError, NotHttpError, RequestError
from fanin.aggregator.http.exchange import PIECE_BYTES, Exchange, refusal
from fanin.aggregator.http.request_parser import RequestHead, RequestParser
from fanin.aggregator.http.shared_limits import FREE_BYTES, MemoryBudget
from fanin.aggregator.http.uvicorn_context import UvicornContext
from fanin.aggregator.wire import BODY_BYTES_MAX

# The time limit for a head that has begun, for reading a response, and for the rest of a body whose response
# has been sent. Apache gives a head 20 to 40 s.
STALL_S = 30.0
# The time that a client which is still sending has to read its last response (lingering close).
LINGER_S = 5.0
# The number of unwanted bytes that are read and discarded: if the connection closed at once, a client that is
# still sending would lose its response.
DISCARD_BYTES_MAX = 16 << 20

# As uvicorn's option ``http`` wants it.
OUR_HTTP = f"{__name__}:HttpProtocol"
# This much is received from one connection in an iteration of the event loop. Event loops would receive four
# times as much, several times in a row, and webhooks would wait for a crowd of large requests.
_RECEIVED = memoryview(bytearray(65_536))

# Of all connections, because the memory is the process's.
_BUDGET = MemoryBudget()


class HttpProtocol(asyncio.BufferedProtocol):
    """One connection. uvicorn makes one for each, as its option ``http`` says, and calls `shutdown`."""

    _transport: asyncio.Transport
    _timer: asyncio.TimerHandle

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._loop = _loop or asyncio.get_running_loop()
        self._uvicorn = UvicornContext(config, server_state, app_state, self._loop)
        self._parser = RequestParser()
        self._exchange: Exchange | None = None  # in progress; None between two requests
        self._body_bytes = 0  # of its body, so far
        self._new_body = False  # the application has not run since it was received
        self._in_head = False  # a head has begun and not ended
        self._pipelined = False  # the next bytes to parse came together with an earlier request
        self._discarded_bytes = 0
        self._ended = False  # the client sends no more
        self._lingering = False  # nothing that comes is read any more
        self._stopping = False
        self._reading_paused = self._is_deferred = False
        self.write_paused = False
        self._writable = asyncio.Event()
        self._deadline_s = math.inf  # of the loop's clock
        self._timer_s = 0.0  # when the timer compares it

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP has no other
        self._transport = transport
        self._uvicorn.opened(self, transport)
        self._deadline_s = self._loop.time() + self._uvicorn.keep_alive_s
        self._check_at(self._deadline_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how it was lost does not matter
        self._uvicorn.closed(self)
        self._timer.cancel()
        _BUDGET.release(self)
        self._lingering = True
        if self._exchange is not None:
            self._exchange.disconnect()
        self._writable.set()

    def shutdown(self) -> None:
        """Finish the request in progress, then close."""
        self._stopping = True
        if self._exchange is None or self._lingering:
            self._transport.close()
        else:
            self._exchange.keep_alive = False

    # --- reading ---

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - a limit is what it is for
        """Where the next bytes are received: the same place for all, because they are taken at once."""
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was received. If the buffer is full, other connections are served before the rest."""
        self.data_received(bytes(_RECEIVED[:nbytes]))
        if nbytes == len(_RECEIVED) and not self._reading_paused:
            self._pause_reading()
            self._continue_later()

    def data_received(self, data: bytes) -> None:
        """Parse what the client sent."""
        if self._lingering:
            self._discard(len(data))
            return
        if self._exchange is None and not self._parser.pending:
            self._pipelined = False
        self._parser.feed(data)
        self._advance()

    def eof_received(self) -> bool:
        """The client sends no more, but may still read; return whether the connection stays open."""
        self._ended = True
        exchange = self._exchange
        if self._lingering:
            return False
        if exchange is None:
            if self._parser.pending:
                self._continue_later()
            return self._parser.pending > 0
        if self._parser.body_ended:
            return True
        if exchange.response_ended:
            return False
        self._refuse(NotHttpError("it ended before its body was complete"))
        return not self._transport.is_closing()

    def _advance(self) -> None:
        """Parse what has been received: another request's head, or more of a body."""
        if self._lingering or self._transport.is_closing():
            return
        new = None
        try:
            exchange = self._exchange
            if exchange is None:
                if self.write_paused:
                    return  # until the client has read earlier responses
                head = self._parser.next_head()
                if head is None:
                    self._await_head()
                    return
                self._in_head = False
                self._deadline_s = math.inf
                exchange = new = self._exchange = Exchange(self, head)
            if not self._parser.body_ended:
                self._read_body(exchange)
        except RequestError as error:
            self._refuse(error)
            return
        if new is not None and not self._lingering:
            self._uvicorn.run(new)
        self._pace()

    def _continue_later(self) -> None:
        """Continue after the work of other connections."""
        if not self._is_deferred:
            self._is_deferred = True
            self._uvicorn.deferred.add(self._continue)

    def _continue(self) -> None:
        self._is_deferred = False
        if self._lingering:
            self._resume_reading()
        else:
            self._advance()

    def _await_head(self) -> None:
        if self._ended:
            self._transport.close()
            return
        if self._parser.pending and not self._in_head:
            self._in_head = True
            self._set_deadline(STALL_S)
        self._hold()
        self._resume_reading()

    def _read_body(self, exchange: Exchange) -> None:
        parser = self._parser
        piece = parser.read_body()
        if not exchange.response_ended:
            self._body_bytes += len(piece)
            exchange.feed(piece, ended=parser.body_ended)
            self._new_body = True
            self._hold()
            self._new_body = False
        elif parser.body_ended:
            self._end_exchange()
        else:
            self._discard(len(piece))

    def _discard(self, size: int) -> None:
        """Count unwanted bytes, and abort the connection beyond a limit."""
        self._discarded_bytes += size
        if self._discarded_bytes > DISCARD_BYTES_MAX:
            self._transport.abort()

    # --- pace ---

    def _pace(self) -> None:
        """Receive more only if it can be used now."""
        exchange, parser = self._exchange, self._parser
        if self._lingering:
            return
        if exchange is None and not parser.pending:
            self._resume_reading()
        elif exchange is None:
            self._pause_reading()  # the response has been sent; what follows the request is read later
            self._hold()
        elif exchange.buffered >= PIECE_BYTES or (parser.body_ended and parser.pending):
            self._pause_reading()
            self._hold()
        elif parser.stalled:
            self._pause_reading()
            self._continue_later()
        else:
            self._resume_reading()

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self._ended and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and not self._ended and not self._transport.is_closing():
            self._reading_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The client reads responses more slowly than they are written."""
        self.write_paused = True
        self._writable.clear()
        self._set_deadline(LINGER_S if self._lingering else STALL_S)
        self._hold()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.write_paused = False
        self._writable.set()
        if self._lingering:
            return
        self._deadline_s = math.inf
        if self._exchange is None:
            self._await_request()
        elif self._exchange.response_ended:
            self._set_deadline(STALL_S)

    # --- memory ---

    @property
    def evictable(self) -> bool:
        """Whether it holds an incomplete request, waiting requests, or a response that is not read."""
        if self._lingering:
            return False
        return self.write_paused or not self._parser.body_ended or self._parser.pending > 0 or self._new_body

    def evict(self) -> int:
        """Refuse an incomplete request, drop those that wait, or abort a connection that is not read."""
        if self.write_paused:
            self._lingering = True
            self._transport.abort()
            return 0
        if self._exchange is None or not self._parser.body_ended or self._new_body:
            self._refuse(MemoryBudgetError("requests in progress hold too much memory; this was the largest"))
            return 0
        self._exchange.keep_alive = False
        self._parser.drop()
        return self._held_bytes()

    def _held_bytes(self) -> int:
        unread = self._transport.get_write_buffer_size() if self.write_paused else 0
        return self._parser.pending + min(self._body_bytes, BODY_BYTES_MAX) + unread

    def _hold(self) -> None:
        held = self._held_bytes()
        if held > FREE_BYTES:
            _BUDGET.hold(self, held)

    # --- responding ---

    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """What every response carries, such as its date."""
        return self._uvicorn.default_headers()

    def write(self, data: bytes) -> None:
        """Send bytes of a response."""
        self._transport.write(data)

    async def writable(self) -> None:
        """Wait until the client has read enough, or has left."""
        await self._writable.wait()

    def body_taken(self) -> None:
        """The application has taken what had been received of a body."""
        if self._reading_paused:
            self._continue_later()

    def response_ended(self, exchange: Exchange) -> None:
        """The last byte of a response has been written."""
        parser = self._parser
        self._uvicorn.responded()
        if self._lingering or self._transport.is_closing():
            return
        if not exchange.keep_alive:
            self._close(linger=not parser.body_ended or parser.pending > 0 or self._reading_paused)
        elif parser.body_ended:
            self._end_exchange()
        else:
            self._set_deadline(STALL_S)  # the rest of the body precedes the next request
            self._continue_later()

    def _end_exchange(self) -> None:
        self._exchange = None
        self._body_bytes = self._discarded_bytes = 0
        _BUDGET.release(self)
        self._pipelined = self._parser.pending > 0
        if not self.write_paused:
            self._await_request()

    def _await_request(self) -> None:
        """Continue with what followed the last request, or wait for another."""
        if self._parser.pending:
            self._continue_later()
        elif self._ended:
            self._transport.close()
        else:
            self._deadline_s = self._loop.time() + self._uvicorn.keep_alive_s
            self._resume_reading()

    def _refuse(self, error: AggregatorError) -> None:
        """Respond with an error, unless it could be taken for another request's response, and close."""
        log.event(logging.INFO, "refused", status=error.status, reason=error)
        exchange = self._exchange
        respond = not self._pipelined
        if exchange is not None:
            respond = respond and not exchange.started
            exchange.disconnect()
            if exchange.started and not exchange.response_ended:
                self._transport.abort()
                return
        if respond:
            self._transport.write(refusal(error))
        self._close(linger=True)

    def _close(self, *, linger: bool) -> None:
        """Close once what was written has been sent, and read, if the client may still be sending."""
        self._lingering = True
        self._parser.drop()
        _BUDGET.release(self)
        if not linger or self._ended or self._stopping or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._set_deadline(LINGER_S)
        self._resume_reading()

    def abort(self) -> None:
        """Close without a response, or in the middle of one."""
        self._transport.abort()

    def log_access(self, head: RequestHead, status: int) -> None:
        """Log a request, where that is wanted."""
        self._uvicorn.log_access(head, status)

    # --- time ---

    def _set_deadline(self, seconds: float) -> None:
        """Close the connection after a time, unless it moves on."""
        self._deadline_s = self._loop.time() + seconds
        if self._deadline_s < self._timer_s:
            self._timer.cancel()
            self._check_at(self._deadline_s)

    def _check_at(self, time_s: float) -> None:
        self._timer_s = time_s
        self._timer = self._loop.call_at(time_s, self._check_deadline)

    def _check_deadline(self) -> None:
        """Close if the deadline has passed; it may have been moved since the timer was set."""
        now_s = self._loop.time()
        if now_s < self._deadline_s:
            self._check_at(min(self._deadline_s, now_s + max(self._uvicorn.keep_alive_s, STALL_S)))
        elif self._exchange or self._parser.pending or self.write_paused or self._lingering:
            self._transport.abort()  # closing would wait until the client has read everything
        else:
            self._transport.close()
