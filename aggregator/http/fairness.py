"""What all connections share, memory and turns, and how a crowd of them leaves room for a webhook.

A limit for each connection alone leaves no limit for all: ten thousand of them may each hold a megabyte, and
each have its turn before a webhook has one. So requests under way have a budget of memory, from which the
largest gives way; and whatever can wait is done a little in each turn of the event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

# A request of up to this size is no concern: webhooks have a thousandth of what a connection may hold.
FREE_BYTES = 16_384
# What all larger ones may hold together.
BYTES_MAX = 64 << 20
# Each is a request, 64 KiB of a body, or some hundred chunks: less than a millisecond.
JOBS_PER_TURN = 16


class Holder(Protocol):
    """A connection that holds more than `FREE_BYTES`."""

    @property
    def can_give_way(self) -> bool:
        """Whether it holds something that nobody has relied on yet."""
        ...

    def give_way(self) -> int:
        """Let go of it; return the bytes that it still holds. After that it cannot give way any more."""
        ...


class MemoryBudget:
    """Bytes by holder."""

    def __init__(self) -> None:
        self._held: dict[Holder, int] = {}
        self._total = 0

    def hold(self, holder: Holder, size: int) -> None:
        """Note what a holder has now; make the largest that can give way, until all have few enough again."""
        self._note(holder, size)
        while self._total > BYTES_MAX:
            candidates = [each for each in self._held if each.can_give_way]
            if not candidates:
                return
            largest = max(candidates, key=self._held.__getitem__)
            self._note(largest, largest.give_way())

    def release(self, holder: Holder) -> None:
        """Forget a holder, if it is one."""
        self._total -= self._held.pop(holder, 0)

    def _note(self, holder: Holder, size: int) -> None:
        self.release(holder)
        if size:
            self._held[holder] = size
            self._total += size


class TurnQueue:
    """Jobs that can wait, a few of them in each turn of the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: deque[Callable[[], None]] = deque()

    def add(self, job: Callable[[], None]) -> None:
        """Do it in a later turn."""
        if not self._jobs:
            self._loop.call_soon(self._turn)
        self._jobs.append(job)

    def _turn(self) -> None:
        for _ in range(min(JOBS_PER_TURN, len(self._jobs))):
            self._loop.call_soon(self._jobs.popleft())
        if self._jobs:
            self._loop.call_soon(self._turn)
