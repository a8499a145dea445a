"""Requests as the application sees them, one at a time, and its responses as a client sees them."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.aggregator.http import protocol
from fanin.aggregator.http.exchange import PIECE_BYTES, Message, Receive, Send
from tests.aggregator.http.streams import HIDDEN, chunked, pieces, seen_by_h11, streams
from tests.aggregator.http.wire import GET, POST, Application, Wire, settled, with_length


@settings(max_examples=600, deadline=None)
@given(
    stream=streams(),
    cuts=st.lists(st.integers(0, 2_000), max_size=6),
    half_close=st.booleans(),
    whole=st.booleans(),
)
def test_the_application_sees_what_h11_sees_or_the_connection_closes(
    *, stream: bytes, cuts: list[int], half_close: bool, whole: bool
) -> None:
    """Every request once, in order, with its own response; at most one refusal, which is last."""

    async def story() -> None:
        app = Application(whole=whole)
        wire = Wire(app)
        await wire.feed(*pieces(stream, cuts))
        if half_close:
            await wire.end()

        reference = [each for each in seen_by_h11(stream) if each.complete]
        assert app.seen == reference[: len(app.seen)]
        if not (wire.closed or wire.half_closed):
            assert app.seen == reference
        answers = [status for status in wire.statuses if status >= 200]
        assert answers[: len(app.seen)] == [200] * len(app.seen)
        assert answers[len(app.seen) :] in ([], [400])
        if half_close:
            assert wire.closed
        wire.close()
        await settled()

    asyncio.run(story())


@pytest.mark.parametrize("at", range(1, 130, 3))
def test_an_upgrade_that_is_offered_is_not_taken_wherever_the_request_is_cut(at: int) -> None:
    """Its body is a body (RFC 9110, section 7.8), and what follows it is the next request."""
    stream = with_length(HIDDEN, b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n") + GET

    async def story() -> None:
        app = Application()
        wire = Wire(app)
        await wire.feed(stream[:at], stream[at:])
        assert [(each.method, each.body) for each in app.seen] == [("POST", HIDDEN), ("GET", b"")]
        assert wire.statuses == [200, 200]
        wire.close()

    asyncio.run(story())


def test_one_request_is_under_way_at_a_time() -> None:
    """What follows it is neither received nor parsed before its response has been sent."""

    async def story() -> None:
        begun, go_on = 0, asyncio.Event()

        async def slow(scope: Message, receive: Receive, send: Send) -> None:
            nonlocal begun
            begun += 1
            await go_on.wait()
            await Application()(scope, receive, send)

        wire = Wire(slow)
        await wire.feed(GET * 1_000)
        assert (begun, wire.reading) == (1, False)
        go_on.set()
        while begun < 1_000:
            await settled()
        await settled()
        assert (wire.statuses, wire.reading) == ([200] * 1_000, True)
        wire.close()

    asyncio.run(story())


def test_answers_that_are_not_read_are_not_made() -> None:
    """The next request waits until the client has read the last response."""

    async def story() -> None:
        app = Application()
        wire = Wire(app)
        await wire.feed(GET)
        wire.protocol.pause_writing()
        await wire.feed(GET + GET)
        assert len(app.seen) == 1
        wire.protocol.resume_writing()
        await settled()
        assert (len(app.seen), wire.reading) == (3, True)
        wire.close()

    asyncio.run(story())


def test_a_body_that_is_not_taken_is_not_read() -> None:
    """A connection holds one piece and what was read with it, however much is sent."""

    async def story() -> None:
        go_on = asyncio.Event()
        app = Application()

        async def late(scope: Message, receive: Receive, send: Send) -> None:
            await go_on.wait()
            await app(scope, receive, send)

        wire = Wire(late)
        whole = with_length(b"x" * (3 * PIECE_BYTES))
        await wire.feed(whole[: PIECE_BYTES + 200])
        assert not wire.reading
        go_on.set()
        await wire.feed(whole[PIECE_BYTES + 200 :])
        assert [len(each.body) for each in app.seen] == [3 * PIECE_BYTES]
        wire.close()

    asyncio.run(story())


def test_chunks_of_one_byte_leave_others_their_turn() -> None:
    """They are put together, a few hundred a turn."""

    async def story() -> None:
        app = Application()
        wire = Wire(app)
        await wire.feed(POST + b"transfer-encoding: chunked\r\n\r\n")
        turns = 0
        wire.protocol.data_received(chunked(*[b"x"] * 10_000))
        while not app.seen:
            await asyncio.sleep(0)
            turns += 1
        assert app.seen[0].body == b"x" * 10_000
        assert turns >= 10
        wire.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("head", "length"),
    [(b"expect: 100-continue\r\n", 3), (b"expect: 100-continue\r\n", 0), (b"expect: x\r\n", 3)],
)
def test_who_waits_for_leave_gets_it_when_the_body_is_wanted(head: bytes, length: int) -> None:
    """RFC 9110, section 10.1.1: not with a body of no bytes, and not for an expectation that is unknown."""

    async def story() -> None:
        wire = Wire(Application())
        await wire.feed(POST + head + b"content-length: %d\r\n\r\n" % length)
        wanted = head.endswith(b"continue\r\n") and length > 0
        assert (wire.statuses[:1] == [100]) == wanted
        await wire.feed(b"x" * length)
        assert wire.statuses[-1] == 200
        wire.close()

    asyncio.run(story())


def test_who_waits_for_leave_and_is_refused_is_not_believed_again() -> None:
    """Whether the body follows or the next request is the client's to choose, so the connection closes."""

    async def refuse(_: Message, __: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def story() -> None:
        wire = Wire(refuse)
        await wire.feed(POST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(GET), GET)
        assert wire.statuses == [401]
        assert b"connection: close\r\n" in wire.written
        assert wire.half_closed
        wire.close()

    asyncio.run(story())


def test_the_rest_of_a_body_that_is_not_read_is_no_request() -> None:
    """A response that is sent before the body has come does not end the body."""

    async def refuse(_: Message, __: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def story() -> None:
        wire = Wire(refuse)
        await wire.feed(with_length(GET)[: -len(GET)], GET, GET)
        assert wire.statuses == [401, 401]
        await wire.feed(POST + b"content-length: %d\r\n\r\n" % (1 << 30))
        for _ in range(protocol.DISCARD_BYTES_MAX // 65_536 + 1):
            wire.protocol.data_received(b"x" * 65_536)
        assert wire.aborted

    asyncio.run(story())


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"HEAD /a HTTP/1.1\r\nhost: h\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
        (b"GET /a HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n/a"),
        (
            b"GET /a HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n/a",
        ),
        (GET, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n/a"),
    ],
)
def test_an_answer_ends_where_its_head_says(request_: bytes, answer: bytes) -> None:
    """No body for HEAD; and the connection closes where the request or its version wants it."""

    async def story() -> None:
        wire = Wire(Application())
        await wire.feed(request_)
        assert bytes(wire.written) == answer
        assert wire.closed == (b"close" in answer)
        wire.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("version", "framed"),
    [
        (b"HTTP/1.1", b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        (b"HTTP/1.0", b"connection: close\r\n\r\nabc"),
    ],
)
def test_an_answer_of_unknown_length_is_framed_all_the_same(version: bytes, framed: bytes) -> None:
    """In chunks, or by the end of the connection where chunks are not known."""

    async def stream(_: Message, __: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await send({"type": "http.response.body", "body": b"c"})

    async def story() -> None:
        wire = Wire(stream)
        await wire.feed(GET.replace(b"HTTP/1.1", version))
        assert wire.written.endswith(framed)
        wire.close()

    asyncio.run(story())


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb"])
def test_a_header_cannot_bring_another_line(value: bytes) -> None:
    """What an application puts into a header may come from a client."""

    async def split(_: Message, __: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"location", value)]})
        await send({"type": "http.response.body"})

    async def story() -> None:
        wire = Wire(split)
        await wire.feed(GET)
        assert wire.statuses == [500]
        assert b"location" not in wire.written

    asyncio.run(story())


