"""Where the aggregator's time comes from.

Nothing else in the package reads a clock, so that a simulated world can supply its own.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

# How often the machine's clock is compared with one that cannot be set, and by how much they may differ.
# Each look is a step of a simulated world as well, where a month is nothing: a look a second made it minutes.
WATCH_S = 20.0
STEP_MS = 250


class Clock(Protocol):
    """Wall-clock time: deadlines must mean the same after a restart, so no monotonic clock will do."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""


class SystemClock:
    """The machine's clock. If it is set, deadlines move with it."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


SYSTEM_CLOCK = SystemClock()


def stopwatch_s() -> float:
    """Seconds from an origin that means nothing, to measure our own work. Nothing may be decided by it."""
    return time.perf_counter()


async def watch(clock: Clock, was_set: Callable[[], None]) -> None:
    """Call ``was_set`` whenever the clock has moved otherwise than time has: set, or the machine slept.

    Whoever sleeps until an instant sleeps a span of time, and would sleep on.
    """
    loop = asyncio.get_running_loop()
    ahead_ms = clock.now_ms() - loop.time() * 1000
    while True:
        await asyncio.sleep(WATCH_S)
        before_ms, ahead_ms = ahead_ms, clock.now_ms() - loop.time() * 1000
        if abs(ahead_ms - before_ms) > STEP_MS:
            was_set()
