"""Runs of the pack's scenarios, each played once in a process for all tests that only read it."""

from functools import cache

from fanin.harness.history import History
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find


@cache
def run_of(name: str) -> History:
    """The run of our own aggregator with the seed 0. It is shared, so no test may change it."""
    return play(load(find(name)))
