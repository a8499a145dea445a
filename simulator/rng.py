"""Every random choice of the simulated world, decided by the run's seed.

Rule: a concern draws from a stream of its own, named by what it is about: a fault and the delivery that it
looks at, a region of an operation. So one feature never moves another's draws, and taking an operation or a
region out of a scenario leaves all other draws where they were, which is what shrinking needs.
"""

import math
import random
from statistics import NormalDist
from typing import Protocol

from fanin.simulator.language.scenario import Delay

_STANDARD_NORMAL = NormalDist()
_TINY = 2.0**-53  # stands in for a draw of exactly 0, whose quantile would be minus infinity


def stream(seed: int, *concern: str | int) -> random.Random:
    """The numbers that belong to one concern. A string seeds alike in every process (no ``hash``)."""
    return random.Random(f"{seed}:{':'.join(map(str, concern))}")


class Numbers(Protocol):
    """Where draws come from: `Draws`, or a ``random.Random``."""

    def random(self) -> float:
        """The next number, in [0, 1)."""


class Draws:
    """A stream that is only made when somebody draws; most deliveries need no randomness at all."""

    __slots__ = ("_concern", "_rng", "_seed")

    def __init__(self, seed: int, *concern: str | int) -> None:
        self._seed, self._concern = seed, concern
        self._rng: random.Random | None = None

    def random(self) -> float:
        """The next number, in [0, 1)."""
        if self._rng is None:
            self._rng = stream(self._seed, *self._concern)
        return self._rng.random()


def draw_ms(delay: Delay, numbers: Numbers) -> int:
    """How long ``delay`` takes this time; never negative.

    Args:
        delay: Fixed; an even spread with both ends in (a missing ``max`` is the ``min``); or log-normal.
        numbers: Where draws come from. A fixed delay draws none, the others draw exactly one.
    """
    if delay.fixed is not None:
        return delay.fixed
    if delay.median is not None:
        return round(
            delay.median * math.exp(delay.sigma * _STANDARD_NORMAL.inv_cdf(numbers.random() or _TINY))
        )
    low = delay.min or 0
    high = low if delay.max is None else delay.max
    return low + int(numbers.random() * (high - low + 1))
