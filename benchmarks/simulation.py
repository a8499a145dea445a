"""How fast the simulated world is: ``python -m benchmarks.simulation``.

Everything in one process, history and oracle included; what is played is the pack, ``thousand-ops`` at other
sizes, random scenarios, and the pack against two ordinary applications of the tests: one makes an httpx
client for each notification, the other looks at its clock every second besides, and both try again after a
second.
Whole-process figures (``fanin --help``, ``thirty-days``) are the median of several runs.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.machine import describe
from fanin.harness.explore.runs import explore
from fanin.harness.explore.search import Search
from fanin.harness.history import AttemptSent
from fanin.harness.oracle.oracle import judge
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find, names

SIZES = (100, 1_000, 10_000)
RUNS = 5
ROUNDS, ROUND = 8, 40
SEARCHED = 600
APPS = ("create_app", "that_looks_every_second")
LACKS = ("function-keys", "action-filter", "image-correlation")  # which the contract leaves open
APP_DIR = Path(__file__).parents[1] / "tests/harness/world/foreign_apps"
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


def runs_per_second(name: str) -> float:
    """Runs of one scenario per second of processor time, the best of several rounds; no seed comes twice."""
    scenario, rounds = load(find(name)), []
    for first in range(0, ROUNDS * ROUND, ROUND):
        start = time.process_time()
        for seed in range(first, first + ROUND):
            judge(play(scenario, seed=seed))
        rounds.append(time.process_time() - start)
    return ROUND / min(rounds)


def searched_per_second() -> float:
    """Random runs per second of processor time; nothing is shrunk."""
    search = Search()
    list(explore(search, range(SEARCHED, SEARCHED + 10), jobs=1))
    start = time.process_time()
    runs = list(explore(search, range(SEARCHED), jobs=1))
    return len(runs) / (time.process_time() - start)


def verify_seconds(app: str) -> tuple[float, str]:
    """Processor time of ``fanin verify --app`` with the whole pack, and its sum."""
    before = os.times()
    lacks = [f"--lacks={name}" for name in LACKS]
    command = [str(FANIN), "verify", "--app", f"right:{app}", "--app-dir", str(APP_DIR), *lacks]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 0, done.stdout  # it is right
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, next(line for line in done.stdout.splitlines() if " scenarios judged: " in line)


def pack_seconds() -> float:
    """Processor time of the whole pack, played and judged once."""
    scenarios = [load(find(name)) for name in names()]
    start = time.process_time()
    for scenario in scenarios:
        judge(play(scenario))
    return time.process_time() - start


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
    for name in ("slow-region", "thirty-days"):
        print(f"{name}: {runs_per_second(name):.0f} runs per second of processor time")
    print(f"the pack: {pack_seconds():.1f} s of processor time")
    print(f"random search: {searched_per_second():.0f} runs per second of processor time")
    for app in APPS:
        seconds, total = verify_seconds(app)
        print(f"fanin verify --app right:{app}: {seconds:.0f} s of processor time; {total}")
    print(f"whole processes, median of {RUNS}:")
    for command in (["--help"], ["run", "thirty-days"], ["run", "--all"]):
        print(f"  fanin {' '.join(command):<18} {wall_seconds(*command):6.2f} s")


if __name__ == "__main__":
    main()
