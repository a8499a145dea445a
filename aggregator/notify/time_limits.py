"""Time limits of one length for many attempts: one timer of the event loop watches over all of them.

`asyncio.timeout` sets a timer and cancels it for each, which costs more than the rest of an attempt's
bookkeeping. Limits of one length end in the order in which they began, so only the oldest needs the timer.
"""

import asyncio
from types import TracebackType
from typing import Protocol


class Limited(Protocol):
    """What has a limited time."""

    began_s: float  # loop time; both are set when it begins
    ends_s: float

    def expire(self) -> None:
        """Its time is over."""


class TimeLimits:
    """Limits of one length, in seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[Limited, None] = {}  # oldest first
        self._timer: asyncio.TimerHandle | None = None  # for the oldest, or for one that has ended meanwhile

    def limit(self) -> "TimeLimit":
        """A context whose task is cancelled, and which raises `TimeoutError`, when the time is over."""
        return TimeLimit(self)

    def began(self, limit: Limited, loop: asyncio.AbstractEventLoop) -> None:
        """Watch over what begins now."""
        limit.began_s = loop.time()
        limit.ends_s = limit.began_s + self._seconds
        self._running[limit] = None
        if self._timer is None:
            self._timer = loop.call_at(limit.ends_s, self._check)

    def ended(self, limit: Limited) -> None:
        """Watch over it no longer."""
        self._running.pop(limit, None)
        if not self._running and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._timer = None
        while (oldest := next(iter(self._running), None)) is not None:
            if oldest.ends_s > now_s:
                self._timer = loop.call_at(oldest.ends_s, self._check)
                return
            del self._running[oldest]
            oldest.expire()


class TimeLimit:
    """One limit, as a context that waits for nothing itself. It can be used once, and in a task only.

    Raises:
        TimeoutError: at the end of the context, when the time was over before.
    """

    __slots__ = ("_cancelling", "_expired", "_limits", "_task", "began_s", "ends_s")

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self._task: asyncio.Task[object] | None = None  # while the context lasts
        self._cancelling = 0
        self._expired = False
        self.began_s = self.ends_s = 0.0  # loop time

    def expired(self) -> bool:
        """Whether the time was over before the end of the context."""
        return self._expired

    def expire(self) -> None:
        """End the time now."""
        if self._task is not None and not self._expired:
            self._expired = True
            self._task.cancel()

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._cancelling = task.cancelling()
        self._limits.began(self, task.get_loop())

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        self._limits.ended(self)
        if not self._expired or task is None:
            return
        # A cancellation from outside at the same time must not be taken for the end of the time.
        if (
            task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from exc
