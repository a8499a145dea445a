"""Ends an exploration when its time is over, in the middle of a run if need be.

Rules of this file: it ends the waiting for the next run as Ctrl-C does, and nothing else: what the caller
does with a run is never interrupted. Which runs there are depends on the machine; none of them does.
"""

import threading
from collections.abc import Iterator
from time import monotonic
from types import FrameType

from fanin.harness.alarm import AlarmError, guarded
from fanin.harness.world import garbage

# A run that is cut closes its world within this time. Python may have discarded the first signal, so it is
# repeated, but not while that is going on.
_AGAIN_S = 2.0


class TimeUpError(AlarmError):
    """The time is over."""


def until[Run](runs: Iterator[Run], end_s: float) -> Iterator[Run]:
    """Yield runs until an instant of ``time.monotonic``; then those that are complete, and no more."""
    while True:
        try:
            run = _next(runs, end_s)
        except TimeUpError:
            break
        if run is None:
            return
        yield run
    garbage.collect()  # what the run that was cut has left open


def _next[Run](runs: Iterator[Run], end_s: float) -> Run | None:
    if threading.current_thread() is not threading.main_thread() and monotonic() >= end_s:
        return None

    due_s, is_cut = end_s, False

    def check(_frame: FrameType | None) -> TimeUpError | None:
        nonlocal due_s, is_cut
        if monotonic() < due_s:
            return None
        due_s, is_cut = monotonic() + _AGAIN_S, True
        return TimeUpError()

    try:
        return guarded(lambda: next(runs, None), check)
    except Exception as exc:
        if is_cut:  # what it broke while it was cut
            raise TimeUpError from exc
        raise
