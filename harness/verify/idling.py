"""What an application costs while nothing happens, and which scenarios that makes too long to play.

In virtual time it costs nothing to wait, unless the application looks at its clock every second: then a month
is millions of looks.
"""

import time
from collections.abc import Callable, Sequence

from msgspec import structs

from fanin.harness.history import History
from fanin.harness.targets.first_push import FIRST_PUSH
from fanin.harness.targets.rate_limit import estimate_load
from fanin.harness.world.watch import TIMEOUTS_WATCHED
from fanin.simulator.delivery import profile_of
from fanin.simulator.durations import format_duration
from fanin.simulator.language.scenario import Scenario

# So much processor time may be spent on one scenario for nothing but looking at the clock.
IDLE_S_MAX = 15
_LONGER_MS = 3_600_000


def idle_cost(play: Callable[[Scenario], History]) -> float:
    """Processor time that a second of virtual time costs while nothing happens, in seconds."""
    spent: list[tuple[float, float]] = []  # processor time and virtual time
    for scenario in (FIRST_PUSH, structs.replace(FIRST_PUSH, timeout=_LONGER_MS)):
        began = time.process_time()
        history = play(scenario)
        spent.append((time.process_time() - began, history.entries[-1].at / 1000))
    (short, virtual), (long, longer) = spent
    return max(0.0, long - short) / max(1.0, longer - virtual)


def too_long(scenarios: Sequence[Scenario], cost: float, *, seed: int) -> dict[str, str]:
    """Why each scenario that would take too long is not played, by its name.

    Args:
        scenarios: That are to be played.
        cost: As `idle_cost` returns it.
        seed: With which they would be played.
    """
    why: dict[str, str] = {}
    for scenario in scenarios:
        takes_s = cost * _virtual_s(scenario, seed)
        if takes_s > IDLE_S_MAX:
            takes = format_duration(round(takes_s) * 1000)
            why[scenario.scenario] = f"the application looks at its clock so often that it would take {takes}"
    return why


def _virtual_s(scenario: Scenario, seed: int) -> float:
    """About how long a scenario lasts, in virtual time."""
    events_ms = estimate_load(scenario, seed=seed, profile=profile_of(scenario.sender)).duration_ms
    return (events_ms + TIMEOUTS_WATCHED * scenario.timeout) / 1000
