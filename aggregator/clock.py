"""Where the aggregator's time comes from.

Nothing else in the package reads a clock, so that a simulated world can supply its own.
"""

import time
from typing import Protocol


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
