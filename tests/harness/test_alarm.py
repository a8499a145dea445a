"""Code that is looked in on ends when it is told to, whatever it catches; other alarms come all the same."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import pytest

from fanin.harness.alarm import AlarmError, Check, guarded


def after(seconds: float) -> Check:
    end = time.monotonic() + seconds

    def check(_frame: FrameType | None) -> AlarmError | None:
        return AlarmError("over") if time.monotonic() >= end else None

    return check


def compute() -> None:
    while True:
        pass


def catch_everything() -> None:
    while True:
        with contextlib.suppress(BaseException):
            compute()


@pytest.mark.parametrize("action", [compute, catch_everything, threading.Event().wait])
def test_it_ends(action: Callable[[], object]) -> None:
    """Whether it computes, catches what ends it, or waits."""
    with pytest.raises(AlarmError, match="over"):
        guarded(action, after(0.05))

    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_what_ends_by_itself_returns() -> None:
    """And nothing is left of the guard."""
    before = signal.getsignal(signal.SIGALRM), sys.unraisablehook, sys.gettrace()

    assert guarded(lambda: guarded(lambda: 7, after(60)), after(60)) == 7
    assert (signal.getsignal(signal.SIGALRM), sys.unraisablehook, sys.gettrace()) == before


def test_the_outer_guard_ends_the_inner_one() -> None:
    """The first that is due."""
    with pytest.raises(AlarmError):
        guarded(lambda: guarded(compute, after(60)), after(0.05))


def test_an_alarm_of_others_comes_when_it_is_due() -> None:
    """A test runner's limit holds inside, and is still set afterwards."""
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        too_late = after(60)
        with contextlib.suppress(AlarmError):
            guarded(compute, lambda frame: AlarmError("rung") if rung else too_late(frame))
        assert rung == [signal.SIGALRM]

        signal.setitimer(signal.ITIMER_REAL, 60)
        guarded(lambda: None, after(60))
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_in_another_thread_nothing_is_ended() -> None:
    """Signals come to the main thread alone."""
    returned: list[int] = []
    thread = threading.Thread(target=lambda: returned.append(guarded(lambda: 7, after(0))))
    thread.start()
    thread.join()

    assert returned == [7]
