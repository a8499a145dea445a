"""Requests read from bytes: what is read, what is refused, and that h11 never sees another request."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.aggregator.errors import HeadTooLargeError, NotHttpError, RequestError
from fanin.aggregator.http.request_parser import (
    CHUNK_LINE_BYTES_MAX,
    CHUNKS_PER_READ,
    EXTENSION_BYTES_MAX,
    FIELDS_MAX,
    HEAD_BYTES_MAX,
    TRAILER_BYTES_MAX,
    RequestHead,
    RequestParser,
)
from tests.aggregator.http.streams import Seen, chunked, odd_requests, pieces, seen_by_h11, streams

HEAD = b"POST /a?b=c HTTP/1.1\r\nHost: h\r\n"


def read(parts: list[bytes]) -> tuple[list[Seen], RequestError | None]:
    """The requests in a stream that comes in pieces, and what is refused, until the connection must close."""
    parser, seen = RequestParser(), list[Seen]()
    head: RequestHead | None = None
    try:
        for part in parts:
            parser.feed(part)
            while True:
                if parser.body_ended:
                    if head is not None and not head.keep_alive:
                        return seen, None
                    head = parser.next_head()
                    if head is None:
                        break
                    target = head.raw_path + (b"?" + head.query if head.query else b"")
                    headers = tuple(
                        (name, value.lower() if name == b"transfer-encoding" else value)
                        for name, value in head.headers
                    )
                    seen.append(Seen(head.method, target, headers, b"", complete=parser.body_ended))
                else:
                    body = seen[-1].body + parser.read_body()
                    seen[-1] = seen[-1]._replace(body=body, complete=parser.body_ended)
                    if not parser.body_ended and not parser.stalled:
                        break
    except RequestError as error:
        return seen, error
    return seen, None


def refused(stream: bytes) -> RequestError:
    """What is refused, and that it is so in whatever pieces the stream comes."""
    _, error = read([stream])
    _, bytewise = read([stream[at : at + 1] for at in range(len(stream))])
    assert error is not None
    assert type(error) is type(bytewise)
    return error


def check(stream: bytes, cuts: list[int]) -> None:
    """Complete requests are those of h11, and so is the one that is not, unless the rest is refused."""
    reference = seen_by_h11(stream)
    whole, error = read([stream])
    complete = [each for each in whole if each.complete]

    for parts in (pieces(stream, cuts), [stream[at : at + 1] for at in range(len(stream))]):
        seen, error_in_parts = read(parts)
        assert [each for each in seen if each.complete] == complete, stream
        assert type(error_in_parts) is type(error), stream
    assert complete == reference[: len(complete)], stream
    if error is None:
        assert whole == reference, stream


@settings(max_examples=500, deadline=None)
@given(streams(), st.lists(st.integers(0, 2_000), max_size=6))
def test_what_is_read_is_what_h11_reads_or_the_rest_is_refused(stream: bytes, cuts: list[int]) -> None:
    """The same whatever the pieces are, down to single bytes."""
    check(stream, cuts)


def test_what_is_odd_is_read_as_h11_reads_it_or_refused() -> None:
    """Each oddity by itself, with a good request before it and behind it."""
    good = HEAD + b"content-length: 3\r\n\r\nabc"
    for odd in odd_requests():
        check(good + odd + good, [len(good) + len(odd) // 2])


def test_h11_is_asked_for_real() -> None:
    """The reference sees a request hidden in another's body for what it is, and one behind it for another."""
    hidden = b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n"
    stream = HEAD + b"content-length: %d\r\n\r\n" % len(hidden) + hidden + hidden

    assert [(each.target, each.body, each.complete) for each in seen_by_h11(stream)] == [
        (b"/a?b=c", hidden, True),
        (b"/x", b"", True),
    ]
    assert read([stream])[0] == seen_by_h11(stream)


