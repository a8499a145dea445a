"""The queue of an engine's own work: when it is done while many webhooks are under way.

A registry sends a webhook once: one that is not answered in time is lost. Work that a backend hands to us
waits there, durably, and loses nothing by it. Both need the same event loop, so while many webhooks are under
way, only so much work is done that it does not hold them up; the rest follows when there are fewer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# From so many webhooks under way at once, work is rationed.
RATIONED_FROM = 8
# Pieces of work for each webhook that is answered then. An operation of three regions makes three or four.
CREDIT_PER_WEBHOOK = 0.3125
# How often a piece is done in any case: a status that is asked for may itself wait for one.
TICK_S = 0.005
# Pieces at once, before other tasks of the event loop run.
BATCH = 16
# How much credit may be saved up. A turn of the loop can take as long as all webhooks under way together.
CREDIT_MAX = 64


class WorkQueue:
    """Pieces of work that wait for their turn. Each must be short, and is done on the running event loop."""

    def __init__(self) -> None:
        self._urgent: deque[Callable[[], None]] = deque()
        self._other: deque[Callable[[], None]] = deque()
        self._under_way = 0
        self._credit = 0.0
        self._urgent_is_next = True
        self._scheduled = False

    @contextmanager
    def webhook(self) -> Iterator[None]:
        """A webhook is under way until the block ends."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._credit = min(self._credit + CREDIT_PER_WEBHOOK, CREDIT_MAX)

    def add(self, work: Callable[[], None], *, urgent: bool = False) -> None:
        """Have a piece of work done. Urgent work takes every other turn while there is other work."""
        (self._urgent if urgent else self._other).append(work)
        if not self._scheduled:
            self._schedule()

    def flush(self) -> None:
        """Do everything that waits, now."""
        while self._urgent or self._other:
            self._next()()

    def _schedule(self) -> None:
        self._scheduled = True
        loop = asyncio.get_running_loop()
        if self._under_way < RATIONED_FROM:
            loop.call_soon(self._turn)
        else:
            loop.call_later(TICK_S, self._turn)

    def _turn(self) -> None:
        pieces = BATCH if self._under_way < RATIONED_FROM else max(1, int(self._credit))
        self._credit = max(0.0, self._credit - pieces)
        try:
            while pieces and (self._urgent or self._other):
                pieces -= 1
                self._next()()
        finally:
            self._scheduled = False
            if self._urgent or self._other:
                self._schedule()

    def _next(self) -> Callable[[], None]:
        """The next piece, by turns from both queues as long as both have some."""
        chosen = self._urgent if self._urgent and (self._urgent_is_next or not self._other) else self._other
        self._urgent_is_next = chosen is self._other
        return chosen.popleft()
