"""What a timeout at the wrong instant looks like."""

from collections.abc import Iterator

from fanin.harness.oracle.bounds import Bounds
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.violation import OperationView
from fanin.simulator.faults.aggregator import AggregatorFault

# Delays in ms that do not fit 31 bits overflow in some timers.
SHORT_TIMER_MS = 2**31 - 1
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
# In real time a timeout is short, and many instants are near to any other by chance.
_NEAR_OF_TIMEOUT = 1 / 20
# What programs wait for when they were told nothing.
_DEFAULTS_MS = (
    *(5_000, 10_000, 15_000, 20_000, 30_000, 45_000, 80_000, 90_000),
    *(minutes * _MINUTE_MS for minutes in (1, 2, 3, 4, 5, 10, 15, 20, 30)),
    *(hours * _HOUR_MS for hours in (1, 2, 4, 6, 12, 24, 48, 72, 168)),
)


def has_clock_faults(view: OperationView) -> bool:
    """Whether the scenario sets the machine's clock."""
    faults = view.evidence.scenario.faults
    return any(isinstance(it, AggregatorFault) and it.effect == "clock" for it in faults)


def of_early_timeout(view: OperationView, generation: Generation, first: Notification) -> str:
    """The bugs that a timeout before the deadline looks like."""
    return next(_of_early_timeout(view, generation, first))


def _of_early_timeout(view: OperationView, generation: Generation, first: Notification) -> Iterator[str]:
    bounds = generation.bounds
    started = bounds.deadline_from - bounds.timeout
    delay = first.at - started
    if has_clock_faults(view):
        yield "B42"
    if bounds.timeout > SHORT_TIMER_MS and delay < bounds.timeout // 2:
        yield "B41 B37"
    if hint := _of_other_configuration(view, bounds, delay):
        yield hint
    if view.allowances.died(started, first.at - 1):
        yield "B66"
    attempts = view.operation.attempts
    if any(0 <= first.at - it.sent.at <= view.tolerance for it in attempts[1:]):
        yield "B34"
    refused = [it for it in attempts if it.invalid_because]
    if any(_is_near(first.at - bounds.timeout, it.sent.at, view.tolerance) for it in refused):
        yield "B32" if any(it.invalid_because == "unknown-region" for it in refused) else ""
    yield _of_other_delay(view, delay, bounds.timeout)


def of_late_timeout(view: OperationView, first: Notification) -> str:
    """The bugs that a timeout after the deadline looks like."""
    bounds = view.first.bounds
    started, armed_at = bounds.deadline_from - bounds.timeout, first.at - bounds.timeout
    arrivals = (it.sent.at for it in view.operation.attempts if it.counts is not False)
    starts = (change.at for _, change in view.evidence.lifecycle if change.state == "up")
    again = (at for at in (*arrivals, *starts) if at > started + view.tolerance)
    near = min(view.tolerance, round(bounds.timeout * _NEAR_OF_TIMEOUT))
    if any(0 <= armed_at - at <= near for at in again):
        return "B39"
    if hint := _of_other_configuration(view, bounds, first.at - started):
        return hint
    return _of_other_delay(view, first.at - started, bounds.timeout)


def _of_other_configuration(view: OperationView, bounds: Bounds, delay: int) -> str:
    """What it looks like that an operation waited for a timeout that was configured at another time."""
    others = (it.timeout for it in view.evidence.config_periods if it.timeout != bounds.timeout)
    return "B66" if any(_is_near(delay, it, view.tolerance) for it in others) else ""


def _of_other_delay(view: OperationView, delay: int, timeout: int) -> str:
    """What it looks like that an operation waited for so long, and not for its timeout."""
    off = abs(delay - timeout)
    if off >= _HOUR_MS - view.tolerance and _is_near(off, round(off / _HOUR_MS) * _HOUR_MS, view.tolerance):
        return "B42"
    if off > view.tolerance and any(_is_near(delay, it, view.tolerance) for it in _DEFAULTS_MS):
        return "B67"
    return ""


def _is_near(one: int, other: int, tolerance: int) -> bool:
    return abs(one - other) <= tolerance
