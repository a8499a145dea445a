"""What the system draws is drawn from the seed, inside."""

import os
import random
import secrets
import uuid

from fanin.harness.world import entropy


def draws(seed: int) -> list[object]:
    with entropy.pinned(seed):
        return [
            os.urandom(4),
            uuid.uuid4(),
            secrets.token_hex(8),
            random.SystemRandom().random(),
            random.Random().random(),
            random.Random(7).random(),
        ]


def test_the_seed_decides_what_the_system_draws() -> None:
    """And a generator with a seed of its own keeps it."""
    first, again, other = draws(1), draws(1), draws(2)

    assert first == again
    assert [a == b for a, b in zip(first, other, strict=True)] == [False] * 5 + [True]
    assert other[5] == random.Random(7).random()


def test_outside_it_is_drawn_as_ever() -> None:
    """Two values of the same seed would be equal."""
    draws(1)

    assert uuid.uuid4() != uuid.uuid4()
    assert os.urandom.__module__ == "posix"
