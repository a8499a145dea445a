"""What random scenarios are drawn with: chances, durations, delays, all from one stream of numbers."""

import random
from collections.abc import Sequence

from fanin.simulator.language.scenario import Delay
from fanin.simulator.rng import seeded_random


class Dice:
    """One stream of draws. The same seed and concern are the same draws, in every process."""

    def __init__(self, seed: int, *concern: str | int) -> None:
        self.rng: random.Random = seeded_random(seed, *concern)

    def odds(self, chance: float) -> bool:
        """Whether something of this chance comes true."""
        return self.rng.random() < chance

    def one_of[T](self, choices: Sequence[T]) -> T:
        """One of them. What stands there twice comes twice as often."""
        return self.rng.choice(choices)

    def some_of[T](self, choices: Sequence[T], count: int) -> tuple[T, ...]:
        """So many of them, in any order."""
        return tuple(self.rng.sample(choices, count))

    def span(self, low: int, high: int) -> int:
        """So long a time in ms, from ``low`` to ``high`` with both in; any order of magnitude is as likely.

        Two thirds are what a person would write: one digit that counts.
        """
        if low >= high:
            return low
        if low == 0 and self.odds(0.05):
            return 0
        shortest = max(low, 1)
        drawn: int = round(shortest * (high / shortest) ** self.rng.random())
        if self.odds(2 / 3):
            drawn = round(drawn, 1 - len(str(drawn)))
        return min(max(drawn, low), high)

    def delay(self, most: int) -> Delay:
        """A delay of any kind, mostly shorter than ``most`` ms."""
        match self.rng.randrange(4):
            case 0:
                shortest, longest = sorted((self.span(0, most), self.span(1, most)))
                return Delay(min=shortest, max=longest)
            case 1:
                return Delay(median=self.span(1, max(1, most // 3)), sigma=self.one_of((0.2, 0.5, 1.0)))
            case _:
                return Delay(fixed=self.span(1, most))
