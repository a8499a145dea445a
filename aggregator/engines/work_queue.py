"""Which of an engine's own work is done when, while webhooks crowd in.

A registry sends a webhook once: one that is not answered in time is lost. Work that an engine hands to us
waits there, durably, and loses nothing by it. Both need the same event loop, so while many webhooks are
under way, only so much work is done that it does not hold them up; the rest follows when the crowd is gone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# So many webhooks under way at once are a crowd.
CROWD = 8
# Pieces of work for each webhook that is answered then. An operation of three regions makes three or four.
SHARE = 0.3125
# How often there is some, and at least one piece: a status that is asked for may itself wait for one.
TICK_S = 0.005
# Pieces at once, before the loop looks at what else there is.
BATCH = 16
# So much may be saved up. A turn of the loop can take as long as all webhooks of a crowd together.
CREDIT_MAX = 64


class Pace:
    """Work that waits for its turn. It must be short, and is done on the event loop that runs."""

    def __init__(self) -> None:
        self._first: deque[Callable[[], None]] = deque()
        self._then: deque[Callable[[], None]] = deque()
        self._under_way = 0
        self._credit = 0.0
        self._favour = True  # those that come first, once more
        self._awake = False

    @contextmanager
    def webhook(self) -> Iterator[None]:
        """A webhook is under way until the block ends."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._credit = min(self._credit + SHARE, CREDIT_MAX)

    def add(self, work: Callable[[], None], *, first: bool = False) -> None:
        """Have something done in its turn; what comes ``first`` overtakes the rest, but never all of it."""
        (self._first if first else self._then).append(work)
        if not self._awake:
            self._wake()

    def flush(self) -> None:
        """Do now all that waits."""
        while self._first or self._then:
            self._next()()

    def _wake(self) -> None:
        self._awake = True
        loop = asyncio.get_running_loop()
        if self._under_way < CROWD:
            loop.call_soon(self._turn)
        else:
            loop.call_later(TICK_S, self._turn)

    def _turn(self) -> None:
        pieces = BATCH if self._under_way < CROWD else max(1, int(self._credit))
        self._credit = max(0.0, self._credit - pieces)
        try:
            while pieces and (self._first or self._then):
                pieces -= 1
                self._next()()
        finally:
            self._awake = False
            if self._first or self._then:
                self._wake()

    def _next(self) -> Callable[[], None]:
        """By turns from both queues, as long as both have some."""
        chosen = self._first if self._first and (self._favour or not self._then) else self._then
        self._favour = chosen is self._then
        return chosen.popleft()
