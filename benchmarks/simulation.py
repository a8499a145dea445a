"""How fast the simulated world is: ``python -m benchmarks.simulation``.

Everything in one process, history and oracle included; what is played is the pack and ``thousand-ops`` at
other sizes. Whole-process figures (``fanin --help``, ``thirty-days``) are the median of several runs.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.machine import describe
from fanin.harness.history import AttemptSent
from fanin.harness.oracle.oracle import judge
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find

SIZES = (100, 1_000, 10_000)
RUNS = 5
FANIN = Path(sys.executable).parent / "fanin"


def sized(operations: int) -> Scenario:
    """``thousand-ops`` with another number of operations, at the same rate."""
    scenario = load(find("thousand-ops"))
    many = msgspec.structs.replace(scenario.operations[0], repeat=operations)
    return msgspec.structs.replace(scenario, operations=(many,))


def deliveries_per_second(operations: int) -> tuple[int, float, float, float]:
    """Deliveries, seconds to play, seconds to judge, deliveries per second of both."""
    scenario = sized(operations)
    start = time.perf_counter()
    history = play(scenario)
    played = time.perf_counter()
    verdict = judge(history)
    judged = time.perf_counter()
    assert verdict.validity == "valid", verdict.findings
    sent = sum(isinstance(entry, AttemptSent) for entry in history.entries)
    return sent, played - start, judged - played, sent / (judged - start)


def wall_seconds(*command: str) -> float:
    """Median wall time of a whole process, after one run that does not count."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run(
            [str(FANIN), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    print(f"simulation: {describe()}")
    deliveries_per_second(10)  # imports and first compilations are not measured
    heads = ("operations", "deliveries", "play s", "judge s", "deliveries/s", "ms/operation")
    print("".join(f"{head:>14}" for head in heads))
    for operations in SIZES:
        sent, played, judged, rate = deliveries_per_second(operations)
        each = (played + judged) * 1000 / operations
        print(f"{operations:>14,}{sent:>14,}{played:>14.2f}{judged:>14.2f}{rate:>14,.0f}{each:>14.2f}")
    print(f"whole processes, median of {RUNS}:")
    for command in (["--help"], ["run", "thirty-days"], ["run", "--all"]):
        print(f"  fanin {' '.join(command):<18} {wall_seconds(*command):6.2f} s")


if __name__ == "__main__":
    main()
