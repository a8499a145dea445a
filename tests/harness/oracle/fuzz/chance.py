"""The source of chance of a drawn run: draws by the million, quicker than the standard library makes them."""

import random
from collections.abc import Sequence
from typing import override


class Chance(random.Random):
    """Draws from one random number each.

    The standard library draws bits until they are in range, so that no number is likelier than another by
    even 2⁻⁵³. That matters to no history, and takes most of the time that drawing one takes.
    """

    @override
    def choice[T](self, seq: Sequence[T]) -> T:  # type: ignore[override]
        return seq[int(self.random() * len(seq))]

    @override
    def randint(self, a: int, b: int) -> int:
        return a + int(self.random() * (b - a + 1))
