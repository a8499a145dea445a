"""How many attempts at notifying one process makes at once, and which gives way to which."""

import asyncio

from fanin.aggregator.notify.attempt import PREEMPT_AFTER_S


class Room:
    """Who may make an attempt: so many at once, and so many who wait for that.

    Where attempts give way, one that has had a fair while ends for one that waits.
    """

    def __init__(self, slots: int, queue_max: int, *, gives_way: bool) -> None:
        self._slots, self._queue_max, self._gives_way = slots, queue_max, gives_way
        self._running: dict[asyncio.Timeout, float] = {}  # since when, loop time; oldest first
        self._waiting = 0
        self._freed = asyncio.Event()

    async def wait(self) -> bool:
        """Wait for a place; False when too many wait already. What follows must `begin` at once."""
        if len(self._running) < self._slots:
            return True
        if self._waiting >= self._queue_max:
            return False
        self._waiting += 1
        try:
            while len(self._running) >= self._slots:
                self._freed.clear()
                try:
                    async with asyncio.timeout(self._left_s()):
                        await self._freed.wait()
                except TimeoutError:
                    self._end_oldest()
        finally:
            self._waiting -= 1
        return True

    def begin(self, scope: asyncio.Timeout) -> None:
        """Take the place, for as long as the scope lasts."""
        self._running[scope] = asyncio.get_running_loop().time()

    def end(self, scope: asyncio.Timeout) -> None:
        """Leave it."""
        self._running.pop(scope, None)
        self._freed.set()

    def _left_s(self) -> float | None:
        if not self._gives_way:
            return None
        return max(
            0.0, next(iter(self._running.values())) + PREEMPT_AFTER_S - asyncio.get_running_loop().time()
        )

    def _end_oldest(self) -> None:
        if len(self._running) >= self._slots and self._left_s() == 0:
            oldest = next(iter(self._running))
            del self._running[oldest]
            oldest.reschedule(asyncio.get_running_loop().time())
