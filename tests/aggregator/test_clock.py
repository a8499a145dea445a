"""Clocks, and the watch for jumps of the wall clock."""

import asyncio
import math
import time
from contextlib import suppress

import pytest

from fanin.aggregator import clock
from fanin.aggregator.clock import STEP_MS, SYSTEM_CLOCK, SteadyClock, longest_sleep_s, stopwatch_s, watch
from tests.aggregator.services import Hand

pytestmark = pytest.mark.anyio


class SetClock:
    """The loop's time, and what a test adds to it."""

    def __init__(self) -> None:
        self.set_by_ms = 0

    def now_ms(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000) + self.set_by_ms


async def jumps(monkeypatch: pytest.MonkeyPatch, *steps_ms: int) -> int:
    """How many of these steps are reported."""
    monkeypatch.setattr(clock, "WATCH_S", 0.001)
    wall, reported = SetClock(), 0

    def was_set() -> None:
        nonlocal reported
        reported += 1

    task = asyncio.create_task(watch(wall, was_set))
    await asyncio.sleep(0.02)
    for step_ms in steps_ms:
        wall.set_by_ms += step_ms
        await asyncio.sleep(0.02)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return reported


async def test_the_system_clock_has_milliseconds_since_the_epoch() -> None:
    """It shows what `time.time` shows, in milliseconds."""
    before = time.time()
    now_ms = SYSTEM_CLOCK.now_ms()
    after = time.time()

    assert int(before * 1000) <= now_ms <= after * 1000


async def test_the_stopwatch_never_goes_back() -> None:
    """It measures durations."""
    assert stopwatch_s() <= stopwatch_s()


async def test_a_clock_that_is_set_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each time, forward and back."""
    assert await jumps(monkeypatch, 3_600_000, -3_600_000) == 2


async def test_small_corrections_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time synchronisation makes them all the time."""
    assert await jumps(monkeypatch, STEP_MS // 2, -STEP_MS // 2) == 0


def test_a_steady_clock_is_not_set_back() -> None:
    """It follows the other one forward; what it measures passes at the same speed."""
    wall, passed_s = Hand(), [100.0]
    steady = SteadyClock(wall, lambda: passed_s[0])
    start_ms = wall.ms
    seen = []
    for step_ms, by_s in ((0, 0), (1_000, 1), (-3_600_000, 0), (1_000, 1), (7_200_000, 0), (1_000, 1)):
        wall.ms += step_ms
        passed_s[0] += by_s
        seen.append(steady.now_ms() - start_ms)

    assert seen == [0, 1_000, 1_000, 2_000, 3_602_000, 3_603_000]


def test_only_a_clock_that_may_be_set_is_looked_at_now_and_then() -> None:
    """The machine's, and one that follows it; a simulated one is not set unseen."""
    assert longest_sleep_s(SYSTEM_CLOCK) == longest_sleep_s(SteadyClock(SYSTEM_CLOCK)) == 300
    assert longest_sleep_s(SetClock()) == math.inf
