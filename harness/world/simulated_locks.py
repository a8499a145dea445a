"""Locks in virtual time, and what the standard library makes of them: conditions, events, queues, futures.

`threading` and `queue` wait in one place, the lock. Where a simulated thread or the loop has to wait for one,
it does so in lock-step (`simulated_threads`); all other threads wait as ever.

Rules of this file: a lock works outside of a world too, because modules may keep it for longer.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from fanin.harness.world.imported_names import ImportedNames
from fanin.harness.world.replaced import replaced
from fanin.harness.world.simulated_threads import SimulatedThreads, Turn, simulated_here

_allocate_lock = threading._allocate_lock  # type: ignore[attr-defined]  # noqa: SLF001 - the real one
_sleep, _monotonic = time.sleep, time.monotonic


class SimulatedLock:
    """`threading.Lock`, for which one can wait in virtual time."""

    def __init__(self) -> None:
        self._lock = _allocate_lock()
        self._waiting: deque[Turn] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as the lock
        if not blocking or (world := simulated_here()) is None:
            return bool(self._lock.acquire(blocking, timeout))
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        deadline = None if timeout < 0 else world.loop.time() + timeout
        while not self._lock.acquire(False):
            left = None if deadline is None else deadline - world.loop.time()
            if left is not None and left <= 0:
                return False
            world.block(self._waiting, left)
        return True

    def release(self) -> None:
        self._lock.release()
        if self._waiting:
            self._waiting.popleft().soon()

    def locked(self) -> bool:
        return bool(self._lock.locked())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self.__init__()  # type: ignore[misc]


def sleep(seconds: float, /) -> None:
    """``time.sleep``: of simulated code in virtual time."""
    world = simulated_here()
    if world is None:
        _sleep(seconds)
    else:
        world.sleep(seconds)


def _clock() -> float:
    """``time.monotonic`` as `threading` and `queue` read it, for how long they wait."""
    world = simulated_here()
    return _monotonic() if world is None else world.loop.time()


_REAL: dict[str, Any] = {
    "Lock": threading.Lock,
    "RLock": threading.RLock,
    "SimpleQueue": queue.SimpleQueue,
    "sleep": time.sleep,
}
_SIMULATED: dict[str, Any] = {
    "Lock": SimulatedLock,
    "RLock": threading._PyRLock,  # type: ignore[attr-defined]  # noqa: SLF001 - it is made of a lock
    "SimpleQueue": queue._PySimpleQueue,  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    "sleep": sleep,
}
_names = ImportedNames(_REAL)


@contextmanager
def simulated(threads: SimulatedThreads) -> Iterator[None]:
    """Inside, locks that are made can be waited for in virtual time, wherever `threading` was imported."""
    its = _SIMULATED
    with ExitStack() as patches:
        patches.enter_context(replaced(time, sleep=sleep))
        patches.enter_context(
            replaced(
                threading, Lock=its["Lock"], RLock=its["RLock"], _allocate_lock=SimulatedLock, _time=_clock
            )
        )
        patches.enter_context(replaced(queue, SimpleQueue=its["SimpleQueue"], time=_clock))
        patches.enter_context(_names.put(its))
        patches.enter_context(threads.entered())
        yield
