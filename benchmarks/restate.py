"""The engine on Restate, beside a plain program on it: ``python -m benchmarks.restate [--rounds N]``.

First the same fan-in twice, each with a server of its own on its core, load and sink on another, in turns:
`benchmarks.peers.restate_object`, a virtual object written the way one writes it, and `fanin serve` on
Restate. Then what 10,000 waiting operations cost our process, and what 1, 2 and 4 processes acknowledge
together on one server, all of it on all cores.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import aiohttp

from aggregator.engines.restate.server import Server, free_ports, program
from benchmarks import load
from benchmarks.machine import describe, flush_ms
from benchmarks.peers.__main__ import Round, measure
from benchmarks.peers.contenders import CONTENDERS, REGIONS, Contender
from benchmarks.processes import LOAD_CORE, Running, module

WAITING = 10_000
PROCESSES = (1, 2, 4)
# How many webhooks are on their way at once while operations are made to wait.
AT_ONCE = 64
AGGREGATOR = (sys.executable, "-m", "aggregator", "--engine", "restate")
OURS = Contender(
    "fanin-restate", "fanin on Restate", ("aggregator.engines.restate.trial", "run", *AGGREGATOR),
    durable=True, package="restate-sdk", program="restate-server",
)  # fmt: skip


def compare(plain: Contender, rounds: int, seconds: float) -> None:
    """Both in turns, and the medians of what each round says of the two."""
    pairs: list[tuple[Round, Round]] = []
    for number in range(rounds):
        pair = measure(plain, seconds), measure(OURS, seconds)
        pairs.append(pair)
        for name, each in zip(("plain", "fanin"), pair, strict=True):
            print(
                f"  round {number + 1}: {name} {each.load.rate:>6,.0f} acknowledged/s, "
                f"p50 {each.load.p50_ms:.0f} ms, p99 {each.load.p99_ms:.0f} ms; "
                f"{each.completed_rate:>5,.0f} completed/s" + f", {each.left} left" * bool(each.left)
            )
        sys.stdout.flush()
    acknowledged = median(ours.load.rate / plain.load.rate for plain, ours in pairs)
    completed = median(ours.completed_rate / plain.completed_rate for plain, ours in pairs)
    print(f"  fanin acknowledges {acknowledged:.2f} times and completes {completed:.2f} times as many")


@contextmanager
def fleet(number: int, server: Server) -> Iterator[list[Running]]:
    """So many processes of ours on one server, on whichever core is free."""
    (port,) = free_ports(1)
    with ExitStack() as stack:
        sink = stack.enter_context(module(LOAD_CORE, "benchmarks.sink"))
        settings: Mapping[str, str] = {
            "FANIN_ENGINE": "restate", "FANIN_PORT": "0", "FANIN_REGIONS": REGIONS, "FANIN_TIMEOUT": "1h",
            "FANIN_NOTIFY_URL": f"http://127.0.0.1:{sink.port}/hook",
            "FANIN_RESTATE_URL": server.url, "FANIN_RESTATE_ADMIN_URL": server.admin_url,
            "FANIN_RESTATE_LISTEN": f"127.0.0.1:{port}",
        }  # fmt: skip
        yield [stack.enter_context(module(None, "aggregator", settings=settings)) for _ in range(number)]


def resident_mib(pid: int) -> float:
    """What a process holds in memory, where the system says so."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def make_wait(port: int, first: int, count: int) -> None:
    """One region's webhook for each of so many operations."""
    numbers = iter(range(first, first + count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send() -> None:
            for number in numbers:
                body = {
                    "id": f"waiting-{number}",
                    "action": "push",
                    "target": {"repository": "team/app", "tag": "1"},
                }
                url = f"http://127.0.0.1:{port}/webhooks/eastus"
                async with session.post(url, json=body) as answer:
                    assert answer.ok, await answer.text()

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))


def waiting(folder: Path) -> None:
    """What operations that wait cost our process, and the server."""
    server = Server(folder)
    server.start()
    try:
        with fleet(1, server) as (service,):
            asyncio.run(make_wait(service.port, 0, 1_000))
            before, theirs = resident_mib(service.pid), resident_mib(server.pid)
            asyncio.run(make_wait(service.port, 1_000, WAITING))
            print(
                f"  {WAITING:,} waiting operations: "
                f"our process {before:.0f} -> {resident_mib(service.pid):.0f} MiB, "
                f"the server {theirs:.0f} -> {resident_mib(server.pid):.0f} MiB"
            )
    finally:
        server.stop()


def scaling(folder: Path, number: int, seconds: float) -> None:
    """What so many processes acknowledge together, with as many connections as one alone."""
    server = Server(folder)
    server.start()
    try:
        with fleet(number, server) as services, ThreadPoolExecutor() as pool:

            def one(service: Running, salt: str) -> float:
                connections = load.CONNECTIONS // number
                return load.run(service.port, seconds, f"{salt}{service.port}", connections).rate

            list(pool.map(one, services, ["warm"] * number))
            rates = list(pool.map(one, services, ["round"] * number))
        print(f"  {number} process{'es' * (number > 1)}: {sum(rates):,.0f} acknowledged/s")
    finally:
        server.stop()


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    # `make bench` runs every benchmark with one command line.
    options, _ = parser.parse_known_args()
    found = program()
    print("restate: fanin on Restate, and a plain virtual object on it")
    if found is None:
        print("  skipped, there is no server here; `make restate do=install` gets it")
        return
    os.environ["PATH"] = f"{Path(found).parent}{os.pathsep}{os.environ['PATH']}"
    plain = next(each for each in CONTENDERS if each.program == OURS.program)
    print(f"  {describe()}; {OURS.versions()}")
    print(f"  {load.TOOL}, {load.CONNECTIONS} connections, three regions per id, {options.seconds:g} s each")
    print(
        f"  one flush of 4 KiB takes {flush_ms(Path()):.2f} ms (a virtual disk may not wait for stable media)"
    )
    compare(plain, options.rounds, options.seconds)
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        waiting(folder / "waiting")
        print(f"  on all {os.cpu_count()} cores, load and sink among them:")
        for number in PROCESSES:
            scaling(folder / str(number), number, options.seconds)


if __name__ == "__main__":
    main()
