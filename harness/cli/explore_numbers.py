"""Which runs of an exploration are played, and how that is said.

Rules of this file: ``fanin --help`` imports it, so it imports nothing that takes time.
"""

import math
from itertools import count
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fanin.harness.explore.runs import Exploration

# So many runs stand for a search without an end.
ENDLESS = 10**12
_WRITTEN_BELOW = 10**15


def orders_text(sizes: list[int], played: int, possible: int) -> str:
    """How many simultaneous webhooks there are, and how many of their orders are played."""
    if not sizes:
        return "nothing is simultaneous; --within says how close webhooks must be to count as that"
    groups = "1 group" if len(sizes) == 1 else f"{len(sizes)} groups"
    many = "all" if played == possible else f"a sample of {played} of"
    return f"{sum(sizes)} simultaneous webhooks in {groups}: {many} {_counted(possible)} orders"


def _counted(number: int) -> str:
    """A number, or how large it is: Python writes none with more than 4,300 digits."""
    return f"{number:,}" if number < _WRITTEN_BELOW else f"some 10^{int(math.log10(number))}"


def range_text(numbers: range) -> str:
    """Which runs are played, by their numbers."""
    if len(numbers) == ENDLESS:
        return f"from {numbers.start} on"
    if len(numbers) == 1:
        return f"number {numbers.start}"
    return f"numbers {numbers.start} to {numbers[-1]}"


def why_empty(exploration: "Exploration", numbers: range, shard: tuple[int, int]) -> str | None:
    """Why a share has no runs; None if it has some."""
    from fanin.harness.explore.runs import share

    if share(exploration, numbers, shard):
        return None
    part, parts = shard
    first = exploration.block_of(numbers.start)
    starts = [
        next(n for n in count(numbers.start) if exploration.block_of(n) == first + ahead) for ahead in (1, 2)
    ]
    size = starts[1] - starts[0]
    enough = starts[0] + (parts - 2) * size + 1 - numbers.start
    return (
        f"share {part} of {parts} has no runs: they are dealt in blocks of {size};"
        f" with {enough} or more, each of {parts} shares has some"
    )


def refuse_share_of_one(only: int | None, shard: tuple[int, int]) -> None:
    """Refuse ``--shard`` beside ``--only``."""
    if only is not None and shard != (1, 1):
        raise click.UsageError("--only plays a single run, which has no shares; leave --shard out")


def chosen(only: int | None, total: int, what: str) -> range:
    """The numbers of all runs, or the one that ``--only`` names."""
    if total == 0:
        raise click.UsageError(f"there is nothing to play: no {what}")
    if only is None:
        return range(total)
    if only >= total:
        raise click.BadParameter(f"there are {total} {what}, counted from 0", param_hint="--only")
    return range(only, only + 1)
