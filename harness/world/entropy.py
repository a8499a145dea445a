"""Random values that the operating system gives: in a simulated world they come from the seed.

`uuid.uuid4`, `secrets`, `random.SystemRandom` and generators without a seed ask `os.urandom`. The order of a
set of texts does not: Python draws it when it starts, from ``PYTHONHASHSEED``.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

from fanin.harness.world.replaced import replaced

_seed, _urandom = random.Random.seed, os.urandom


@contextmanager
def pinned(seed: int) -> Iterator[None]:
    """Inside, the seed decides what ``os.urandom`` returns; what `random` shares stays as it is."""
    source = random.Random(f"{seed}:os.urandom")

    def urandom(size: int, /) -> bytes:
        return source.randbytes(size)

    def seed_generator(self: random.Random, a: object = None, version: int = 2) -> None:
        _seed(self, source.getrandbits(256) if a is None else a, version)  # type: ignore[arg-type]

    with (
        replaced(os, urandom=urandom),
        replaced(random, _urandom=urandom),
        replaced(random.Random, seed=seed_generator),
    ):
        yield


@contextmanager
def real() -> Iterator[None]:
    """Within `pinned`: random values are the system's for a while, and no draw of the world's is used up."""
    state = random.getstate()
    with (
        replaced(os, urandom=_urandom),
        replaced(random, _urandom=_urandom),
        replaced(random.Random, seed=_seed),
    ):
        try:
            yield
        finally:
            random.setstate(state)
