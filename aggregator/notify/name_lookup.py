"""Looks up the addresses of a target's host, so that a name server that hangs delays that target alone.

The system's resolver blocks, and an event loop runs it in a few threads that all share: four in uvloop. Names
whose server hangs would take all of them, and the process could not end before they give up. So each target
has a thread of its own, for one look-up at a time, which all its attempts wait for and no stop waits for.
The system's resolver, and not one in Python: hosts files, search domains and local names stay valid.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

type SocketAddress = tuple[str, int]
type NameLookup = Callable[[str, int], Awaitable[Sequence[SocketAddress]]]


async def lookup_on_loop(host: str, port: int) -> list[SocketAddress]:
    """Look up by the running loop, which in a simulated world knows that world's hosts.

    Raises:
        OSError: there is no such host, or no name server responds.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return _addresses(found)


class LookupThread:
    """Looks up names of one target, each name once at a time. An object is a `NameLookup`."""

    def __init__(self) -> None:
        self._running: dict[SocketAddress, asyncio.Future[list[SocketAddress]]] = {}

    async def __call__(self, host: str, port: int) -> list[SocketAddress]:
        """Look up, or wait for the look-up of this name that is in progress.

        Raises:
            OSError: there is no such host, or no name server responds.
        """
        if not _has_threads(asyncio.get_running_loop()):
            return await lookup_on_loop(host, port)
        running = self._running.get((host, port))
        if running is None or running.get_loop() is not asyncio.get_running_loop():
            running = self._running[host, port] = self._begin(host, port)
        # An attempt that is cancelled leaves the look-up to the others.
        return await asyncio.shield(running)

    def _begin(self, host: str, port: int) -> asyncio.Future[list[SocketAddress]]:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[list[SocketAddress]] = loop.create_future()

        def end(found: list[SocketAddress] | OSError) -> None:
            del self._running[host, port]
            if isinstance(found, OSError):
                result.set_exception(found)
                result.exception()  # seen, even if every attempt has been cancelled
            else:
                result.set_result(found)

        def work() -> None:
            found: list[SocketAddress] | OSError
            try:
                found = _addresses(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except OSError as exc:
                found = exc
            except UnicodeError as exc:  # a label that is too long
                found = OSError(f"not a host: {exc}")
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(end, found)

        threading.Thread(target=work, name=f"look-up of {host}", daemon=True).start()
        return result


def _has_threads(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether threads may be started: in loops of asyncio and of uvloop, not in that of a simulated world."""
    return isinstance(loop, asyncio.BaseEventLoop) or type(loop).__module__.partition(".")[0] == "uvloop"


def _addresses(found: Sequence[tuple[Any, ...]]) -> list[SocketAddress]:
    return [(str(where[0]), int(where[1])) for *_, where in found]
