"""What an application costs while nothing happens, and which scenarios that makes too long to play.

In virtual time it costs nothing to wait, unless the application looks at its clock every second: then a month
is millions of looks. Nor does a sink that fails for days, unless the application tries again every second.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import structs

from fanin.harness.history import History, NotificationReceived
from fanin.harness.targets.first_push import FIRST_PUSH
from fanin.harness.targets.rate_limit import estimate_load
from fanin.harness.world.watch import TIMEOUTS_WATCHED
from fanin.simulator.delivery import profile_of
from fanin.simulator.durations import format_duration
from fanin.simulator.faults.sink import SinkFault, refuse
from fanin.simulator.language.scenario import Scenario

# So much processor time may be spent on one scenario for nothing but looking at the clock, or trying again.
IDLE_S_MAX = 15
_LONGER_MS = 3_600_000
_FAILING_MS = 600_000

_IDLING = structs.replace(FIRST_PUSH, timeout=_LONGER_MS)
_FAILING = structs.replace(FIRST_PUSH, faults=(refuse(until=_FAILING_MS),))


class Cost(NamedTuple):
    """Processor time that a second of virtual time costs, in seconds."""

    idle: float  # while nothing happens
    failing: float = 0.0  # while the sink refuses one notification; what it costs after some minutes of that


class _Spent(NamedTuple):
    history: History
    cpu_s: float

    @property
    def virtual_s(self) -> float:
        return self.history.entries[-1].at / 1000


def measured_cost(play: Callable[[Scenario], History]) -> Cost:
    """What an application costs that is played so."""
    short, long, failing = (_spent(play, scenario) for scenario in (FIRST_PUSH, _IDLING, _FAILING))
    idle = max(0.0, long.cpu_s - short.cpu_s) / max(1.0, long.virtual_s - short.virtual_s)
    attempts = [it.at for it in failing.history.entries if isinstance(it, NotificationReceived)]
    waited_s = failing.virtual_s - short.virtual_s
    each_s = max(0.0, failing.cpu_s - short.cpu_s - idle * waited_s) / max(1, len(attempts) - 1)
    # Pauses between attempts may grow, so the first minutes tell little.
    late = sum(_FAILING_MS // 2 <= at < _FAILING_MS for at in attempts)
    return Cost(idle, each_s * late / (_FAILING_MS / 2000))


def _spent(play: Callable[[Scenario], History], scenario: Scenario) -> _Spent:
    began = time.process_time()
    history = play(scenario)
    return _Spent(history, time.process_time() - began)


def too_long(scenarios: Sequence[Scenario], cost: Cost, *, seed: int) -> dict[str, str]:
    """Why each scenario that would take too long is not played, by its name.

    Args:
        scenarios: That are to be played.
        cost: Of the application that is to be judged.
        seed: With which they would be played.
    """
    why: dict[str, str] = {}
    for scenario in scenarios:
        idle_s, failing_s = cost.idle * _virtual_s(scenario, seed), cost.failing * _failing_s(scenario)
        if idle_s + failing_s <= IDLE_S_MAX:
            continue
        does = "looks at its clock" if idle_s > failing_s else "tries again to notify a sink that fails"
        takes = format_duration(round(idle_s + failing_s) * 1000)
        why[scenario.scenario] = f"the application {does} so often that it would take {takes}"
    return why


def _failing_s(scenario: Scenario) -> float:
    """For how long the sink refuses one notification or another, in virtual time, over all of them."""
    return sum(
        (fault.until - fault.since) / 1000
        for fault in scenario.faults
        if isinstance(fault, SinkFault) and fault.delays_notifications and fault.until is not None
    )


def _virtual_s(scenario: Scenario, seed: int) -> float:
    """About how long a scenario lasts, in virtual time."""
    events_ms = estimate_load(scenario, seed=seed, profile=profile_of(scenario.sender)).duration_ms
    return (events_ms + TIMEOUTS_WATCHED * scenario.timeout) / 1000
