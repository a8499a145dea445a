"""Random choices, durations and delays, all from one stream of numbers."""

import random
from collections.abc import Sequence

from fanin.simulator.rng import seeded_random
from fanin.simulator.shapes import Delay


class Draw:
    """One stream of random values; the same seed and concern give the same values in every process."""

    def __init__(self, seed: int, *concern: str | int) -> None:
        self._rng: random.Random = seeded_random(seed, *concern)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._rng.random() < probability

    def choice[T](self, choices: Sequence[T]) -> T:
        """One of the choices. One that is listed twice is twice as likely."""
        return self._rng.choice(choices)

    def sample[T](self, choices: Sequence[T], count: int) -> tuple[T, ...]:
        """``count`` of the choices, in random order."""
        return tuple(self._rng.sample(choices, count))

    def duration(self, low: int, high: int) -> int:
        """A time in ms from ``low`` to ``high``, both included; every order of magnitude is as likely.

        Two thirds of them have one significant digit, as people write them.
        """
        if low >= high:
            return low
        if low == 0 and self.chance(0.05):
            return 0
        shortest = max(low, 1)
        drawn: int = round(shortest * (high / shortest) ** self._rng.random())
        if self.chance(2 / 3):
            drawn = round(drawn, 1 - len(str(drawn)))
        return min(max(drawn, low), high)

    def delay(self, most: int) -> Delay:
        """A delay of any kind, most of them shorter than ``most`` ms."""
        match self._rng.randrange(4):
            case 0:
                shortest, longest = sorted((self.duration(0, most), self.duration(1, most)))
                return Delay(min=shortest, max=longest)
            case 1:
                return Delay(median=self.duration(1, max(1, most // 3)), sigma=self.choice((0.2, 0.5, 1.0)))
            case _:
                return Delay(fixed=self.duration(1, most))
