"""Looks in on code that may never come back, and ends it by an exception that is raised in it.

Python discards an exception that is raised in a finalizer or in the callback of a weak reference, and calls
``sys.unraisablehook``; an application may catch everything, again and again. So it is raised at each tick
until the code has ended, and from the `_PATIENCE`-th time on also in what handles it.

Rules of this file: one timer of real time for all, in the main thread; in another thread nothing is ended. An
alarm that was set before, such as pytest-timeout's, is kept and comes when it is due.
"""

import signal
import sys
import threading
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import Any

TICK_S = 0.1
_PATIENCE = 3

# Called at each tick with the frame that runs; what it returns is raised there.
type Check = Callable[[FrameType | None], "AlarmError | None"]


class AlarmError(KeyboardInterrupt):
    """Code is to end. What a Ctrl-C ends, this ends as well."""


class _Guard:
    def __init__(self, check: Check) -> None:
        self.check: Check | None = check  # None: the code has ended
        self.raised = 0


_guards: list[_Guard] = []  # the innermost last


def guarded[Result](action: Callable[[], Result], check: Check) -> Result:
    """Return what the action returns, or raise what the check has returned meanwhile."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return action()
    if not _guards:
        return _Timer().run(lambda: _guarded(action, check))
    return _guarded(action, check)


def _guarded[Result](action: Callable[[], Result], check: Check) -> Result:
    guard = _Guard(check)
    _guards.append(guard)
    try:
        try:
            return action()
        finally:
            guard.check = None  # a tick before this line is raised here, and the lines below are run
    finally:
        guard.check = None
        _guards.remove(guard)


class _Timer:
    """The timer while there are guards, and what was there before."""

    def __init__(self) -> None:
        self._trace = sys.gettrace()
        self._report = sys.unraisablehook
        self._handler: Any = None
        self._due: float | None = None  # when an alarm of others is due
        self._interval = 0.0

    def run[Result](self, action: Callable[[], Result]) -> Result:
        self._handler = signal.signal(signal.SIGALRM, self._tick)
        sys.unraisablehook = self._discarded
        left, self._interval = signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
        self._due = monotonic() + left if left else None
        try:
            return action()
        finally:
            left = max(self._due - monotonic(), 0.001) if self._due else 0
            signal.setitimer(signal.ITIMER_REAL, left, self._interval)
            signal.signal(signal.SIGALRM, self._handler)
            sys.unraisablehook = self._report
            if sys.gettrace() is not self._trace:
                sys.settrace(self._trace)

    def _tick(self, number: int, frame: FrameType | None) -> None:
        if self._due and monotonic() >= self._due:
            self._due = monotonic() + self._interval if self._interval else None
            if callable(self._handler):
                self._handler(number, frame)
        for guard in tuple(_guards):
            error = guard.check and guard.check(frame)
            if error is not None:
                guard.raised += 1
                if guard.raised >= _PATIENCE:
                    _raise_in_handlers(frame, error)
                raise error

    def _discarded(self, unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, AlarmError):
            self._report(unraisable)


def _raise_in_handlers(frame: FrameType | None, error: AlarmError) -> None:
    """Raise also at the next line that is run, which is that of a handler if one has caught the error."""

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            raise error
        return trace

    while frame is not None:
        frame.f_trace, frame.f_trace_lines = trace, True
        frame = frame.f_back
    sys.settrace(trace)
