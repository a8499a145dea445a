"""HTTP/1.1 requests read from a byte stream: the head, and where the body ends. No I/O and no clock.

Rules of this file: the grammar is that of RFC 9110 and RFC 9112, and what two parsers could read in two ways
is refused, never repaired: a proxy in front that reads it the other way would let one sender's bytes become
another sender's request. A request to upgrade the connection is served as if it did not ask (RFC 9110,
section 7.8), so its body is a body. Whatever a client can make longer has a limit.
"""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from fanin.aggregator.errors import HeadTooLargeError, NotHttpError

# A registry's head has some 300 bytes; proxies and cookies add thousands. Other servers take 8 to 64 KiB.
HEAD_BYTES_MAX = 32_768
# Apache's limit; a proxy's request has some twenty.
FIELDS_MAX = 100
# Chunk extensions and trailers mean nothing here, and are thrown away.
CHUNK_LINE_BYTES_MAX = 4_096
EXTENSION_BYTES_MAX = 16_384  # of one body
TRAILER_BYTES_MAX = 8_192
# A body in chunks of one byte is legal; after half a millisecond of such work other connections are served.
CHUNKS_PER_READ = 500

# A registry's heads differ in the length of the body at most; so many are parsed once, up to this size.
_HEADS_KEPT, _HEAD_KEPT_BYTES_MAX = 128, 1_024

_LENGTH_DIGITS_MAX = 18
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_FIELD_LINES = rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+"
_HEAD = re.compile(rb"(" + _TOKEN + rb") ([\x21\x22\x24-\x7e]++) HTTP/1\.([01])\r\n(" + _FIELD_LINES + rb")")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)\r\n")
_BEGUN_TEXT = re.compile(rb"(?:[\t\x20-\x7e\x80-\xff]++|\r\n)*+\r?+")
_ABSOLUTE = re.compile(rb"https?://([^/?@]++)(/[^?]*+)?((?:\?.*)?)", re.IGNORECASE)
_HOST = re.compile(rb"[!$%&'()*+,\-.:;=\[\]_~0-9A-Za-z]*+")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e\x80-\xff]*+)?)[\t ]*+\r\n")
_TRAILERS = re.compile(_FIELD_LINES + rb"\r\n")

_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))
_LISTS = frozenset((b"connection", b"expect"))
# A parser that merges trailers with headers would read another request (RFC 9110, section 6.5.1).
_NEVER_TRAILERS = frozenset((b"host", b"content-length", b"transfer-encoding"))


class RequestHead(NamedTuple):
    """A request but for its body. ``headers`` has lower-case names, in the order of the request."""

    method: str
    raw_path: bytes  # as sent: percent-encoded; ``*`` for a request about the server itself
    path: str  # decoded
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    minor_version: int  # of HTTP/1
    body_length: int | None  # in bytes; None: in chunks, until the last one
    keep_alive: bool
    expects_continue: bool


