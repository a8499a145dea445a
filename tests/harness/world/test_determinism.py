"""The seed is proved, not promised."""

import os
import subprocess
import sys

import pytest

from fanin.harness.history import End
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find

PROGRAM = """
import sys
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
history = play(load(find(sys.argv[1])), seed=int(sys.argv[2]))
print(history.trace_hash(), history.entries[-1].trace)
"""


def in_another_process(name: str, seed: int, *, hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", PROGRAM, name, str(seed)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.split()


@pytest.mark.parametrize("name", ["slow-region", "storm"])
def test_same_seed_same_history_in_another_process_with_other_hashes(name: str) -> None:
    """Every record and every scheduling choice, whatever the order of sets is there."""
    first = in_another_process(name, 7, hash_seed="1")
    second = in_another_process(name, 7, hash_seed="2")

    assert first == second
    assert len(first) == 2


def test_another_seed_is_another_schedule() -> None:
    """What the seed decides must really depend on it."""
    scenario = load(find("stampede-start"))
    traces = set()
    for seed in range(3):
        end = play(scenario, seed=seed).entries[-1]
        assert isinstance(end, End)
        traces.add(end.trace)

    assert len(traces) == 3
