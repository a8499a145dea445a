"""Ctrl-C, the signals that mean the same, and the processes that we start.

A terminal sends SIGINT to all of them at once. One that is still importing would print a traceback; the first
process decides what becomes of the others.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Both are refused to what is judged, in whose code a signal may come.
_raise_signal, _exit = signal.raise_signal, os._exit


class _EndedError(KeyboardInterrupt):
    """This process was told to end in the middle of its work."""


@contextmanager
def other_signals_as_ctrl_c() -> Iterator[None]:
    """Treat SIGTERM, which CI sends, and SIGHUP as Ctrl-C, so that nothing is left behind.

    A shell that runs a script starts what it puts into the background with a SIGINT that is ignored. SIGTERM
    must end that as well, so SIGINT gets its usual handler here.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _raise_signal(signal.SIGINT)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Processes that `multiprocessing` starts meanwhile inherit that SIGINT is blocked."""
    from multiprocessing import resource_tracker

    # It starts its resource tracker before the first of them, and unblocks SIGINT after that.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Leave Ctrl-C to the first process; for one that is started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Worker:
    """What signals do to a process that was started: Ctrl-C nothing, SIGTERM ends it and leaves no files."""

    def __init__(self) -> None:
        self._works = False

    def prepare(self) -> None:
        """Leave Ctrl-C to the first process, and end in order when that says so."""
        ignore()
        signal.signal(signal.SIGTERM, self._end)

    def do[Result](self, work: Callable[[], Result]) -> Result:
        """Do a piece of work; if the process is told to end meanwhile, it ends when that has cleaned up."""
        self._works = True
        try:
            return work()
        except _EndedError:
            _exit(1)
        finally:
            self._works = False

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if not self._works:
            _exit(1)
        raise _EndedError
