"""How much goes to a deployment, and when: every second has its limit.

Two things keep it. Scenarios begin one after the other, so that what they plan to send fits (`starts`). And
every request waits at a `RateLimiter`, because retries come unplanned.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanin.simulator.delivery import Profile
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Scenario

_SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class Load:
    """What one scenario sends, retries not counted."""

    by_second: Mapping[int, int]  # requests in each second from its start that has any
    lasts_ms: int  # until the last thing that it does


def estimate_load(scenario: Scenario, *, seed: int, profile: Profile) -> Load:
    """What a scenario will send. Its retries only count for how long it lasts."""
    by_second: Counter[int] = Counter()
    lasts_ms = 0
    for occurrence in FakeRegistry(scenario, seed=seed, epoch_ms=0).occurrences():
        for it in occurrence.deliveries:
            by_second[it.due_ms // _SECOND_MS] += 1
            lost = min(it.lose_requests + it.lose_answers, (profile.attempts or 10) - 1)
            gaps = sum(profile.gaps_ms[min(nth, len(profile.gaps_ms) - 1)] for nth in range(lost))
            lasts_ms = max(lasts_ms, it.due_ms + gaps)
        lasts_ms = max(lasts_ms, occurrence.at_ms, *(loss.due_ms for loss in occurrence.unsent), 0)
    lasts_ms = max(lasts_ms, *(fault.ends_ms for fault in scenario.faults), 0)
    return Load(by_second, lasts_ms)


def start_times(loads: Sequence[Load], per_second: int) -> list[int]:
    """When each scenario may begin, in ms, so that no second carries more than ``per_second``.

    A scenario that alone is more than that is spread over as many seconds as it takes.
    """
    taken: Counter[int] = Counter()
    begins = []
    for load in loads:
        wanted = _spread(load.by_second, per_second)
        second = 0
        while any(taken[second + each] + count > per_second for each, count in wanted.items()):
            second += 1
        for each, count in wanted.items():
            taken[second + each] += count
        begins.append(second * _SECOND_MS)
    return begins


def _spread(by_second: Mapping[int, int], per_second: int) -> dict[int, int]:
    """The same requests with what is too much for one second pushed into the next."""
    spread: dict[int, int] = {}
    left, second = 0, 0
    for at in sorted(by_second):
        while left and second < at:
            spread[second] = min(left, per_second)
            left -= spread[second]
            second += 1
        left, second = left + by_second[at], at
    while left:
        spread[second] = min(left, per_second)
        left -= spread[second]
        second += 1
    return spread


class RateLimiter:
    """Lets ``per_second`` requests through, in the order they come, and a second's worth of them at once."""

    def __init__(self, per_second: int) -> None:
        self._gap_s = 1 / per_second
        self._due_s = float("-inf")  # when the next one would be due if they came evenly

    async def acquire(self) -> None:
        """Wait for one's turn."""
        now_s = asyncio.get_running_loop().time()
        # Whoever was idle has saved up, but no more than a second.
        self._due_s = max(self._due_s, now_s - 1) + self._gap_s
        if self._due_s > now_s:
            await asyncio.sleep(self._due_s - now_s)
