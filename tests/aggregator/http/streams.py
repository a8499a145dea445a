"""Byte streams that may be HTTP/1.1, and the requests that h11, a strict parser, sees in them."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import h11
from hypothesis import strategies as st

# h11 keeps what it cannot read yet; here nothing is longer.
_H11_BYTES_MAX = 1 << 20


class Seen(NamedTuple):
    """One request as an application sees it. A coding's name has lower-case letters, as h11 writes it."""

    method: str
    target: bytes  # a path with its query
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    complete: bool


def seen_by_h11(stream: bytes) -> list[Seen]:
    """The requests in a stream up to the first error, each gets its response as soon as it is complete.

    The last one may be incomplete. What comes behind a request to close the connection is not read.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_H11_BYTES_MAX)
    connection.receive_data(stream)
    seen: list[Seen] = []
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                headers = tuple((name, value) for name, value in event.headers)
                seen.append(Seen(event.method.decode(), event.target, headers, b"", complete=False))
            elif isinstance(event, h11.Data):
                seen[-1] = seen[-1]._replace(body=seen[-1].body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                seen[-1] = seen[-1]._replace(complete=True)
                connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.MUST_CLOSE:
                    break
                connection.start_next_cycle()
            else:
                break
    except h11.RemoteProtocolError:
        pass
    return [_with_path(each) for each in seen]


def _with_path(seen: Seen) -> Seen:
    """The same with the path alone, where the target named the host too (RFC 9112, section 3.2.2)."""
    scheme, separator, rest = seen.target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return seen
    for mark in (b"/", b"?"):
        authority, found, path = rest.partition(mark)
        if found and b"?" not in authority:
            break
    target = path if not found else (b"/" if mark == b"?" else b"") + mark + path
    headers = tuple((name, authority if name == b"host" else value) for name, value in seen.headers)
    return seen._replace(target=target or b"/", headers=headers)


def chunked(*parts: bytes, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """A body in chunks."""
    chunks = (b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    return b"".join(chunks) + b"0" + extension + b"\r\n" + trailers + b"\r\n"


METHODS = (b"GET", b"HEAD", b"OPTIONS", b"BREW", b"CONNECT", b"get", b"", b"P ST", b"P\x00ST")
TARGETS = (
    b"/", b"/a?b=c", b"/%7e%zz?%20", b"*", b"http://h", b"HTTPS://h:8/x?y", b"http://h?q", b"http://u@h/",
    b"http:///x", b"h:80", b"//x/y", b"/a b", b"/a#b", b"/\x80", b"",
)  # fmt: skip
VERSIONS = (b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"")
LINE_ENDS = (b"\n", b"\r", b"\r\r\n", b" \r\n", b"\n\r\n", b"")
USUAL_FIELDS = (
    b"x: y", b"x:", b"x:  y\t", b"x: \xff", b"connection: keep-alive", b"connection: Upgrade",
    b"upgrade: h2c", b"upgrade: websocket", b"expect: 100-continue", b"expect: x", b"trailer: x",
)  # fmt: skip
ODD_FIELDS = (
    b"host: h2", b"host:", b"host: a b", b"x: a\x00b", b"x: a\x0bb", b"x: a\rb", b" folded", b"\tfolded",
    b"x : y", b": y", b"x", b"\xff: y", b"connection: close", b"connection: keep-alive , CLOSE",
    b"content-length: 3", b"transfer-encoding: chunked",
)  # fmt: skip
# Lines that say how long a body is, or seem to.
FRAMINGS = (
    b"content-length: 03", b"content-length: +3", b"content-length: 3, 3", b"content-length: 3,4",
    b"content-length: -1", b"content-length: 0x3", b"content-length:", b"content-length: 3 3",
    b"Content-Length : 3", b"content_length: 3", b"content-length: 99999999999999999999",
    b"content-length: \xb2", b"transfer-encoding: CHUNKED", b"transfer-encoding: \x0bchunked",
    b"transfer-encoding: chunked, identity", b"transfer-encoding: identity, chunked",
    b"transfer-encoding: gzip", b"transfer-encoding: xchunked", b"Transfer-Encoding : chunked",
    b"transfer-encoding:\tchunked", b'transfer-encoding: "chunked"', b"transfer-encoding: chunked;q=1",
)  # fmt: skip
HIDDEN = b"GET /hidden HTTP/1.1\r\nhost: h\r\n\r\n"
PLAIN = (b"", b"abc", b"abcdef", HIDDEN, b"\r\n", b"\r\n" + HIDDEN)
CHUNKED = (
    chunked(b"abc"), chunked(b"abc", b"d" * 20), chunked(HIDDEN), chunked(b"abc", extension=b";x=y"),
    chunked(b"abc", extension=b' ; x="y;z"'), chunked(b"abc", trailers=b"x: y\r\nz: a\r\n"),
    chunked(b"abc", trailers=b"content-length: 7\r\n"), b"00000003\r\nabc\r\n000\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n", b"3;\r\nabc\r\n0;\r\n\r\n",
)  # fmt: skip
BROKEN = (
    chunked(b"abc", trailers=b" folded\r\n"), chunked(b"abc", trailers=b"x : y\r\n"),
    chunked(b"abc", extension=b";\n0\r\n\r\n"), b"3\nabc\r\n0\r\n\r\n", b"3\r\nabc\n0\r\n\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nab\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n",
    b" 3\r\nabc\r\n0\r\n\r\n", b"\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffffffff\r\nabc", b"3\r\nabc\r\n0\r\n",
    b"3\r\nabc\r\n0\n\n", b"3\r\nabc\r\n0\r\n\n" + HIDDEN, b"3\r\nabc\r\n-0\r\n\r\n",
    b"3;\x00\r\nabc\r\n0\r\n\r\n", b"3\r\nabcXX0\r\n\r\n", b"3\r\nabc\r\n0\r\nx: y\n\r\n",
)  # fmt: skip

# What may be odd about a request: a part, which is then one of these, or something else.
ODD_PARTS = {"method": METHODS, "target": TARGETS, "version": VERSIONS, "framing": FRAMINGS}
ODDITIES = (*ODD_PARTS, "framing", "line end", "no host", "field", "field", "body", None, None, None)
SLIPS = (b"", b"\r", b"\n", b"\r\n", b" ", b"\0", b"0", b",", b":", b";")


@st.composite
def requests(draw: Callable[..., Any]) -> bytes:
    """Something like one request, in which at most one thing is odd."""
    odd = draw(st.sampled_from(ODDITIES))
    body = draw(st.sampled_from(PLAIN + CHUNKED if odd != "body" else BROKEN))
    framing = b"content-length: %d" % len(body) if body in PLAIN else b"transfer-encoding: chunked"
    parts = {"method": b"POST", "target": b"/a", "version": b"HTTP/1.1", "framing": framing}
    if odd in ODD_PARTS:
        parts[odd] = draw(st.sampled_from(ODD_PARTS[odd]))
    fields = [parts.pop("framing"), *draw(st.lists(st.sampled_from(USUAL_FIELDS), max_size=2))]
    if odd == "field":
        fields.append(draw(st.sampled_from(ODD_FIELDS)))
    host = [b"host: h"] if odd != "no host" else []
    lines = [b" ".join(parts.values()), *host, *draw(st.permutations(fields)), b""]
    ends = [b"\r\n"] * len(lines)
    if odd == "line end":
        ends[draw(st.integers(0, len(ends) - 1))] = draw(st.sampled_from(LINE_ENDS))
    request: bytes = b"".join(line + end for line, end in zip(lines, ends, strict=True)) + body
    return request


def good_requests() -> st.SearchStrategy[bytes]:
    """Requests that are valid."""
    head = b"POST /good HTTP/1.1\r\nhost: h\r\n"
    upgrade = b"connection: upgrade\r\nupgrade: h2c\r\n"
    return st.sampled_from(
        [
            head + b"\r\n",
            head + b"content-length: 3\r\n\r\nabc",
            head + upgrade + b"content-length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
            head + upgrade + b"transfer-encoding: chunked\r\n\r\n" + chunked(HIDDEN, b"x"),
            head
            + b"transfer-encoding: chunked\r\n\r\n"
            + chunked(b"a", b"b", extension=b";x", trailers=b"a: b\r\n"),
        ]
    )


def odd_requests() -> Iterator[bytes]:
    """Every oddity by itself, in a request that has a body of each kind."""
    for body in (b"abc", chunked(b"abc")):
        framing = b"content-length: 3" if body == b"abc" else b"transfer-encoding: chunked"
        for part, odd in ((part, odd) for part, choices in ODD_PARTS.items() for odd in choices):
            parts = {
                "method": b"POST",
                "target": b"/a",
                "version": b"HTTP/1.1",
                "framing": framing,
                part: odd,
            }
            last = parts.pop("framing")
            yield b" ".join(parts.values()) + b"\r\nhost: h\r\n" + last + b"\r\n\r\n" + body
        for lines in (
            (b"POST /a HTTP/1.1", b"host: h", framing, odd, b"") for odd in (*ODD_FIELDS, *USUAL_FIELDS)
        ):
            yield b"\r\n".join(lines) + b"\r\n" + body
        good = [b"POST /a HTTP/1.1", b"host: h", framing, b""]
        for at, odd in ((at, odd) for at in range(len(good)) for odd in LINE_ENDS):
            yield b"".join(line + (odd if at == n else b"\r\n") for n, line in enumerate(good)) + body
    for body in (*BROKEN, *CHUNKED):
        yield b"POST /a HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n" + body


@st.composite
def streams(draw: Callable[..., Any]) -> bytes:
    """Requests one behind the other, sometimes with a byte changed, added or lost."""
    stream = bytearray(
        b"".join(draw(st.lists(st.one_of(good_requests(), requests()), min_size=1, max_size=4)))
    )
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        at, lost = draw(st.integers(0, len(stream))), draw(st.integers(0, 2))
        stream[at : at + lost] = draw(
            st.sampled_from((b"", b"\r", b"\n", b"\r\n", b" ", b"\0", b"0", b",", b":", b";"))
        )
    return bytes(stream)


def pieces(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    """A stream as a network might bring it."""
    bounds = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
    return [stream[begin:end] for begin, end in itertools.pairwise(bounds) if begin < end]