class RequestParser:
    """One connection's requests, one after the other: `next_head`, then `read_body` until ``body_ended``.

    After an error nothing more may be read: what follows cannot be understood.
    """

    __slots__ = (
        "_at", "_between_chunks", "_buffer", "_chunked", "_extension_bytes", "_in_trailers", "_left",
        "_vetted", "body_ended", "stalled",
    )  # fmt: skip

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0  # what lies before it has been read
        self._vetted = 0  # so much of a head that has not ended is known to be none that must be refused
        self.body_ended = True
        self.stalled = False  # more of the body could be read at once
        self._chunked = False
        self._left = 0  # of the body, or of the chunk
        self._between_chunks = self._in_trailers = False
        self._extension_bytes = 0

    @property
    def pending(self) -> int:
        """Bytes that have been fed and not read."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        """Add what the connection received."""
        if self._at < len(self._buffer):
            data = self._buffer[self._at :] + data
        self._buffer, self._at = data, 0

    def drop(self) -> None:
        """Throw away what has been fed and not read."""
        self._buffer, self._at = b"", 0

    # --- heads ---

    def next_head(self) -> RequestHead | None:
        """The next request's head; None while it has not been received in full.

        Raises:
            HeadTooLargeError: it is longer than `HEAD_BYTES_MAX`, whether it ends or not.
            NotHttpError: what has been received begins no request that could be understood.
        """
        begin = self._at
        end = self._buffer.find(b"\r\n\r\n", begin + max(0, self._vetted - 3))
        size = (len(self._buffer) if end < 0 else end + 4) - begin
        if size > HEAD_BYTES_MAX:
            raise HeadTooLargeError(HEAD_BYTES_MAX, FIELDS_MAX)
        if end < 0:
            self._vet_begun_head(begin)
            return None
        self._at, self._vetted = end + 4, 0
        text = self._buffer[begin : end + 2]
        head = _parse_head(text) if len(text) > _HEAD_KEPT_BYTES_MAX else _kept_head(text)
        self._chunked = head.body_length is None
        self._left = head.body_length or 0
        self._between_chunks = self._in_trailers = False
        self._extension_bytes = 0
        self.body_ended = head.body_length == 0
        return head

    def _vet_begun_head(self, begin: int) -> None:
        """Refuse what cannot become a head at once: the client of a TLS greeting waits for a response."""
        if not self._is_begun_text(begin + self._vetted):
            raise NotHttpError
        # A last CR has to be seen with what follows.
        self._vetted = self.pending - self._buffer.endswith(b"\r")
        if self._buffer.startswith(b"\r", begin):
            raise NotHttpError

    def _is_begun_text(self, begin: int) -> bool:
        return _BEGUN_TEXT.fullmatch(self._buffer, begin) is not None

    # --- bodies ---

    def read_body(self) -> bytes:
        """What has been received of the body since the last call.

        Raises:
            NotHttpError: it is not in chunks as its head says.
        """
        if self._chunked:
            return self._read_chunks()
        return self._take()

    def _take(self) -> bytes:
        begin = self._at
        piece = self._buffer[begin : begin + self._left]
        self._at += len(piece)
        self._left -= len(piece)
        if self._at == len(self._buffer):
            self.drop()  # a connection that waits for more must not keep what it has read
        self.body_ended = not self._left and not self._chunked
        return piece

    def _read_chunks(self) -> bytes:
        pieces = []
        self.stalled = False
        for _ in range(CHUNKS_PER_READ):
            if not self._left and not self._next_chunk():
                break
            pieces.append(self._take())
            if self._left:
                break
        else:
            self.stalled = self.pending > 0
        return b"".join(pieces)

    def _next_chunk(self) -> bool:
        """Read what stands between chunks; False: it has not been received in full, or the body has ended."""
        if self._in_trailers:
            self._read_trailers()
            return False
        begin = self._at
        if self._between_chunks:
            if not b"\r\n".startswith(self._buffer[begin : begin + 2]):
                raise NotHttpError("a chunk is longer than it says")
            begin += 2
        match = _CHUNK.match(self._buffer, begin)
        size = (len(self._buffer) if match is None else match.end()) - begin
        if size > CHUNK_LINE_BYTES_MAX:
            raise NotHttpError(f"the size of a chunk has more than {CHUNK_LINE_BYTES_MAX} bytes")
        if match is None:
            if self._buffer.find(b"\n", begin) >= 0:
                raise NotHttpError("a chunk has no size")
            return False
        self._extension_bytes += len(match[2])
        if self._extension_bytes > EXTENSION_BYTES_MAX:
            raise NotHttpError(f"chunk extensions have more than {EXTENSION_BYTES_MAX} bytes")
        self._at = match.end()
        self._left = int(match[1], 16)
        self._between_chunks = True
        if not self._left:
            self._in_trailers = True
            self._read_trailers()
            return False
        return True

    def _read_trailers(self) -> None:
        match = _TRAILERS.match(self._buffer, self._at)
        size = (len(self._buffer) if match is None else match.end()) - self._at
        if size > TRAILER_BYTES_MAX:
            raise NotHttpError(f"trailers have more than {TRAILER_BYTES_MAX} bytes")
        if match is not None:
            names = {name.lower() for name, _ in _FIELD.findall(match[0])}
            if names & _NEVER_TRAILERS:
                raise NotHttpError("trailers say where the body ends, or whose it is")
            self._at = match.end()
            self.body_ended = True
        elif self._buffer.find(b"\r\n\r\n", self._at) >= 0 or not self._is_begun_text(self._at):
            raise NotHttpError("trailers are no headers")


def _parse_head(head: bytes) -> RequestHead:
    """Read all of a head but the empty line that ends it."""
    match = _HEAD.fullmatch(head)
    if match is None:
        raise NotHttpError
    fields = _FIELD.findall(head, match.start(4))
    if len(fields) > FIELDS_MAX:
        raise HeadTooLargeError(HEAD_BYTES_MAX, FIELDS_MAX)
    headers: list[tuple[bytes, bytes]] = []
    framing: dict[bytes, bytes] = {}
    for name_as_sent, padded in fields:
        name, value = name_as_sent.lower(), padded.rstrip(b" \t")
        headers.append((name, value))
        if name in _FRAMING:
            if name in framing:
                if name not in _LISTS:
                    raise NotHttpError(f"there are two {name.decode()} headers")
                value = framing[name] + b"," + value
            framing[name] = value
    minor = int(match[3])
    target, host = _split_target(match[1], match[2])
    _check_host(framing.get(b"host"), minor)
    if host is not None:
        headers = [(name, host if name == b"host" else value) for name, value in headers]
    path, _, query = target.partition(b"?")
    connection = framing.get(b"connection")
    return RequestHead(
        match[1].decode(),
        path,
        unquote(path.decode()) if b"%" in path else path.decode(),
        query,
        tuple(headers),
        minor,
        _body_length(framing, minor),
        minor == 1 and (connection is None or b"close" not in _tokens(connection)),
        minor == 1 and b"expect" in framing and framing[b"expect"].lower() == b"100-continue",
    )


_kept_head = lru_cache(maxsize=_HEADS_KEPT)(_parse_head)


def _split_target(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """Path with query, and the host if the target names it (RFC 9112, section 3.2)."""
    if method == b"CONNECT":
        raise NotHttpError("this is no proxy")
    if target[0] == ord("/") or (target == b"*" and method == b"OPTIONS"):
        return target, None
    match = _ABSOLUTE.fullmatch(target)
    if match is None or not _HOST.fullmatch(match[1]):
        raise NotHttpError("the request's target is no path")
    return (match[2] or b"/") + match[3], match[1]


def _check_host(host: bytes | None, minor: int) -> None:
    if host is None:
        if minor:
            raise NotHttpError("there is no host header")
    elif not _HOST.fullmatch(host):
        raise NotHttpError("the host header is no host")


def _body_length(framing: dict[bytes, bytes], minor: int) -> int | None:
    """The body's length in bytes; None: it comes in chunks (RFC 9112, section 6.3)."""
    length, coding = framing.get(b"content-length"), framing.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or coding.lower() != b"chunked" or not minor:
            raise NotHttpError("where its body ends is not clear")
        return None
    if length is None:
        return 0
    if not length.isdigit() or len(length) > _LENGTH_DIGITS_MAX:
        raise NotHttpError("content-length is no number")
    return int(length)


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip(b" \t").lower() for token in value.split(b",")]
