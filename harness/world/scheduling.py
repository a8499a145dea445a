"""Schedules callbacks as simloop does, with the same draws, for every step of a world goes through here.

Left out is what no world has: clocks of hosts that differ, policies that look at more than the length of the
queue, a log of choices, a debug mode. The trace has what runs, and when time passes; what is scheduled, and
what is cancelled, shows in that.
"""

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from typing import Any

import simloop
from simloop._net import _current_host

from fanin.harness.world.hashing_trace import HashingTrace

# So many tasks of a host, ended ones among them, are known before those are forgotten.
TASKS_KNOWN = 32


class SeededLoop(simloop.SimLoop):
    """A loop of virtual time, whose trace is hashed as it grows."""

    # asyncio asks for every handle, future and task. A type is called from C, which a method is not.
    get_debug = staticmethod(bool)

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        # Private, and a reason why the version is pinned: simloop offers no other way to a flat memory.
        self._recorder = self._trace = HashingTrace()
        self._note = self._trace.choices.append
        self._tasks_known_max: dict[str, int] = {}  # by host

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
        self._ready.append((seq, "", handle, callback))
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
        heapq.heappush(self._timers, (when, seq, "", timer, callback))
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
        self._register(task)
        return task

    def _register(self, task: asyncio.Task[Any]) -> None:
        """Know the task when its host crashes. simloop takes a step to forget each; here many go at once."""
        host = _current_host.get()
        known = self._net._tasks[host]  # noqa: SLF001 - simloop looks there
        if len(known) >= self._tasks_known_max.get(host, TASKS_KNOWN):
            known[:] = [each for each in known if not each.done()]
            self._tasks_known_max[host] = 2 * len(known) + TASKS_KNOWN
        known.append(task)

    def _advance_clock(self) -> None:
        """Let time pass until the next timer, and make ready what is due then."""
        timers = self._timers
        while timers and timers[0][3]._cancelled:  # noqa: SLF001
            heapq.heappop(timers)
        if not timers:
            raise simloop.SimulationDeadlockError("no callback is ready, and no timer is set")
        self._now = now = max(self._now, timers[0][0])
        self._note(now)
        while timers and timers[0][0] <= now:
            entry = heapq.heappop(timers)
            if not entry[3]._cancelled:  # noqa: SLF001
                self._ready.append(entry[1:])


def label_of(callback: Callable[..., object]) -> str:
    """The name of a callback in the trace: nothing that differs between processes."""
    name = getattr(callback, "__qualname__", None)
    return name if isinstance(name, str) else type(callback).__name__
