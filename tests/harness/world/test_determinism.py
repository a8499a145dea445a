"""The seed is proved, not promised."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from fanin.harness.history import End
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS

PROGRAM = """
import sys
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
history = play(load(find(sys.argv[1])), seed=int(sys.argv[2]))
print(history.trace_hash(), history.entries[-1].trace)
"""


WITH_THREADS = """
import pathlib, sys
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import play_foreign_app
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
for factory in sys.argv[4:]:
    build = find_app(factory, pathlib.Path(sys.argv[3]))
    history = play_foreign_app(load(find(sys.argv[1])), build, seed=int(sys.argv[2]), name="it")
    print(history.trace_hash(), history.entries[-1].trace)
"""
THREADED = ("databases:with_aiosqlite", "own_threads:with_background_thread", "right:with_locked_threads")


def in_another_process(
    name: str, seed: int, *arguments: str, hash_seed: str, program: str = PROGRAM
) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program, name, str(seed), *arguments],
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


def test_same_seed_same_history_of_applications_with_threads() -> None:
    """Whichever thread the machine would have run first."""
    databases = all(map(find_spec, ("aiosqlite", "sqlalchemy")))
    factories = [it for it in THREADED if databases or not it.startswith("databases:")]
    first, second = (
        in_another_process(
            "crash-after-ack", 7, str(FOREIGN_APPS), *factories, hash_seed=hash_seed, program=WITH_THREADS
        )
        for hash_seed in ("1", "2")
    )

    assert first == second
    assert len(first) == 2 * len(factories)


def test_another_seed_is_another_schedule() -> None:
    """What the seed decides must really depend on it."""
    scenario = load(find("stampede-start"))
    traces = set()
    for seed in range(3):
        end = play(scenario, seed=seed).entries[-1]
        assert isinstance(end, End)
        traces.add(end.trace)

    assert len(traces) == 3
