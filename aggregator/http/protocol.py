"""HTTP/1.1 as uvicorn speaks it, with an end to everything that a client could make last for ever.

Bodies are limited where they are read (`http.app`); heads are gathered by the server itself, which has
no limit of its own, neither in size nor in time. Nor does it mind a client that never reads its answers.

What comes before garbage is answered as if the garbage had not come: an answer that belongs to the garbage
would be taken for the answer to a webhook that is on disk.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# A registry's head has some 300 bytes; proxies and cookies add thousands. Other servers take 8 to 64 KiB.
HEAD_BYTES_MAX = 32_768
# How often a connection is looked at. One that has not moved on since the last look is closed, so a head or
# the reading of an answer may take once to twice as long. Apache gives a head 20 to 40 s.
LOOK_S = 15.0
# How much is read, and thrown away, of a body whose answer does not depend on it any more: closing at once
# would tear the answer from a client that is still sending.
SPILL_BYTES_MAX = 16 << 20

_BODY = (
    b'{"error":"head-too-large","message":"request line and headers have more than %d bytes"}'
    % HEAD_BYTES_MAX
)
_ANSWER = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class _HeadTooLargeError(Exception):
    """Ends parsing."""


class LimitedHttp(HttpToolsProtocol):
    """Answers 431 when a head is too large, whether it ever ends or not; closes what does not move on."""

    _in_head = False
    _in_body = False
    _behind = False  # the bytes that are being parsed began with another message than they end with
    _head_bytes = 0  # of a head that has not ended, but for bytes that it shares with another message
    _too_large = False
    _spilt_bytes = 0
    _deaf = False  # what still comes is not looked at
    _running: RequestResponseCycle | None = None
    _seen: RequestResponseCycle | None = None  # at the last look
    _idle = False  # at the last look

    # --- reading ---

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._behind = self._in_body
        super().data_received(data)
        if self._in_body and self.cycle.response_complete:
            self._spilt_bytes += len(data)
            if self._spilt_bytes > SPILL_BYTES_MAX:
                self.transport.abort()
        elif self._in_head and not self._behind and not self._deaf:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(_ANSWER)

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value)
        if size > HEAD_BYTES_MAX:
            self._too_large = True
            raise _HeadTooLargeError
        super().on_headers_complete()
        self._in_body = self._behind = True

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # --- refusing ---

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words are vaguer
        if self._too_large:
            self._refuse(_ANSWER)
        else:
            body = b'{"error":"not-http","message":"this is no HTTP/1.1 request"}'
            head = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n"
            self._refuse(b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body))

    def _refuse(self, answer: bytes) -> None:
        """Refuse what came last, once everything before it has its own answer."""
        self._deaf = True
        broken = self.cycle if self._in_body else None
        if self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()  # it waits at the end of the queue, which is on the left
        last = self.pipeline[0][0] if self.pipeline else self._running
        if last is not broken and last is not None and not last.response_complete:
            last.keep_alive = False  # closes after its answer
            return
        if last is not broken or last is None or not last.response_started:
            self.transport.write(answer)
        self.transport.close()

    # --- time ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP has no other
        super().connection_made(transport)
        self._watch = self.loop.call_later(LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        if self._running is not None and not self._running.response_complete:
            # uvicorn tells the request that came last, which may still be in the queue.
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close when the same thing has been waited for since the last look: a head, or a reader."""
        waits_for_head = self.cycle is None or self.cycle.response_complete
        idle = waits_for_head or self.flow.write_paused
        if idle and self._idle and self.cycle is self._seen:
            self.transport.abort()  # closing would wait for whatever nobody reads
            return
        self._idle, self._seen = idle, self.cycle
        self._watch = self.loop.call_later(LOOK_S, self._look)
