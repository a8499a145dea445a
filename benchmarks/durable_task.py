"""The engine on Durable Task and a plain program on it: ``python -m benchmarks.durable_task [--rounds N]``.

First the same fan-in twice, everything of each on one core, load and sink on another, in turns:
`benchmarks.peers.durable_task`, an orchestration as one writes it, and `fanin serve`. Both work with the same
backend, `engines.durable_task.dev_backend`, whose timers are no threads: with the SDK's own, either
would mostly measure the starting of threads. Then what 10,000 waiting operations cost our process, and
what 1, 2 and 4 processes acknowledge together on one backend, all of it on all cores.
"""

import argparse
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from benchmarks import load
from benchmarks.comparison import Fleet, alone, compare
from benchmarks.machine import describe
from benchmarks.peers.contenders import PACKAGES, REGIONS, Contender
from benchmarks.processes import LOAD_CORE, module

ENGINE = "durable-task"
PLAIN = Contender("plain", "a plain program", ("benchmarks.durable_task", "plain"), durable=False)
OURS = Contender("fanin", "fanin on Durable Task", ("benchmarks.durable_task", "fanin"), durable=False)


def _emulate(port: int) -> None:
    """The backend of the plain program."""
    from fanin.aggregator.engines.durable_task.dev_backend import DevBackend

    DevBackend(port).start()
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

    from fanin.aggregator.cli.serve import serve

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


@contextmanager
def fleet(number: int, folder: Path) -> Iterator[Fleet]:
    """So many processes of ours on one backend, on whichever core is free."""
    from fanin.aggregator.engines.durable_task.dev_backend import start_backend

    backend = start_backend(folder)
    try:
        with ExitStack() as stack:
            sink = stack.enter_context(module(LOAD_CORE, "benchmarks.sink"))
            settings = {
                "FANIN_ENGINE": ENGINE, "FANIN_PORT": "0", "FANIN_REGIONS": REGIONS, "FANIN_TIMEOUT": "1h",
                "FANIN_NOTIFY_URL": f"http://127.0.0.1:{sink.port}/hook", **backend.options,
            }  # fmt: skip
            services = [
                stack.enter_context(module(None, "fanin.aggregator", settings=settings))
                for _ in range(number)
            ]
            yield Fleet(services, backend.pid)
    finally:
        backend.stop()


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
    compare(PLAIN, OURS, options.rounds, options.seconds)
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".", ignore_cleanup_errors=True) as name:
        alone(fleet, Path(name).resolve(), options.seconds)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["plain"]:
            serve_plain()
        case ["fanin"]:
            serve_ours()
        case _:
            main()
