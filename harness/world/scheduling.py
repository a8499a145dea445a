"""Schedules and runs callbacks as simloop does: same draws, same trace.

These are the functions that every step of a world goes through. Left out is what no world here has: clocks of
hosts that differ, policies that look at more than the length of the queue, a log of choices, a debug mode.
"""

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from typing import Any

import simloop
from simloop._net import DRIVER, _current_host

from fanin.harness.world.hashing_trace import HashingTrace


class SeededLoop(simloop.SimLoop):
    """A loop of virtual time, whose trace is hashed as it grows."""

    # asyncio asks for every handle, future and task. A type is called from C, which a method is not.
    get_debug = staticmethod(bool)

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        # Private, and a reason why the version is pinned: simloop offers no other way to a flat memory.
        self._recorder = self._trace = HashingTrace()
        self._note = self._trace.choices.append

    def time(self) -> float:
        """The time that has passed; no host's clock differs."""
        return self._now

    def call_soon(  # type: ignore[override]  # as loosely typed as what it passes on
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Make a callback ready."""
        if self._closed:
            self._check_closed()
        handle = asyncio.Handle(callback, args, self, context)
        seq = self._next_seq
        self._next_seq = seq + 1
        label = _label(callback)
        self._ready.append((seq, label, handle, callback))
        self._note(("schedule", self._now, seq, label, _current_host.get()))
        return handle

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Make a callback ready after a time."""
        return self._call_at_true(self._now + delay, self._now + delay, callback, args, context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Make a callback ready at an instant of `time`."""
        return self._call_at_true(float(when), when, callback, args, context)

    def _call_at_true(
        self,
        when: float,
        shown: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> asyncio.TimerHandle:
        if self._closed:
            self._check_closed()
        timer = asyncio.TimerHandle(shown, callback, args, self, context)
        seq = self._next_seq
        self._next_seq = seq + 1
        label = _label(callback)
        heapq.heappush(self._timers, (when, seq, label, timer, callback))
        self._note(("schedule", self._now, seq, label, _current_host.get()))
        return timer

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: Context | None = None,
        eager_start: bool | None = None,
    ) -> asyncio.Task[Any]:
        """As simloop, without numbering tasks for policies."""
        if self._closed or eager_start or self._task_factory is not None:
            return super().create_task(coro, name=name, context=context, eager_start=eager_start)
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self._net._register_task(task)  # noqa: SLF001 - as simloop does
        return task

    def _advance_clock(self) -> None:
        """Let time pass until the next timer, and make ready what is due then."""
        timers, note = self._timers, self._note
        while timers and timers[0][3]._cancelled:  # noqa: SLF001
            self._drop(heapq.heappop(timers))
        if not timers:
            raise simloop.SimulationDeadlockError("no callback is ready, and no timer is set")
        self._now = now = max(self._now, timers[0][0])
        note(("advance", now, -1, "", ""))
        while timers and timers[0][0] <= now:
            entry = heapq.heappop(timers)
            if entry[3]._cancelled:  # noqa: SLF001
                self._drop(entry)
            else:
                self._ready.append(entry[1:])

    def _drop(self, entry: tuple[float, int, str, asyncio.TimerHandle, Callable[..., object]]) -> None:
        _, seq, label, timer, _ = entry
        host = timer.get_context().get(_current_host, DRIVER)
        self._note(("cancel", self._now, seq, label, host))


def _label(callback: Callable[..., object]) -> str:
    """The name of a callback in the trace: nothing that differs between processes."""
    name = getattr(callback, "__qualname__", None)
    return name if isinstance(name, str) else type(callback).__name__