def test_an_application_that_fails_halfway_leaves_no_whole_answer() -> None:
    """The client sees that something is missing."""

    async def fail(_: Message, __: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})

    async def story() -> None:
        wire = Wire(fail)
        await wire.feed(GET)
        assert wire.aborted
        assert wire.written.endswith(b"ab\r\n")

    asyncio.run(story())


def test_a_limit_of_uvicorns_holds_here() -> None:
    """`uvicorn --limit-concurrency` gets the same 503 as from uvicorn."""

    async def story() -> None:
        wire = Wire(Application(), concurrency_max=1)
        await wire.feed(GET)
        assert wire.statuses == [503]
        assert wire.closed

    asyncio.run(story())


@pytest.mark.anyio
async def test_what_follows_a_request_that_was_answered_at_once_is_not_received_yet() -> None:
    """Each is served in a turn of its own: were all received first, one connection could fill the memory."""
    app = Application()
    wire = Wire(app)
    wire.protocol.data_received(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n" * 20)

    assert (len(app.seen), wire.reading) == (1, False)
    await settled()
    assert (len(app.seen), wire.reading) == (20, True)
    assert wire.statuses == [200] * 20


@pytest.mark.anyio
async def test_a_request_is_served_in_the_turn_in_which_it_came() -> None:
    """So a webhook joins the batch that is being gathered."""
    app = Application()
    wire = Wire(app)
    wire.protocol.data_received(b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab")

    assert wire.statuses == [200]
    assert app.seen[0].body == b"ab"
