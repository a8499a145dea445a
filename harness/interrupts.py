"""Ctrl-C and the processes that we start.

A terminal sends SIGINT to all of them at once. One that is still importing would print a traceback; the first
process decides what becomes of the others.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def held_back() -> Iterator[None]:
    """Processes that `multiprocessing` starts meanwhile inherit that SIGINT is blocked."""
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
