"""Limits the requests per second to a deployment.

Two parts: scenarios are started so that what they plan to send stays within the limit (`start_times`); and
every request waits for a `RateLimiter`, because retries are not planned.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanin.simulator.delivery import Profile
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Scenario

_SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class Load:
    """The requests that one scenario sends, without retries."""

    by_second: Mapping[int, int]  # by second from its start, where there are any
    duration_ms: int  # until its last event

    def duration_ms_at(self, per_second: int) -> int:
        """Until its last event, where no second has more than ``per_second`` requests."""
        later_s = max(_spread(self.by_second, per_second), default=0) - max(self.by_second, default=0)
        return self.duration_ms + later_s * _SECOND_MS


def estimate_load(scenario: Scenario, *, seed: int, profile: Profile) -> Load:
    """The load of a scenario. Retries count for its duration only."""
    by_second: Counter[int] = Counter()
    duration_ms = 0
    for occurrence in FakeRegistry(scenario, seed=seed, epoch_ms=0).occurrences():
        for it in occurrence.deliveries:
            by_second[it.due_ms // _SECOND_MS] += 1
            lost = min(it.lose_requests + it.lose_responses, (profile.attempts or 10) - 1)
            gaps = sum(profile.gaps_ms[min(nth, len(profile.gaps_ms) - 1)] for nth in range(lost))
            unanswered_ms = min(it.lose_requests, lost) * profile.timeout_ms
            duration_ms = max(duration_ms, it.due_ms + gaps + unanswered_ms)
        duration_ms = max(duration_ms, occurrence.at_ms, *(loss.due_ms for loss in occurrence.unsent), 0)
    duration_ms = max(duration_ms, *(fault.ends_ms for fault in scenario.faults), 0)
    return Load(by_second, duration_ms)


def start_times(loads: Sequence[Load], per_second: int) -> list[int]:
    """When each scenario may start, in ms, so that no second has more than ``per_second`` requests.

    A scenario that has more by itself takes as many seconds as its requests need.
    """
    taken: Counter[int] = Counter()
    starts = []
    for load in loads:
        wanted = _spread(load.by_second, per_second)
        second = 0
        while any(taken[second + each] + count > per_second for each, count in wanted.items()):
            second += 1
        for each, count in wanted.items():
            taken[second + each] += count
        starts.append(second * _SECOND_MS)
    return starts


def _spread(by_second: Mapping[int, int], per_second: int) -> dict[int, int]:
    """The same requests, with those that are too many for a second moved into the next."""
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
    """Lets ``per_second`` requests through in any second, in their order."""

    def __init__(self, per_second: int) -> None:
        self._passed_s = deque([float("-inf")] * per_second, maxlen=per_second)  # the latest, by the loop
        self._turn = asyncio.Lock()  # first come, first served

    async def acquire(self) -> None:
        """Wait until a request may be sent."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            wait_s = self._passed_s[0] + _SECOND_MS / 1000 - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self._passed_s.append(loop.time())
