"""Measurements that are the same on every engine: with a plain program, waiting, many processes."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import aiohttp

from benchmarks import load
from benchmarks.peers.__main__ import Round, measure
from benchmarks.peers.contenders import Contender
from benchmarks.processes import Running

WAITING = 10_000
PROCESSES = (1, 2, 4)
# How many webhooks are on their way at once while operations are made to wait.
AT_ONCE = 64
# Work lags behind the webhooks; operations whose work is not done do not wait yet.
SETTLE_S = 10


class Fleet(NamedTuple):
    """Some of our processes on one backend, and the backend's process."""

    services: list[Running]
    backend: int


type Start = Callable[[int, Path], AbstractContextManager[Fleet]]  # so many, with a folder for the backend


def compare(plain: Contender, ours: Contender, rounds: int, seconds: float) -> None:
    """Measure both in turns, and print the medians of the rounds' ratios."""
    pairs: list[tuple[Round, Round]] = []
    for number in range(rounds):
        pair = measure(plain, seconds), measure(ours, seconds)
        pairs.append(pair)
        for name, each in zip(("plain", "fanin"), pair, strict=True):
            print(
                f"  round {number + 1}: {name} {each.load.rate:>6,.0f} acknowledged/s, "
                f"p50 {each.load.p50_ms:.0f} ms, p99 {each.load.p99_ms:.0f} ms; "
                f"{each.meanwhile:>4,.0f} completed/s meanwhile, {each.completed_rate:>4,.0f} in all"
                + f", {each.left} left"
                * bool(each.left)
            )
        sys.stdout.flush()
    print(
        f"  fanin acknowledges {_times(pairs, lambda it: it.load.rate)}, "
        f"completes {_times(pairs, lambda it: it.meanwhile)} meanwhile "
        f"and {_times(pairs, lambda it: it.completed_rate)} in all"
    )


def _times(pairs: list[tuple[Round, Round]], figure: Callable[[Round], float]) -> str:
    ratio = median(figure(ours) / max(figure(plain), 0.01) for plain, ours in pairs)
    return f"{ratio:.2f} times as many"


def alone(start: Start, folder: Path, seconds: float) -> None:
    """What operations that wait cost us, and what 1, 2 and 4 processes acknowledge on all cores."""
    waiting(start, folder / "waiting")
    print(f"  on all {os.cpu_count()} cores, load and sink among them:")
    for number in PROCESSES:
        scaling(start, folder / str(number), number, seconds)


def resident(pid: int) -> tuple[float, int]:
    """A process's resident memory in MiB, and the number of its threads."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"])


async def make_wait(port: int, first: int, count: int) -> None:
    """One region's webhook for each of so many operations."""
    numbers = iter(range(first, first + count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send() -> None:
            for number in numbers:
                target = {"repository": "team/app", "tag": "1"}
                body = {"id": f"waiting-{number}", "action": "push", "target": target}
                url = f"http://127.0.0.1:{port}/webhooks/eastus"
                async with session.post(url, json=body) as answer:
                    assert answer.ok, await answer.text()

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))


def waiting(start: Start, folder: Path) -> None:
    """What operations that wait cost our process, and the backend."""
    with start(1, folder) as fleet:
        (service,) = fleet.services
        asyncio.run(make_wait(service.port, 0, 1_000))
        time.sleep(SETTLE_S)
        before, theirs = resident(service.pid), resident(fleet.backend)
        asyncio.run(make_wait(service.port, 1_000, WAITING))
        time.sleep(SETTLE_S)
        after, theirs_after = resident(service.pid), resident(fleet.backend)
    print(
        f"  {WAITING:,} waiting operations: our process {before[0]:.0f} -> {after[0]:.0f} MiB, "
        f"{before[1]} -> {after[1]} threads; the backend {theirs[0]:.0f} -> {theirs_after[0]:.0f} MiB"
    )


def scaling(start: Start, folder: Path, number: int, seconds: float) -> None:
    """What so many processes acknowledge together, with as many connections as one alone."""
    with start(number, folder) as fleet, ThreadPoolExecutor() as pool:

        def one(service: Running, salt: str) -> float:
            connections = load.CONNECTIONS // number
            return load.run(service.port, seconds, f"{salt}{service.port}", connections).rate

        list(pool.map(one, fleet.services, ["warm"] * number))
        rates = list(pool.map(one, fleet.services, ["round"] * number))
    print(f"  {number} process{'es' * (number > 1)}: {sum(rates):,.0f} acknowledged/s")
