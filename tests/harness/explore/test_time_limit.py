"""The time ends a search in the middle of a run, and nothing else."""

import contextlib
import sqlite3
import time
import warnings
import weakref
from collections.abc import Callable, Iterator

import pytest

from fanin.harness.alarm import TICK_S
from fanin.harness.explore import time_limit
from fanin.harness.explore.time_limit import until

END_S = 60.0


class Clock:
    """Shows what a test sets it to; a process that gets no processor for a while changes nothing."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s

    def time_is_up(self) -> None:
        self.s = END_S

    def pass_s(self, seconds: float) -> None:
        self.s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time_limit, "monotonic", clock)
    return clock


def endless(clock: Clock) -> Iterator[int]:
    """The third is never complete: the time is up while it is made."""
    yield 1
    yield 2
    clock.time_is_up()
    while True:
        time.sleep(0.01)


def test_waiting_for_a_run_ends_with_the_time(clock: Clock) -> None:
    """What is complete by then was yielded."""
    assert list(until(endless(clock), END_S)) == [1, 2]


@pytest.mark.usefixtures("clock")
def test_runs_that_end_before_the_time_are_all_there_are() -> None:
    """The rest of the time is not waited for: this clock would never show its end."""
    assert list(until(iter((1, 2, 3)), END_S)) == [1, 2, 3]


def test_what_is_done_with_a_run_is_not_interrupted(clock: Clock) -> None:
    """A scenario that is being shrunk would be lost."""
    taken = []

    for run in until(endless(clock), END_S):
        clock.time_is_up()
        time.sleep(3 * TICK_S)
        taken.append(run)

    assert taken[0] == 1
    assert len(taken) <= 2


def test_a_signal_that_lands_in_a_finalizer_is_not_lost(clock: Clock) -> None:
    """Python discards what a finalizer raises: the signal comes again, and nothing is printed."""
    in_the_finalizer = []

    class Finalized:
        def __del__(self) -> None:
            in_the_finalizer.append("entered")
            while True:
                time.sleep(0.01)

    def runs() -> Iterator[int]:
        yield 1
        clock.time_is_up()
        Finalized()
        clock.pass_s(time_limit._AGAIN_S)
        time.sleep(60)
        yield 2

    with warnings.catch_warnings(record=True) as warned:
        assert list(until(runs(), END_S)) == [1]
    assert in_the_finalizer == ["entered"]
    assert warned == []


@pytest.mark.parametrize("swallows", [BaseException, KeyboardInterrupt])
def test_a_run_that_swallows_the_signal_is_ended_by_the_next(
    clock: Clock, swallows: type[BaseException]
) -> None:
    """An application may catch everything once; the time is over all the same."""

    def runs() -> Iterator[int]:
        yield 1
        clock.time_is_up()
        with contextlib.suppress(swallows):
            time.sleep(60)
        clock.pass_s(time_limit._AGAIN_S)
        time.sleep(60)
        yield 2

    assert list(until(runs(), END_S)) == [1]


def test_what_a_cut_run_closes_is_not_cut_again(clock: Clock) -> None:
    """Its world is closed in order, though the time is over."""
    closed = []

    def runs() -> Iterator[int]:
        try:
            yield from endless(clock)
        finally:
            clock.pass_s(time_limit._AGAIN_S / 2)
            time.sleep(3 * TICK_S)
            closed.append("in order")

    assert list(until(runs(), END_S)) == [1, 2]
    assert closed == ["in order"]


def test_an_error_is_the_cuts_only_if_there_was_one(clock: Clock) -> None:
    """What breaks because it was cut says nothing; what breaks by itself does."""

    def breaks(while_cut: Callable[[], None]) -> Iterator[int]:
        yield 1
        try:
            while_cut()
        finally:
            raise RuntimeError("cannot close a running event loop")

    def hangs() -> None:
        clock.time_is_up()
        time.sleep(60)

    with pytest.raises(RuntimeError, match="cannot close"):
        list(until(breaks(lambda: None), END_S))
    assert list(until(breaks(hangs), END_S)) == [1]


@pytest.mark.usefixtures("clock")
def test_ctrl_c_stays_ctrl_c() -> None:
    """It is reported as that."""

    def interrupted() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(until(interrupted(), END_S))


def test_what_a_run_that_was_cut_has_left_open_is_collected(clock: Clock) -> None:
    """A later collection would warn of it, in whatever code that falls."""
    left = []

    def runs() -> Iterator[int]:
        database = Opened()
        database.itself = database
        left.append(weakref.ref(database))
        clock.time_is_up()
        time.sleep(60)
        yield 1

    assert list(until(runs(), END_S)) == []
    assert left[0]() is None


class Opened(sqlite3.Connection):
    """A database in memory that only the collector finds, and none closes."""

    itself: object

    def __init__(self) -> None:
        super().__init__(":memory:")
