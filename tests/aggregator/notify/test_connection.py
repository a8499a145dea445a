"""A connection whose time is over, on both event loops."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from fanin.aggregator.notify.connection import RESPONSES_KEPT, Connection, Response

OK = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


async def asked(then: Callable[[socket.socket, asyncio.Timeout], None]) -> Response:
    """What a receiver is heard to say that does ``then`` within one turn of the loop, and nothing else."""
    loop = asyncio.get_running_loop()
    scope = asyncio.timeout(60)

    async def post(connection: Connection) -> Response:
        async with scope:
            return await connection.post(b"POST / HTTP/1.1\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        _, connection = await loop.create_connection(Connection, *listener.getsockname())
        theirs, _ = listener.accept()
        with theirs:
            task = loop.create_task(post(connection))
            assert await loop.run_in_executor(None, theirs.recv, 100)
            then(theirs, scope)
            try:
                return await task
            finally:
                connection.abort()


def _over(scope: asyncio.Timeout) -> None:
    scope.reschedule(asyncio.get_running_loop().time() - 1)


@pytest.mark.anyio
async def test_an_answer_that_has_come_counts_although_a_busy_loop_reads_it_late() -> None:
    """A notification that was accepted must not be sent again."""

    def answered_while_the_loop_was_busy(theirs: socket.socket, scope: asyncio.Timeout) -> None:
        theirs.sendall(OK)
        _over(scope)

    assert (await asked(answered_while_the_loop_was_busy)).status == 202


@pytest.mark.anyio
@pytest.mark.parametrize("said", [b"", OK[:20], b"HTTP/1.1 103 Early Hints\r\n\r\n"])
async def test_where_none_has_come_the_time_is_over(said: bytes) -> None:
    """Half an answer is none."""

    def silent(theirs: socket.socket, scope: asyncio.Timeout) -> None:
        theirs.sendall(said)
        _over(scope)

    with pytest.raises(TimeoutError):
        await asked(silent)


class Wire:
    """A transport that sends nothing."""

    def __init__(self) -> None:
        self.is_aborted = False

    def write(self, _: bytes) -> None:
        """The receiver has it."""

    def abort(self) -> None:
        self.is_aborted = True


async def _said(connection: Connection, wire: Wire, *pieces: bytes) -> tuple[object, bool, bool]:
    """What a receiver's bytes come to, and what becomes of the connection."""
    posting = asyncio.ensure_future(connection.post(b"POST / HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    response = await asyncio.gather(posting, return_exceptions=True)
    return str(response), connection.reusable, wire.is_aborted


@pytest.mark.anyio
@pytest.mark.parametrize(
    "pieces",
    [
        (OK,),
        (b"HTTP/1.1 204 No Content\r\ndate: today\r\n\r\n",),
        (b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno",),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end",),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nno",),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", OK),
        (OK[:30], OK[30:]),
        (OK + OK,),
        (OK, OK),
        (OK + b"HTTP",),
        (OK + b"\r\n",),
        (OK.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 2_000 + b"\r\n\r\n"),),
        (b"no HTTP\r\n\r\n",),
    ],
)
async def test_a_response_that_is_known_means_what_it_meant(
    pieces: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same on a connection whose bytes were parsed before as on one where they are parsed."""
    results: list[tuple[object, bool, bool]] = []
    for _ in range(2):
        monkeypatch.setattr("fanin.aggregator.notify.connection._kept_responses", {})
        if results:
            await _said(*_open(), *pieces)
        connection, wire = _open()
        results += [await _said(connection, wire, *pieces)]
        if connection.reusable:
            results += [await _said(connection, wire, *pieces)]

    assert len(set(results)) == 1


def _open() -> tuple[Connection, Wire]:
    connection, wire = Connection(), Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]  # it is as much of a transport as is needed
    return connection, wire


@pytest.mark.anyio
async def test_responses_are_parsed_once_and_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that says something else each time costs no memory."""
    kept: dict[bytes, Response] = {}
    monkeypatch.setattr("fanin.aggregator.notify.connection._kept_responses", kept)
    connection, wire = _open()
    fed: list[int] = []
    connection._parser = _CountingParser(connection, fed)  # type: ignore[assignment]  # it behaves like one
    for _ in range(3):
        await _said(connection, wire, OK)
    assert len(fed) == 1
    for n in range(1_000):
        assert await _said(connection, wire, OK.replace(b"Accepted", str(n).encode()))

    assert len(kept) == RESPONSES_KEPT


class _CountingParser:
    """The parser, and how often it was fed."""

    def __init__(self, connection: Connection, fed: list[int]) -> None:
        self._parser, self._fed = connection._parser, fed

    def feed_data(self, data: bytes) -> None:
        self._fed.append(len(data))
        self._parser.feed_data(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._parser, name)
