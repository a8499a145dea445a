"""What a connection may cost: the time in which nothing comes of it, and the memory that it holds."""

import asyncio

import pytest

from fanin.aggregator.http import protocol, shared_limits
from fanin.aggregator.http.exchange import Message, Receive, Send
from tests.aggregator.http.wire import GET, Application, Wire, settled, with_length


def test_an_idle_connection_is_kept_for_as_long_as_it_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one on which a head has begun for less."""
    monkeypatch.setattr(protocol, "STALL_S", 0.05)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        idle, begun, quick = Wire(Application()), Wire(Application()), Wire(Application(), keep_alive_s=1)
        began_s = loop.time()
        await idle.feed(GET)
        await begun.feed(GET, GET[:-1])
        await quick.feed(GET)
        await begun.gone()
        await quick.gone()
        assert (begun.aborted, quick.aborted, idle.closed) == (True, False, False)
        assert loop.time() - began_s >= 1
        idle.close()

    asyncio.run(story())


def test_a_client_that_never_reads_its_response_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing would wait for it for ever, also when it has no other request in progress."""
    monkeypatch.setattr(protocol, "STALL_S", 0.05)

    async def story() -> None:
        unread = Wire(Application())
        unread.protocol.pause_writing()
        await unread.feed(GET)
        await unread.gone()
        assert unread.aborted

    asyncio.run(story())


def test_a_client_that_is_still_sending_can_read_why_it_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is closed for writing first, and for good when the client has had its time."""
    monkeypatch.setattr(protocol, "LINGER_S", 0.05)

    async def story() -> None:
        wire = Wire(Application())
        await wire.feed(b"x" * 40_000, b"x" * 40_000)
        assert wire.statuses == [431]
        assert (wire.half_closed, wire.closed) == (True, False)
        await wire.gone()

    asyncio.run(story())


@pytest.mark.parametrize("bytes_", [b"", GET[:-1], with_length(b"abc")[:-1]])
def test_being_asked_to_stop_waits_for_an_answer_under_way_alone(bytes_: bytes) -> None:
    """An idle connection closes at once, one with a request in progress after the response."""

    async def story() -> None:
        app = Application()
        wire = Wire(app)
        await wire.feed(bytes_)
        wire.protocol.shutdown()
        under_way = b"abc"[:-1] in bytes_
        assert wire.closed != under_way
        if under_way:
            await wire.feed(b"c")
            assert (wire.statuses, wire.closed) == ([200], True)
            assert b"connection: close" in wire.written

    asyncio.run(story())


def test_the_largest_of_too_many_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client gets a 503 with Retry-After; the others, and small ones, are served."""
    monkeypatch.setattr(shared_limits, "BYTES_MAX", 200_000)

    async def story() -> None:
        app = Application()
        body = b"x" * 100_000
        first, larger, last, small = (Wire(app) for _ in range(4))
        await first.feed(with_length(body)[:-50_000])
        await larger.feed(with_length(body)[:-10])
        await last.feed(with_length(body)[:-20_000])
        assert [wire.statuses for wire in (first, larger, last)] == [[], [503], []]
        assert b"retry-after: 2\r\n" in larger.written
        await small.feed(with_length(b"abc"))
        await first.feed(body[:50_000])
        await last.feed(body[:20_000])
        assert [wire.statuses for wire in (first, last, small)] == [[200]] * 3
        for wire in (first, larger, last, small):
            wire.close()

    asyncio.run(story())


def test_responses_that_are_not_read_and_requests_that_wait_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request in progress keeps its response; those behind it are dropped."""
    monkeypatch.setattr(shared_limits, "BYTES_MAX", 100_000)

    async def story() -> None:
        app, go_on = Application(), asyncio.Event()

        async def late(scope: Message, receive: Receive, send: Send) -> None:
            await go_on.wait()
            await app(scope, receive, send)

        crowded, deaf = Wire(late), Wire(app)
        await crowded.feed(GET * 5_000)
        assert (crowded.statuses, crowded.closed) == ([], False)
        await deaf.feed(GET)
        deaf.unread = 200_000
        deaf.protocol.pause_writing()
        assert deaf.aborted
        go_on.set()
        await settled()
        assert (crowded.statuses, crowded.half_closed) == ([200], True)
        crowded.close()

    asyncio.run(story())
