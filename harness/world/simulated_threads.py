"""Threads in virtual time: real ones, in lock-step with the event loop. At any instant one of them runs.

While a thread runs, the event loop waits for it, so nothing happens at the same time and the seed decides
everything. A thread hands back when it ends, or when it waits in a way that is known here: for time to pass,
or for a lock (`simulated_locks`; queues, events, conditions and futures are made of locks). What it waits for
makes a turn of it ready, which is a callback of the loop like any other. Virtual time goes on meanwhile.

Where the event loop itself waits for a thread, the threads of its process go on, and all other hosts;
everything else on its host waits as well.

Rules of this file: a thread whose process was killed never runs again, except that it unwinds; any other wait
would never end, and is refused by file and line.
"""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from typing import Any, Protocol

from fanin.harness.world import sandbox
from fanin.harness.world.places import place_here, place_of

# Real time: what has not handed back by then waits for something that cannot come.
STUCK_S = 20.0
# A thread of a killed process that catches whatever is raised, and waits again, is left lying after so many.
UNWOUND_MAX = 3
# Taken before anything is replaced: these are real.
_allocate_lock, _get_ident = threading._allocate_lock, threading.get_ident  # type: ignore[attr-defined]  # noqa: SLF001


class SimulatedLoop(Protocol):
    """What is needed of the world's loop."""

    def time(self) -> float: ...

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> object: ...

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle: ...

    def create_future(self) -> asyncio.Future[Any]: ...

    def is_closed(self) -> bool: ...

    def current_host(self) -> str:
        """The host on which the running code runs."""

    def run_on_host(self, context: Context) -> None:
        """Let a context belong to that host."""

    def step_while_blocked(self, host: str, turn: "Turn") -> None:
        """Run everything else until the turn has come, while code of a host blocks its loop."""


class ThreadStuckError(RuntimeError):
    """A thread waits for what cannot come while everything else stands still; the message says where."""


class LoopBlockedError(RuntimeError):
    """An event loop waits for ever, as it would in a real process; the message says where."""


class ProcessEndedError(BaseException):
    """Raised where a thread, or a blocked loop, waits when its process is killed, so that it unwinds."""


class Turn:
    """Lets what waits go on: a callback of the loop. Of several calls the first one counts."""

    def __init__(self, loop: SimulatedLoop, take: Callable[[], object] = lambda: None) -> None:
        self._loop, self._take = loop, take
        self.context = Context()  # a context cannot be entered twice, so it is none that runs
        self.over = False
        loop.run_on_host(self.context)

    def __call__(self) -> None:
        if not self.over:
            self.over = True
            self._take()

    def soon(self) -> None:
        """Let it be taken at one of the next steps."""
        if not self.over and not self._loop.is_closed():
            self._loop.call_soon(self, context=self.context)


class LockstepThread:
    """A thread that runs only while the loop waits for it; its work is done in turns."""

    def __init__(self) -> None:
        self.host = ""
        self.daemon = False  # its process ends without waiting for it
        self.turn: Turn | None = None  # the next one, while it waits
        self.work: Callable[[], object] | None = None
        self.on_done: Callable[[], object] = lambda: None  # called in the loop
        self.ended = False  # its process was killed
        self.done = self.left_lying = False
        self.ident = 0
        self._raised = 0
        self._to_thread, self._to_loop = _allocate_lock(), _allocate_lock()
        self._to_thread.acquire()
        self._to_loop.acquire()

    def serve(self) -> bool:
        """Called in the thread: wait for the first turn and do the work; False: there is none."""
        self._to_thread.acquire()
        self.ident = _get_ident()
        if self.work is None:
            return False
        if not self.ended:
            self.work()
        self.done = True
        self._to_loop.release()
        return True

    def switch(self) -> bool:
        """Called by the loop: run until it hands back; False when it does not."""
        self._to_thread.release()
        return bool(self._to_loop.acquire(timeout=STUCK_S))

    def hand_back(self) -> None:
        """Called in the thread: let the loop go on until it switches here again."""
        if not self.ended:
            self._to_loop.release()
            self._to_thread.acquire()
        if self.ended:
            self.unwind()

    def unwind(self) -> None:
        """Called in the thread: let it end, or never run again."""
        self._raised += 1
        if self._raised > UNWOUND_MAX:
            self.left_lying = True
            self._to_loop.release()
            self._to_thread.acquire()
        raise ProcessEndedError

    def dismiss(self) -> None:
        """Called by the loop: let `serve` return that there is no work."""
        self.work = None
        self._to_thread.release()


_worlds: list["SimulatedThreads"] = []  # those that run, the innermost last


def simulated_here() -> "SimulatedThreads | None":
    """The threads of the world to which the running code belongs; None: it waits in real time."""
    if _worlds and _worlds[-1].are_here():
        return _worlds[-1]
    return None


