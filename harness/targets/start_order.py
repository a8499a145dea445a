"""The order in which scenarios begin in real time: the first results come soon, and the last one not late.

Rules of this file: pure. How long a scenario takes is estimated from its events alone.
"""

import sys
from collections.abc import Sequence
from itertools import repeat

from fanin.harness.targets.rate_limit import estimate_load
from fanin.harness.targets.scale import TimeScale
from fanin.simulator.delivery import Profile
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.sink import NotificationFault
from fanin.simulator.language.scenario import Scenario

# For so long many clients wait for a response.
_HANGS_MS = 30_000


def start_order(scenarios: Sequence[Scenario], *, seed: int, time_scale: TimeScale) -> list[Scenario]:
    """The shortest and the longest in turns.

    The short ones let a user see results within seconds. A long one that began last would be waited for when
    all others have ended.
    """
    by_length = sorted(scenarios, key=lambda it: _length_ms(it, seed, time_scale))
    half = (len(by_length) + 1) // 2
    short, long = by_length[:half], by_length[half:][::-1]
    turns = [each for pair in zip(short, long, strict=False) for each in pair]
    return [*turns, *short[len(long) :]]


def _length_ms(scenario: Scenario, seed: int, time_scale: TimeScale) -> int:
    """How long its events take; what it is watched for afterwards is much the same for all."""
    small, profile = time_scale.scale(scenario)
    length_ms = estimate_load(small, seed=seed, profile=profile).duration_ms
    if any(isinstance(it, DeliveryFault) and it.never_succeeds(profile.timeout_ms) for it in small.faults):
        length_ms += _all_gaps_ms(profile)
    if any(isinstance(it, NotificationFault) and it.response.never for it in small.faults):
        length_ms += _HANGS_MS
    return length_ms


def _all_gaps_ms(profile: Profile) -> int:
    """From the first attempt to the last one, of a sender that never succeeds and does not try for ever."""
    retries = (profile.attempts or 1) - 1
    gaps = [*profile.gaps_ms, *repeat(profile.gaps_ms[-1], max(0, retries - len(profile.gaps_ms)))]
    return min(sum(gaps[:retries]), profile.expires_ms or sys.maxsize)