@pytest.mark.parametrize(
    "stream",
    [
        HEAD + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 3\r\n\r\nabc" + HEAD + b"\r\n",
        HEAD
        + b"transfer-encoding: chunked\r\n\r\n"
        + chunked(b"a", b"bc", extension=b";x", trailers=b"y: z\r\n"),
        HEAD + b"expect: 100-continue\r\ncontent-length: 10\r\n\r\n0123456789",
        b"GET http://h/x?y HTTP/1.1\r\nhost: other\r\n\r\n" + HEAD + b"\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_every_split_is_read_alike(stream: bytes) -> None:
    """Where one segment ends and the next begins says nothing."""
    for at in range(len(stream) + 1):
        assert read([stream[:at], stream[at:]]) == (seen_by_h11(stream), None)


@pytest.mark.parametrize(
    ("fields", "body", "problem"),
    [
        (b"content-length: 3\r\ntransfer-encoding: chunked\r\n", chunked(b"abc"), "where its body ends"),
        (b"content-length: 3\r\ncontent-length: 3\r\n", b"abc", "two content-length headers"),
        (b"content-length: 3\r\ncontent-length: 4\r\n", b"abcd", "two content-length headers"),
        (b"content-length: 3, 3\r\n", b"abc", "content-length is no number"),
        (b"content-length: +3\r\n", b"abc", "content-length is no number"),
        (b"content-length: 1_0\r\n", b"abc", "content-length is no number"),
        (b"content-length: %s\r\n" % (b"9" * 19), b"", "content-length is no number"),
        (b"transfer-encoding: gzip, chunked\r\n", chunked(b"abc"), "where its body ends"),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", chunked(b"abc"), "two transfer-"),
        (b"transfer-encoding : chunked\r\n", chunked(b"abc"), ""),
        (b"x: a\r\n folded\r\n", b"", ""),
        (b"x: a\nb: c\r\n", b"", ""),
        (b"x: a\rb\r\n", b"", ""),
        (b"x: a\x00b\r\n", b"", ""),
        (b"x\r\n", b"", ""),
        (b"host: other\r\n", b"", "two host headers"),
        (b"transfer-encoding: chunked\r\n", b"3\nabc\r\n0\r\n\r\n", "a chunk has no size"),
        (b"transfer-encoding: chunked\r\n", b"3\r\nabcd\r\n0\r\n\r\n", "a chunk is longer than it says"),
        (b"transfer-encoding: chunked\r\n", chunked(b"abc", trailers=b" x\r\n"), "trailers are no headers"),
        *(
            (b"transfer-encoding: chunked\r\n", chunked(b"abc", trailers=it), "trailers say where the body")
            for it in (b"content-length:\r\n", b"A: b\r\nContent-Length: 3\r\n", b"HOST: x\r\n")
        ),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(fields: bytes, body: bytes, problem: str) -> None:
    """Repairing it would mean to guess what a proxy in front has read."""
    error = refused(HEAD + fields + b"\r\n" + body)

    assert isinstance(error, NotHttpError)
    assert problem in str(error)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /\r\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/1.2\r\n", b"GET / HTTP/2.0\r\n",
        b"GET\t/ HTTP/1.1\r\n", b"GET /a#b HTTP/1.1\r\n", b"GET /\xff HTTP/1.1\r\n", b"GET a HTTP/1.1\r\n",
        b"GET * HTTP/1.1\r\n",
        b"GET http://u@h/ HTTP/1.1\r\n", b"GET ftp://h/ HTTP/1.1\r\n", b"CONNECT h:80 HTTP/1.1\r\n",
        b"\r\nGET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\n",
    ],
)  # fmt: skip
def test_a_request_line_that_is_none_is_refused(line: bytes) -> None:
    """A TLS greeting at once, before any end of line: its client waits for a response."""
    assert isinstance(refused(line + b"host: h\r\n\r\n"), NotHttpError)


def test_what_never_ends_has_a_limit() -> None:
    """Heads, headers, chunk sizes, their extensions, trailers."""
    in_chunks = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    too_large = [
        HEAD + b"x: " + b"a" * HEAD_BYTES_MAX,
        HEAD + b"x:\r\n" * FIELDS_MAX + b"\r\n",
        in_chunks + b"3;" + b"a" * CHUNK_LINE_BYTES_MAX,
        in_chunks + b"1;" + b"1\r\na\r\n1;".join([b"a" * 4_000] * (EXTENSION_BYTES_MAX // 4_000 + 2)),
        in_chunks + b"0\r\n" + b"a: b\r\n" * (TRAILER_BYTES_MAX // 6 + 2),
    ]

    errors = [refused(stream) for stream in too_large]

    assert [type(error) for error in errors] == [HeadTooLargeError] * 2 + [NotHttpError] * 3
    assert all("more than" in str(error) for error in errors)


def test_many_chunks_are_read_in_turns() -> None:
    """Otherwise no other connection would be served while a megabyte of single bytes is joined."""
    parser = RequestParser()
    parser.feed(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(*[b"a"] * (CHUNKS_PER_READ + 1)))
    parser.next_head()

    first, stalled = parser.read_body(), parser.stalled
    second = parser.read_body()

    assert (first, stalled) == (b"a" * CHUNKS_PER_READ, True)
    assert (second, parser.stalled, parser.body_ended) == (b"a", False, True)


def test_what_a_head_says_is_what_its_request_is() -> None:
    """Names in lower case, values without the space around them, the host that the target names."""
    parser = RequestParser()
    parser.feed(
        b"PUT HTTPS://h:8/%C3%A4?q=%20 HTTP/1.1\r\nHost: other\r\nX-A: \t b c \r\nConnection: a, Close\r\n"
        b"Expect: 100-Continue\r\nContent-Length: 007\r\n\r\n"
    )

    assert parser.next_head() == RequestHead(
        method="PUT",
        raw_path=b"/%C3%A4",
        path="/ä",
        query=b"q=%20",
        headers=(
            (b"host", b"h:8"), (b"x-a", b"b c"), (b"connection", b"a, Close"), (b"expect", b"100-Continue"),
            (b"content-length", b"007"),
        ),
        minor_version=1,
        body_length=7,
        keep_alive=False,
        expects_continue=True,
    )  # fmt: skip
