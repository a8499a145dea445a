"""The engine on Restate, compared with a plain program on it: ``python -m benchmarks.restate [--rounds N]``.

First the same fan-in twice, each with a server of its own on its core, load and sink on another, in turns:
`benchmarks.peers.restate_object`, a virtual object written the way one writes it, and `fanin serve` on
Restate. Then what 10,000 waiting operations cost our process, and what 1, 2 and 4 processes acknowledge
together on one server, all of it on all cores.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import load
from benchmarks.comparison import Fleet, alone, compare
from benchmarks.machine import describe, flush_ms
from benchmarks.peers.contenders import CONTENDERS, REGIONS, Contender
from benchmarks.processes import LOAD_CORE, module
from fanin.aggregator.engines.restate.dev_backend import RestateServer, free_ports, program

AGGREGATOR = (sys.executable, "-m", "fanin.aggregator", "--engine", "restate")
OURS = Contender(
    "fanin-restate", "fanin on Restate", ("benchmarks.restate_trial", "run", *AGGREGATOR),
    durable=True, package="restate-sdk", program="restate-server",
)  # fmt: skip


@contextmanager
def fleet(number: int, folder: Path) -> Iterator[Fleet]:
    """So many processes of ours on one server, on whichever core is free."""
    server = RestateServer(folder)
    server.start()
    (port,) = free_ports(1)
    try:
        with ExitStack() as stack:
            sink = stack.enter_context(module(LOAD_CORE, "benchmarks.sink"))
            settings = {
                "FANIN_ENGINE": "restate", "FANIN_PORT": "0", "FANIN_REGIONS": REGIONS,
                "FANIN_TIMEOUT": "1h", "FANIN_NOTIFY_URL": f"http://127.0.0.1:{sink.port}/hook",
                "FANIN_RESTATE_URL": server.url, "FANIN_RESTATE_ADMIN_URL": server.admin_url,
                "FANIN_RESTATE_LISTEN": f"127.0.0.1:{port}",
            }  # fmt: skip
            services = [
                stack.enter_context(module(None, "fanin.aggregator", settings=settings))
                for _ in range(number)
            ]
            yield Fleet(services, server.pid)
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
    compare(plain, OURS, options.rounds, options.seconds)
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".", ignore_cleanup_errors=True) as name:
        alone(fleet, Path(name).resolve(), options.seconds)


if __name__ == "__main__":
    main()
