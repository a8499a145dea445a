"""How long an acknowledgement takes at half the maximum rate: ``python -m benchmarks.latency [--rounds N]``.

First the maximum, from a closed loop; then half of it, from an open one (`benchmarks.open_loop`), with
latencies counted from the instant at which a webhook should have been sent. The service flushes every batch
and notifies a sink of every outcome meanwhile.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks import load
from benchmarks.machine import describe, flush_ms
from benchmarks.processes import LOAD_CORE, SERVER_CORE, module, pinned

WARM_UP_S = 1


def open_loop(port: int, seconds: float, rate: float) -> dict[str, float]:
    """One open loop, in a process of its own."""
    words = (str(port), str(seconds), str(rate), str(load.CONNECTIONS))
    command = pinned(LOAD_CORE, sys.executable, "-m", "benchmarks.open_loop", *words)
    said: dict[str, float] = json.loads(subprocess.check_output(command, text=True))
    return said


def round_of(seconds: float) -> tuple[float, dict[str, float]]:
    """The maximum rate, and the latencies at half of it, of a service on an empty folder."""
    with (
        tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".") as name,
        module(LOAD_CORE, "benchmarks.sink") as sink,
    ):
        settings = {
            "FANIN_REGIONS": "northeurope,westeurope,eastus", "FANIN_TIMEOUT": "1h", "FANIN_PORT": "0",
            "FANIN_DATA_DIR": str(Path(name) / "data"), "FANIN_NOTIFY_URL": f"http://127.0.0.1:{sink.port}/hook",
        }  # fmt: skip
        with module(SERVER_CORE, "fanin.aggregator", settings=settings) as service:
            load.run(service.port, WARM_UP_S, "warm")
            rate = load.run(service.port, seconds, "closed").rate
            return rate, open_loop(service.port, seconds, rate / 2)


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    # `make bench` runs every benchmark with one command line.
    options, _ = parser.parse_known_args()
    print("latency: acknowledgements at half the maximum rate, in an open loop")
    print(
        f"  {describe()}; {load.CONNECTIONS} connections; one flush of 4 KiB takes {flush_ms(Path()):.2f} ms"
    )
    seen = []
    for number in range(options.rounds):
        rate, said = round_of(options.seconds)
        seen.append(said)
        print(
            f"  round {number + 1}: maximum {rate:,.0f}/s; at {rate / 2:,.0f}/s p50 {said['p50_ms']:.1f} ms, "
            f"p99 {said['p99_ms']:.1f} ms, p99.9 {said['p999_ms']:.1f} ms, longest {said['max_ms']:.0f} ms, "
            f"refused {said['refused']:.0f}",
            flush=True,
        )
    medians = {
        name: median(each[name] for each in seen) for name in ("p50_ms", "p90_ms", "p99_ms", "p999_ms")
    }
    print(
        "  medians: " + ", ".join(f"{name.removesuffix('_ms')} {ms:.1f} ms" for name, ms in medians.items())
    )


if __name__ == "__main__":
    main()
