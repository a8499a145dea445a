"""Slots for attempts at notifications: how many run at once, and which of them is pre-empted.

A thousand receivers that hang must not keep the thousand-and-first from its attempt. So an attempt that has
had `PREEMPT_AFTER_S` is ended when another one waits for its slot; it is repeated later.
"""

import asyncio
from collections import deque
from contextlib import suppress
from types import TracebackType

from fanin.aggregator.notify.attempt import ATTEMPT_S, PREEMPT_AFTER_S


class AttemptSlots:
    """A number of slots, and a queue for them."""

    def __init__(self, size: int, *, preempts: bool, queue_max: int | None = None) -> None:
        """All slots are free.

        Args:
            size: How many attempts run at once.
            preempts: Whether an attempt that waits may end the one that has run longest.
            queue_max: How many attempts may wait for a slot; None without a limit.
        """
        self._size, self._preempts, self._queue_max = size, preempts, queue_max
        self._taken: dict[AttemptSlot, None] = {}  # oldest first
        self._waiting: deque[asyncio.Future[AttemptSlot]] = deque()
        self._timer: asyncio.TimerHandle | None = None  # for the next pre-emption

    async def acquire(self) -> "AttemptSlot | None":
        """Wait in line for a slot, and take it; None when too many attempts wait already."""
        if len(self._taken) < self._size:
            return self._take()
        if self._queue_max is not None and len(self._waiting) >= self._queue_max:
            return None
        waiting: asyncio.Future[AttemptSlot] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._set_timer()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.cancelled():
                with suppress(ValueError):  # it was first in line already
                    self._waiting.remove(waiting)
            else:
                self.release(waiting.result())
            raise

    def preempt_all(self) -> None:
        """End every attempt that runs."""
        for slot in tuple(self._taken):
            slot.preempt()

    def release(self, slot: "AttemptSlot") -> None:
        """Give a slot back; the first attempt in line gets it. Leaving the slot's context does the same."""
        if slot not in self._taken:
            return
        del self._taken[slot]
        while self._waiting and len(self._taken) < self._size:
            waiting = self._waiting.popleft()
            if not waiting.cancelled():
                waiting.set_result(self._take())
        self._set_timer()

    def _take(self) -> "AttemptSlot":
        slot = AttemptSlot(self)
        self._taken[slot] = None
        return slot

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._preempts and self._waiting and self._taken:
            oldest = next(iter(self._taken))
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, oldest.left_s()), self._preempt_oldest)

    def _preempt_oldest(self) -> None:
        oldest = next(iter(self._taken), None)
        if self._waiting and oldest is not None and oldest.left_s() <= 0:
            oldest.preempt()
        else:
            self._set_timer()


class AttemptSlot:
    """One attempt's slot. As a context, it limits the attempt to `ATTEMPT_S` and is given back at its end.

    Raises:
        TimeoutError: at the end of the context, when the attempt took too long or was pre-empted.
    """

    def __init__(self, slots: AttemptSlots) -> None:
        self._slots = slots
        self._scope = asyncio.timeout(ATTEMPT_S)
        self._began_s: float | None = None  # loop time; None before the attempt begins
        self.preempted = False

    def left_s(self) -> float:
        """How long the attempt may run before it can be pre-empted."""
        if self._began_s is None:
            return PREEMPT_AFTER_S
        return self._began_s + PREEMPT_AFTER_S - asyncio.get_running_loop().time()

    def preempt(self) -> None:
        """End the attempt, and give its slot back at once."""
        self._slots.release(self)
        if self._began_s is not None and not self._scope.expired():
            self.preempted = True
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()
        self._began_s = asyncio.get_running_loop().time()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._began_s = None
        self._slots.release(self)
        await self._scope.__aexit__(kind, exc, traceback)
