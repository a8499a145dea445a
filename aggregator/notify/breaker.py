"""A circuit breaker for one target: what belongs to a target that is down is known once. Pure.

    state      event                                             next state
    closed     `OPEN_AFTER` different notifications fail in a row,
               or `OPEN_AFTER_TIMEOUTS` of them time out           open
    open       the pause is over, and an attempt begins: a probe   half-open
    half-open  the probe fails                                     open, with a longer pause
    any        an attempt is accepted, or refused for ever         closed

While it is open, notifications wait as they are: without attempts that fail, and without pauses of their own.
A notification that fails again and again counts once, so it never opens the breaker by itself. Attempts that
had begun before it opened change nothing when they fail. An attempt that was pre-empted has not failed.

Times are milliseconds of a clock that only goes forward.
"""

from enum import StrEnum
from typing import Self

import msgspec

from fanin.aggregator.notify.retry_policy import backoff_ms

# How many different notifications fail in a row before the target is taken to be down. Fewer may be refused
# for what is in them, and must delay no other; and fewer cost little, because their own pauses grow.
OPEN_AFTER = 50
# The same for those that get no response in time. Such attempts cost more: each holds a slot for long.
OPEN_AFTER_TIMEOUTS = 10
# The longest pause between probes, unless the receiver asks for more. Its jitter comes on top.
PROBE_PAUSE_MS_MAX = 60_000


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one target's breaker."""

    target: str  # its name, from which the jitter of the pauses is derived
    state: BreakerState = BreakerState.CLOSED
    failed: tuple[str, ...] = ()  # while closed: keys of the notifications that failed in a row
    timed_out: int = 0  # of them
    probes: int = 0  # that failed since it opened
    probe_at_ms: int = 0  # while open: when an attempt may begin
    probe: str = ""  # while half-open: the key of the notification that is attempted

    def admits(self, now_ms: int) -> bool:
        """Whether an attempt may begin."""
        if self.state is BreakerState.OPEN:
            return now_ms >= self.probe_at_ms
        return self.state is BreakerState.CLOSED

    def began(self, key: str) -> Self:
        """After the beginning of an attempt that was admitted."""
        if self.state is BreakerState.CLOSED:
            return self
        return msgspec.structs.replace(self, state=BreakerState.HALF_OPEN, probe=key)

    def responded(self) -> Self:
        """After an attempt that the target accepted, or refused for ever: it works."""
        if self.state is BreakerState.CLOSED and not self.failed:
            return self
        return type(self)(target=self.target)

    def refused(
        self, key: str, now_ms: int, *, retry_after_ms: int | None = None, timed_out: bool = False
    ) -> Self:
        """After an attempt that failed.

        Args:
            key: The notification's.
            now_ms: When it failed.
            retry_after_ms: For how long the receiver asked not to be tried again, if it did.
            timed_out: It got no response in time.
        """
        if self.state is BreakerState.CLOSED:
            if key in self.failed:
                return self
            failed, late = (*self.failed, key), self.timed_out + timed_out
            if len(failed) < OPEN_AFTER and late < OPEN_AFTER_TIMEOUTS:
                return msgspec.structs.replace(self, failed=failed, timed_out=late)
        elif self.state is BreakerState.OPEN or key != self.probe:
            return self
        probes = self.probes + (self.state is BreakerState.HALF_OPEN)
        pause_ms = min(backoff_ms(self.target, probes + 1), PROBE_PAUSE_MS_MAX)
        return type(self)(
            target=self.target,
            state=BreakerState.OPEN,
            probes=probes,
            probe_at_ms=now_ms + max(pause_ms, retry_after_ms or 0),
        )
