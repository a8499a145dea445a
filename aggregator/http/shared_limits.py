"""Limits over all connections together, on memory and on work, so that webhooks are served in a crowd.

Limits for each connection alone are not enough: ten thousand connections may each hold a megabyte, and the
event loop may serve all of them before it serves a webhook. So the requests in progress share a memory
budget, from which the largest is evicted, and an iteration of the loop does only a few jobs that can wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

# Requests of up to this size are not counted: webhooks have some hundred bytes.
FREE_BYTES = 16_384
# The limit for all larger ones together.
BYTES_MAX = 64 << 20
# Each is a request, 64 KiB of a body, or some hundred chunks: less than a millisecond.
JOBS_PER_ITERATION = 16


class Holder(Protocol):
    """A connection that holds more than `FREE_BYTES`."""

    @property
    def evictable(self) -> bool:
        """Whether it holds something that can be dropped: no sender has been promised anything about it."""
        ...

    def evict(self) -> int:
        """Drop it; return the number of bytes that it still holds, none of which is evictable."""
        ...


class MemoryBudget:
    """Bytes by holder."""

    def __init__(self) -> None:
        self._held: dict[Holder, int] = {}
        self._total = 0

    def hold(self, holder: Holder, size: int) -> None:
        """Record what a holder has now; evict from the largest until the total is within the limit."""
        self._note(holder, size)
        while self._total > BYTES_MAX:
            candidates = [each for each in self._held if each.evictable]
            if not candidates:
                return
            largest = max(candidates, key=self._held.__getitem__)
            self._note(largest, largest.evict())

    def release(self, holder: Holder) -> None:
        """Forget a holder, if it is one."""
        self._total -= self._held.pop(holder, 0)

    def _note(self, holder: Holder, size: int) -> None:
        self.release(holder)
        if size:
            self._held[holder] = size
            self._total += size


class DeferredJobs:
    """Jobs that can wait: a few of them are done in each iteration of the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: deque[Callable[[], None]] = deque()

    def add(self, job: Callable[[], None]) -> None:
        """Do it in a later iteration."""
        if not self._jobs:
            self._loop.call_soon(self._run_some)
        self._jobs.append(job)

    def _run_some(self) -> None:
        for _ in range(min(JOBS_PER_ITERATION, len(self._jobs))):
            self._loop.call_soon(self._jobs.popleft())
        if self._jobs:
            self._loop.call_soon(self._run_some)
