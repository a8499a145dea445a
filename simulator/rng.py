"""Every random choice of the simulated world, decided by the run's seed.

Rule: each purpose draws from a generator of its own, named by what it is about: a fault and the delivery
that it looks at, a region of an operation. So one feature never moves another's draws, and taking an
operation or a region out of a scenario leaves all other draws where they were, which is what shrinking needs.
"""

import math
import random
from statistics import NormalDist
from typing import Protocol

from fanin.simulator.shapes import Delay

_STANDARD_NORMAL = NormalDist()
_TINY = 2.0**-53  # stands in for a draw of exactly 0, whose quantile would be minus infinity


def seeded_random(seed: int, *purpose: str | int) -> random.Random:
    """The generator of one purpose; the same in every process, because a string seeds alike everywhere."""
    return random.Random(f"{seed}:{':'.join(map(str, purpose))}")


class RandomSource(Protocol):
    """A source of random numbers: `LazyRandom`, or a ``random.Random``."""

    def random(self) -> float:
        """The next number, in [0, 1)."""


class LazyRandom:
    """A generator that is made at the first draw; most deliveries need no randomness at all."""

    __slots__ = ("_purpose", "_rng", "_seed")

    def __init__(self, seed: int, *purpose: str | int) -> None:
        self._seed, self._purpose = seed, purpose
        self._rng: random.Random | None = None

    def random(self) -> float:
        """The next number, in [0, 1)."""
        if self._rng is None:
            self._rng = seeded_random(self._seed, *self._purpose)
        return self._rng.random()


def sample_ms(delay: Delay, source: RandomSource) -> int:
    """Draw how long ``delay`` takes, in ms; never negative.

    Args:
        delay: Fixed; an even spread with both ends in (a missing ``max`` is the ``min``); or log-normal.
        source: A fixed delay draws no number from it, the others exactly one.
    """
    if delay.fixed is not None:
        return delay.fixed
    if delay.median is not None:
        return round(
            delay.median * math.exp(delay.sigma * _STANDARD_NORMAL.inv_cdf(source.random() or _TINY))
        )
    low = delay.min or 0
    high = low if delay.max is None else delay.max
    return low + int(source.random() * (high - low + 1))
