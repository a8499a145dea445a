"""The engine on Durable Task beside a plain program: ``python -m benchmarks.durable_task [--rounds N]``.

First the same fan-in twice, everything of each on one core, load and sink on another, in turns:
`benchmarks.peers.durable_task`, an orchestration as one writes it, and `fanin serve`. Both work with the same
backend, `aggregator.engines.durable_task.emulator`, whose timers are no threads: with the SDK's own, either
would mostly measure the starting of threads. Then what 10,000 waiting operations cost our process, and
what 1, 2 and 4 processes acknowledge together on one backend, all of it on all cores.
"""

import argparse
import asyncio
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks import load
from benchmarks.machine import describe
from benchmarks.peers.__main__ import Round, measure
from benchmarks.peers.contenders import PACKAGES, REGIONS, Contender
from benchmarks.processes import LOAD_CORE, Running, module

WAITING = 10_000
PROCESSES = (1, 2, 4)
# How many webhooks are on their way at once while operations are made to wait.
AT_ONCE = 64
# The worker lags behind the webhooks; what it has still to replay is no operation that waits.
SETTLE_S = 10
ENGINE = "durable-task"
PLAIN = Contender("plain", "a plain program", ("benchmarks.durable_task", "plain"), durable=False)
OURS = Contender("fanin", "fanin on Durable Task", ("benchmarks.durable_task", "fanin"), durable=False)


def _emulate(port: int) -> None:
    """The backend of the plain program."""
    from aggregator.engines.durable_task.emulator import Emulator

    Emulator(port).start()
    threading.Event().wait()


def serve_plain() -> None:
    """The plain program on the same backend as ours."""
    from benchmarks.peers import durable_task as plain
    from benchmarks.peers.front import serve

    plain.backend = _emulate
    serve(plain.APP)


def serve_ours() -> None:
    """Our service, with its backend begun as the plain program begins its own."""
    import grpc

    from aggregator.__main__ import serve

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=_emulate, args=(port,), daemon=True)
    process.start()
    address = f"127.0.0.1:{port}"
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=20)
    os.environ["FANIN_DURABLE_TASK_ADDRESS"] = address
    try:
        serve.main(["--engine", ENGINE])
    finally:
        process.kill()


def compare(rounds: int, seconds: float) -> None:
    """Both in turns, and the medians of what each round says of the two."""
    pairs: list[tuple[Round, Round]] = []
    for number in range(rounds):
        pair = measure(PLAIN, seconds), measure(OURS, seconds)
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
def fleet(number: int, folder: Path) -> Iterator[tuple[list[Running], int]]:
    """So many processes of ours on one backend, on whichever core is free; and the backend's process."""
    from aggregator.engines.durable_task.emulator import start_backend

    backend = start_backend(folder)
    try:
        with ExitStack() as stack:
            sink = stack.enter_context(module(LOAD_CORE, "benchmarks.sink"))
            settings = {
                "FANIN_ENGINE": ENGINE, "FANIN_PORT": "0", "FANIN_REGIONS": REGIONS, "FANIN_TIMEOUT": "1h",
                "FANIN_NOTIFY_URL": f"http://127.0.0.1:{sink.port}/hook", **backend.options,
            }  # fmt: skip
            services = [
                stack.enter_context(module(None, "aggregator", settings=settings)) for _ in range(number)
            ]
            yield services, backend.pid
    finally:
        backend.stop()


def resident(pid: int) -> tuple[float, int]:
    """What a process holds in memory, in MiB, and its threads, where the system says so."""
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


def waiting(folder: Path) -> None:
    """What operations that wait cost our process, and the backend."""
    with fleet(1, folder) as ((service,), backend):
        asyncio.run(make_wait(service.port, 0, 1_000))
        time.sleep(SETTLE_S)
        before, theirs = resident(service.pid), resident(backend)
        asyncio.run(make_wait(service.port, 1_000, WAITING))
        time.sleep(SETTLE_S)
        after, theirs_after = resident(service.pid), resident(backend)
    print(
        f"  {WAITING:,} waiting operations: our process {before[0]:.0f} -> {after[0]:.0f} MiB, "
        f"{before[1]} -> {after[1]} threads; the backend, which keeps all in memory, "
        f"{theirs[0]:.0f} -> {theirs_after[0]:.0f} MiB"
    )


def scaling(folder: Path, number: int, seconds: float) -> None:
    """What so many processes acknowledge together, with as many connections as one alone."""
    with fleet(number, folder) as (services, _), ThreadPoolExecutor() as pool:

        def one(service: Running, salt: str) -> float:
            connections = load.CONNECTIONS // number
            return load.run(service.port, seconds, f"{salt}{service.port}", connections).rate

        list(pool.map(one, services, ["warm"] * number))
        rates = list(pool.map(one, services, ["round"] * number))
    print(f"  {number} process{'es' * (number > 1)}: {sum(rates):,.0f} acknowledged/s")


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    # `make bench` runs every benchmark with one command line.
    options, _ = parser.parse_known_args()
    print("durable task: fanin on Durable Task, and a plain orchestration on it; nothing is durable here")
    if find_spec("durabletask") is None:
        print(f"  skipped, the SDK is not here; `{PACKAGES}` enables it")
        return
    print(f"  {describe()}; durabletask {version('durabletask')}, grpcio {version('grpcio')}")
    print(f"  {load.TOOL}, {load.CONNECTIONS} connections, three regions per id, {options.seconds:g} s each")
    compare(options.rounds, options.seconds)
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        waiting(folder / "waiting")
        print(f"  on all {os.cpu_count()} cores, load and sink among them:")
        for number in PROCESSES:
            scaling(folder / str(number), number, options.seconds)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["plain"]:
            serve_plain()
        case ["fanin"]:
            serve_ours()
        case _:
            main()