class SimulatedThreads:
    """The threads of one world.

    Args:
        loop: The world's.
        on_error: Called with what a thread raises, and with the error of a loop that waits for ever.
    """

    def __init__(self, loop: SimulatedLoop, on_error: Callable[[BaseException], None]) -> None:
        self.loop, self.on_error = loop, on_error
        self._threads: dict[LockstepThread, None] = {}  # that have begun, in this order
        self._due: dict[str, int] = {}  # by host: how many have still to begin
        self._running: LockstepThread | None = None
        self._blocked: dict[str, Turn] = {}  # by host: what its loop waits for
        self._ended: set[str] = set()  # hosts
        self._leaving: dict[str, asyncio.Future[None]] = {}  # by host: the process waits for its threads
        self._aside = False  # while the harness does something itself

    @property
    def inside(self) -> bool:
        """Whether the running code is a simulated thread's."""
        return self._running is not None and _get_ident() == self._running.ident

    def are_here(self) -> bool:
        """Whether the running code is a simulated thread's, or the loop's."""
        if self._aside:
            return False
        running: object = asyncio._get_running_loop()  # noqa: SLF001 - the one without an exception
        return running is self.loop or self.inside

    def aside(self, action: Callable[[], None]) -> None:
        """Start or join a real thread: outside of the sandbox and of virtual time."""
        self._aside = True
        try:
            sandbox.exempt(action)
        finally:
            self._aside = False

    def start(self, thread: LockstepThread) -> None:
        """Let a thread, which has its work, have its first turn at one of the next steps.

        Raises:
            ProcessEndedError: the process of the running code is killed already.
        """
        thread.host = self._living_host()
        thread.turn = Turn(self.loop, partial(self._switch, thread))
        self._threads[thread] = None
        thread.turn.soon()

    def start_later(self, find: Callable[[], LockstepThread | None]) -> None:
        """The same of a thread that is looked for only then.

        Args:
            find: Returns the thread; None: there is nothing to do.

        Raises:
            ProcessEndedError: as above.
        """
        host = self._living_host()
        self._due[host] = self._due.get(host, 0) + 1
        Turn(self.loop, partial(self._begin, host, find)).soon()

    def block(self, waiting: deque[Turn] | None = None, timeout_s: float | None = None) -> None:
        """Wait until a turn is taken from ``waiting`` and called, or until the time is over.

        Raises:
            ProcessEndedError: the process was killed meanwhile, or before.
        """
        thread, host = self._running if self.inside else None, self.loop.current_host()
        if thread is None and host in self._ended:
            raise ProcessEndedError
        turn = Turn(self.loop, partial(self._switch, thread) if thread else lambda: None)
        timer = None
        if timeout_s is not None and not (thread and thread.ended):
            timer = self.loop.call_later(timeout_s, turn, context=turn.context)
        if waiting is not None:
            waiting.append(turn)
        try:
            if thread is not None:
                thread.turn = turn
                thread.hand_back()
            else:
                self._block_loop(host, turn, for_ever=timer is None)
        finally:
            turn.over = True
            if timer is not None:
                timer.cancel()
            if waiting is not None and turn in waiting:
                waiting.remove(turn)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass for the running code."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.block(timeout_s=seconds)

    def has_threads(self, host: str) -> bool:
        """Whether there is a thread of the process on this host, or is about to be."""
        return bool(self._due.get(host)) or any(thread.host == host for thread in self._threads)

    async def ended(self, host: str) -> None:
        """Wait as a process does that ends in order: until its threads have ended, but for daemons."""
        while self._due.get(host) or any(it.host == host and not it.daemon for it in self._threads):
            self._leaving[host] = self.loop.create_future()
            await self._leaving[host]

    def end(self, host: str) -> None:
        """The process on this host is killed: its threads end, and what blocks its loop."""
        self._ended.add(host)
        if host in self._blocked:
            self._blocked[host].over = True
        threads = [thread for thread in self._threads if thread.host == host]
        for thread in threads:
            thread.ended = True
            if thread.turn is not None:
                thread.turn.over = True
        for thread in threads:
            self._switch(thread, strict=False)

    def close(self) -> None:
        """End all threads."""
        for host in {thread.host: None for thread in self._threads}:
            self.end(host)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Inside, code of this world finds them; at the end no thread is left."""
        _worlds.append(self)
        try:
            yield
        finally:
            self.close()
            _worlds.pop()

    def _living_host(self) -> str:
        host = self.loop.current_host()
        if host in self._ended:
            raise ProcessEndedError
        return host

    def _begin(self, host: str, find: Callable[[], LockstepThread | None]) -> None:
        self._due[host] -= 1
        if host in self._ended:
            return
        thread = find()
        if thread is not None:
            thread.host, thread.turn, thread.done = host, None, False
            self._threads[thread] = None
            self._switch(thread)

    def _block_loop(self, host: str, turn: Turn, *, for_ever: bool) -> None:
        if for_ever and not self.has_threads(host):
            self.on_error(
                LoopBlockedError(
                    f"the event loop waits for ever{place_here()}: for what only the loop itself, or a thread"
                    " that does not run, could do"
                )
            )
        self._blocked[host] = turn
        try:
            self.loop.step_while_blocked(host, turn)
        finally:
            del self._blocked[host]
        if host in self._ended:
            raise ProcessEndedError

    def _switch(self, thread: LockstepThread, *, strict: bool = True) -> None:
        outer, self._running = self._running, thread
        try:
            in_time = thread.switch()
        finally:  # Ctrl-C
            self._running = outer
        if in_time and not thread.done and not thread.left_lying:
            return
        del self._threads[thread]
        if (leaving := self._leaving.pop(thread.host, None)) is not None and not leaving.done():
            leaving.set_result(None)
        if thread.done:
            thread.on_done()
        elif not in_time and strict:
            frame = sys._current_frames().get(thread.ident)  # noqa: SLF001 - the documented way
            raise ThreadStuckError(
                f"a thread does not go on{place_of(frame)}; it waits for something that is not simulated,"
                " such as a socket or a lock of another module than threading, or never pauses"
            )
