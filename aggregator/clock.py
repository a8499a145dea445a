"""The aggregator's clocks. No other module reads one, so that a simulated world can supply its own."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

# How often the wall clock is compared with the monotonic one, and by how much they may differ. Each
# comparison is a step of a simulated world, too: with one a second, a simulated month took minutes.
WATCH_S = 20.0
STEP_MS = 250
# A task that sleeps until an instant looks at the machine's clock so often, because it may have been set.
_SLEEP_S_MAX = 300.0


class Clock(Protocol):
    """Wall-clock time. Deadlines must mean the same after a restart, which a monotonic clock's would not."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""


class SystemClock:
    """The machine's clock. When it is set, deadlines move with it."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


SYSTEM_CLOCK = SystemClock()


class SteadyClock:
    """A clock that follows another one and never goes back, for pauses that must not grow when it is set."""

    def __init__(self, clock: Clock, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """Follow ``clock``; ``monotonic_s`` says how much time has passed, in seconds from anywhere."""
        self._clock, self._monotonic_s = clock, monotonic_s
        self._ahead_ms = clock.now_ms() - monotonic_s() * 1000

    def now_ms(self) -> int:
        passed_ms = self._monotonic_s() * 1000
        self._ahead_ms = max(self._ahead_ms, self._clock.now_ms() - passed_ms)
        return round(passed_ms + self._ahead_ms)


def longest_sleep_s(clock: Clock) -> float:
    """For how many seconds a task may sleep until an instant of this clock, however far away that is.

    Other clocks than the machine's belong to simulated worlds, where none is set unseen. A look at them now
    and then was a third of all steps of such a world.
    """
    return _SLEEP_S_MAX if isinstance(clock, SystemClock | SteadyClock) else math.inf


def stopwatch_s() -> float:
    """Seconds from an arbitrary origin, for measurements only. No decision may depend on it."""
    return time.perf_counter()


async def watch(clock: Clock, was_set: Callable[[], None]) -> None:
    """Call ``was_set`` when the wall clock has jumped: it was set, or the machine was suspended.

    A task that sleeps until an instant sleeps for a duration, and would not wake up earlier by itself.
    """
    loop = asyncio.get_running_loop()
    ahead_ms = clock.now_ms() - loop.time() * 1000
    while True:
        await asyncio.sleep(WATCH_S)
        before_ms, ahead_ms = ahead_ms, clock.now_ms() - loop.time() * 1000
        if abs(ahead_ms - before_ms) > STEP_MS:
            was_set()
