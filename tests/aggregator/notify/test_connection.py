"""A connection whose time is over, on both event loops."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from fanin.aggregator.notify.connection import Connection, Response

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
