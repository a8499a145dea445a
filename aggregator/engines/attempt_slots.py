"""Slots for attempts at notifications: how many run at once, and which of them is pre-empted.

A thousand notifications that hang must not keep the thousand-and-first from its attempt. So an attempt that
has had its time is ended when another one waits for its slot; it is repeated later.

How much time that is depends on the receiver: one that is healthy and slow would be told everything twice. It
is twice what its slowest recent response took, and at least `PREEMPT_AFTER_S`. The oldest attempts are left
alone, so that a receiver which has become slow shows how slow it is.
"""

import asyncio
from collections import deque
from contextlib import suppress
from itertools import islice
from types import TracebackType

from fanin.aggregator.notify.attempt import (
    ATTEMPT_S,
    PREEMPT_AFTER_S,
    PREEMPT_UNKNOWN_AFTER_S,
    PreemptedError,
)
from fanin.aggregator.notify.port import BegunAttempt
from fanin.aggregator.notify.time_limits import TimeLimit, TimeLimits

# So many first attempts at notifications of one target run at once.
FIRST_SLOTS = 96
# Of so many slots, one is not pre-empted: that of the oldest attempt, or those of the oldest ones.
UNPREEMPTED_OF = 8
# How fast a slow response is forgotten: by half in 70 quicker ones.
FORGET = 0.99


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
        self._limits = TimeLimits(ATTEMPT_S)
        self._unpreempted = size // UNPREEMPTED_OF
        self._slowest_s: float | None = None  # of recent responses; None before the first
        self._waiting: deque[asyncio.Future[AttemptSlot]] = deque()
        self._timer: asyncio.TimerHandle | None = None  # for the next pre-emption

    def take_free(self) -> "AttemptSlot | None":
        """Take a slot that is free; None when there is none."""
        return self._take() if len(self._taken) < self._size else None

    async def acquire(self) -> "AttemptSlot | None":
        """Wait in line for a slot, and take it; None when too many attempts wait already."""
        if (free := self.take_free()) is not None:
            return free
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

    @property
    def preempt_after_s(self) -> float:
        """How long an attempt may take before it can be pre-empted."""
        if self._slowest_s is None:
            return PREEMPT_UNKNOWN_AFTER_S
        return max(PREEMPT_AFTER_S, 2 * self._slowest_s)

    def responded(self, took_s: float) -> None:
        """Note how long an attempt took that was accepted."""
        self._slowest_s = max(took_s, (self._slowest_s or 0.0) * FORGET)

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
        if self._waiting or self._timer is not None:
            self._set_timer()

    def limit(self) -> TimeLimit:
        """A limit for the attempt of one slot."""
        return self._limits.limit()

    def _take(self) -> "AttemptSlot":
        slot = AttemptSlot(self)
        self._taken[slot] = None
        return slot

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._preempts and self._waiting and self._taken:
            loop = asyncio.get_running_loop()
            oldest = self._oldest_preemptable()
            if oldest is not None:
                self._timer = loop.call_later(max(0.0, oldest.left_s()), self._preempt_oldest)

    def _oldest_preemptable(self) -> "AttemptSlot | None":
        return next(islice(self._taken, self._unpreempted, None), None)

    def _preempt_oldest(self) -> None:
        oldest = self._oldest_preemptable()
        if self._waiting and oldest is not None and oldest.left_s() <= 0:
            oldest.preempt()
        else:
            self._set_timer()


class AttemptSlot:
    """One attempt's slot. As a context, it limits the attempt to `ATTEMPT_S` and is given back at its end.

    An attempt that needs no task, and has a shorter limit of its own, is held instead, until it has ended.

    Raises:
        TimeoutError: at the end of the context, when the attempt took too long.
        PreemptedError: at the same place, when it was pre-empted.
    """

    __slots__ = ("_held", "_scope", "_slots", "preempted")

    def __init__(self, slots: AttemptSlots) -> None:
        self._slots = slots
        self._held: BegunAttempt | None = None  # while it runs …
        self._scope: TimeLimit | None = None  # … or while the context lasts
        self.preempted = False

    def left_s(self) -> float:
        """How long the attempt may run before it can be pre-empted."""
        running = self._held or self._scope
        if running is None:
            return self._slots.preempt_after_s
        return running.began_s + self._slots.preempt_after_s - asyncio.get_running_loop().time()

    def preempt(self) -> None:
        """End the attempt, and give its slot back at once."""
        self._slots.release(self)
        if self._held is not None:
            self.preempted = True
            self._held.preempt()
        elif self._scope is not None and not self._scope.expired():
            self.preempted = True
            self._scope.expire()

    def hold(self, attempt: BegunAttempt) -> None:
        """An attempt runs, and `ended` will be called."""
        self._held = attempt

    def ended(self, attempt: BegunAttempt, *, accepted: bool) -> None:
        """The attempt that it holds has ended."""
        self._held = None
        if accepted and not self.preempted:
            self._slots.responded(asyncio.get_running_loop().time() - attempt.began_s)
        self._slots.release(self)

    async def __aenter__(self) -> None:
        self._scope = self._slots.limit()
        self._scope.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        scope, self._scope = self._scope, None
        if scope is None:
            return
        if kind is None and not scope.expired():
            self._slots.responded(asyncio.get_running_loop().time() - scope.began_s)
        self._slots.release(self)
        try:
            scope.__exit__(kind, exc, traceback)
        except TimeoutError as over:
            if self.preempted:
                raise PreemptedError from over
            raise
