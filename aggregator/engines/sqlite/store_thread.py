"""The thread that waits for the disk, so that the event loop does not.

A flush takes a tenth of a millisecond, or seconds when the disk is overloaded, or for ever when it hangs.
Meanwhile `/healthz` has to answer, and webhooks that come can be read and decoded for the next batch.

Rules of this file: the writer's connection is used by one at a time, the loop or the thread. A simulated
world has no thread: there, work is done at once.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class StoreThread:
    """Does one piece of work at a time."""

    def __init__(self, *, is_real: bool) -> None:
        """Begin a thread with the first work, or none if it is not ``is_real``."""
        self._executor = ThreadPoolExecutor(1, "store") if is_real else None
        self._turn = asyncio.Lock()
        self._began_s: float | None = None  # loop time of the work in progress

    @property
    def is_real(self) -> bool:
        """Whether work is done beside the event loop."""
        return self._executor is not None

    @property
    def turn(self) -> asyncio.Lock:
        """Held by the user of the writer's connection, from the beginning of a transaction to its end."""
        return self._turn

    def busy_s(self) -> float:
        """For how long the work in progress has taken so far; 0 if there is none."""
        return 0.0 if self._began_s is None else asyncio.get_running_loop().time() - self._began_s

    async def run[T](self, work: Callable[[], T]) -> T:
        """Do some work, and wait for its end even when cancelled. The caller has the `turn`."""
        if self._executor is None:
            return work()
        loop = asyncio.get_running_loop()
        self._began_s = loop.time()
        done = loop.run_in_executor(self._executor, work)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait([done])
            raise
        finally:
            self._began_s = None

    def close(self) -> None:
        """End the thread."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)
