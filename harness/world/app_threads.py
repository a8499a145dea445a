"""Threads that an application starts itself, in virtual time: `threading.Thread` and its subclasses.

Each is the application's own object, with a real thread that runs in lock-step (`simulated_threads`). What it
raises is an error of the application; the process goes on, as ever.

Rules of this file: an event loop of such a thread would wait in real time, so it is refused.
"""

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import partial

from fanin.harness.world import sandbox
from fanin.harness.world.replaced import replaced
from fanin.harness.world.simulated_threads import (
    STUCK_S,
    LockstepThread,
    ProcessEndedError,
    SimulatedThreads,
    Turn,
    simulated_here,
)

_start, _join = threading.Thread.start, threading.Thread.join


class AppThreads:
    """The threads that the application of one world has started and that still run."""

    def __init__(self, threads: SimulatedThreads) -> None:
        self._threads = threads
        self._joining: dict[threading.Thread, deque[Turn]] = {}  # by thread: what waits for its end

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Inside, threads that are started in virtual time are threads of this world."""
        number = itertools.count(1).__next__  # of a thread without a name: the same in each run
        new_event_loop = self._replace_new_event_loop(asyncio.new_event_loop)
        with (
            replaced(asyncio, new_event_loop=new_event_loop),
            replaced(asyncio.events, new_event_loop=new_event_loop),
            replaced(threading.Thread, start=self._replace_start(), join=self._replace_join()),
            replaced(threading, _counter=number),
        ):
            yield

    def _replace_start(self) -> Callable[[threading.Thread], None]:
        def start(thread: threading.Thread) -> None:
            if simulated_here() is not self._threads or thread.ident is not None:
                _start(thread)  # a real one, or an error
            else:
                self._begin(thread)

        return start

    def _replace_join(self) -> Callable[[threading.Thread, float | None], None]:
        def join(thread: threading.Thread, timeout: float | None = None) -> None:
            here = simulated_here() is self._threads and thread is not threading.current_thread()
            if not here or thread not in self._joining:
                _join(thread, timeout)
                return
            deadline = None if timeout is None else self._threads.loop.time() + max(timeout, 0)
            while (joining := self._joining.get(thread)) is not None:
                left = None if deadline is None else deadline - self._threads.loop.time()
                if left is not None and left <= 0:
                    return
                self._threads.block(joining, left)

        return join

    def _replace_new_event_loop(
        self, new_event_loop: Callable[[], asyncio.AbstractEventLoop]
    ) -> Callable[[], asyncio.AbstractEventLoop]:
        def refuse_or_make() -> asyncio.AbstractEventLoop:
            if simulated_here() is self._threads:
                sandbox.refuse("it runs an event loop of its own, besides the one that it is served by")
            return new_event_loop()

        return refuse_or_make

    def _begin(self, thread: threading.Thread) -> None:
        lockstep, context = LockstepThread(), Context()
        self._threads.loop.run_on_host(context)
        lockstep.work = partial(self._run, thread.run, context)
        lockstep.on_done = partial(self._end, thread)
        thread.run = lockstep.serve  # type: ignore[method-assign,assignment]
        self._joining[thread] = deque()
        lockstep.daemon = daemon = thread.daemon
        # For Python it is a daemon: should it never end, the harness ends all the same.
        thread._daemonic = True  # type: ignore[attr-defined]  # noqa: SLF001 - it cannot be set later
        self._threads.aside(partial(_start, thread))
        thread._daemonic = daemon  # type: ignore[attr-defined]  # noqa: SLF001
        self._threads.start(lockstep)

    def _run(self, run: Callable[[], None], context: Context) -> None:
        try:
            context.run(run)
        except (ProcessEndedError, SystemExit):
            pass
        except BaseException as exc:  # noqa: BLE001 - as threading has it: the thread ends, the process goes on
            self._threads.on_error(exc)

    def _end(self, thread: threading.Thread) -> None:
        self._threads.aside(partial(_join, thread, STUCK_S))  # it has nothing left to do
        for turn in self._joining.pop(thread):
            turn.soon()
