"""A process that plays for the page, and can be killed: a scenario may take longer than a reader waits.

Rules of this file: one play at a time; a play that takes longer than `WALL_S` is ended with its process, and
the next one gets a fresh process; the process ends with its parent.
"""

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import msgspec

from fanin.harness import interrupts
from fanin.harness.demo.plays import PlayRequest, PlayResponse, Plays
from fanin.harness.world import garbage

# A page of one scenario is no place to wait longer.
WALL_S = 20.0
_POLL_S = 0.5


class PlayWorker:
    """Plays in a process of its own.

    Args:
        make: Makes what plays, in that process.
        wall_s: How long one play may take.
    """

    def __init__(self, make: Callable[[], Plays], *, wall_s: float = WALL_S) -> None:
        self._make, self._wall_s = make, wall_s
        self._turn = asyncio.Lock()
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self._process is not None and self._process.is_alive():
            return
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        with interrupts.held_back():
            self._process.start()
        theirs.close()

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    async def play(self, request: PlayRequest) -> bytes:
        """The response as JSON, within the limit."""
        async with self._turn:
            self.start()
            return await asyncio.to_thread(self._exchange, msgspec.json.encode(request))

    def _exchange(self, request: bytes) -> bytes:
        assert self._connection is not None  # noqa: S101 - it was started
        try:
            self._connection.send_bytes(request)
            if self._connection.poll(self._wall_s):
                return self._connection.recv_bytes()
            error = (
                f"this play took longer than {self._wall_s:g} s of computing and was ended;"
                " `fanin run` has no such limit"
            )
        except (EOFError, OSError):
            error = "the process that played this ended by itself; the next play gets a fresh one"
        self.stop()
        return msgspec.json.encode(PlayResponse(error=error))


def _serve(connection: Connection, make: Callable[[], Plays]) -> None:
    """Play what is asked for, until the other end is closed."""
    interrupts.ignore()
    plays = make()
    _warm_up(plays)
    gc.disable()
    with suppress(EOFError, OSError):
        while True:
            connection.send_bytes(_response(plays, connection.recv_bytes()))
            garbage.collect()  # between two clicks, not in one


def _response(plays: Plays, request: bytes) -> bytes:
    try:
        response: Any = plays.play(msgspec.json.decode(request, type=PlayRequest))
    except Exception as exc:  # noqa: BLE001 - whatever it was, the page must say it
        response = PlayResponse(error=f"the play itself failed: {type(exc).__name__}: {exc}")
    return msgspec.json.encode(response)


def _warm_up(plays: Plays) -> None:
    """Import everything before the first click: a play costs milliseconds, the imports a second."""
    plays.play(
        PlayRequest("scenario: warm-up\ntitle: One region\nregions: [one]\noperations: [{image: a}]\n")
    )
