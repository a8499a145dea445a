"""What durability costs: ``python -m benchmarks.serve [--rounds N] [--seconds S]``.

`fanin serve` on SQLite, with a full flush per batch and a sink that is told of every outcome, side by side
with the same server that stores nothing and tells nobody (`benchmarks.storage_free`). Server on one core,
load and sink on the other; rounds alternate, so that both meet the same weather; medians are compared.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from benchmarks.machine import describe

HERE = Path(__file__).parent
CONNECTIONS = 64
WARM_UP_S = 1
SERVER_CORE, LOAD_CORE = 0, 1
# An outbox that does not drain in this time is a finding, not a measurement.
DRAIN_S = 60
PACKAGES = ("starlette", "uvicorn", "uvloop", "httptools", "msgspec")


@dataclass(frozen=True, slots=True)
class Round:
    """One contender under load for a few seconds."""

    rate: float  # acknowledged webhooks per second
    p50_ms: float
    p99_ms: float
    told_rate: float = 0.0  # notifications accepted per second, while the load lasted
    backlog: int = 0  # notifications that were still to come when it ended
    batch: float = 0.0  # rows per transaction


def pinned(core: int, *command: str) -> list[str]:
    """A command on one core, where the system can do that."""
    prefix = ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []
    return [*prefix, *command]


@contextmanager
def process(core: int, module: str, *arguments: str, **settings: str) -> Iterator[int]:
    """A Python module as a process of its own; yields the port that it says it listens on."""
    child = subprocess.Popen(
        pinned(core, sys.executable, "-m", module, *arguments),
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert child.stdout is not None
        said = child.stdout.readline()
        port = re.search(r"(\d+)(?:,|$)", said)
        assert port, f"{module} said {said!r}"
        yield int(port.group(1))
    finally:
        child.terminate()
        child.communicate()


def load(port: int, seconds: float, salt: str) -> tuple[float, float, float]:
    """Webhooks from `CONNECTIONS` connections: rate, median and 99th percentile of the latency in ms."""
    return (wrk if shutil.which("wrk") else generator)(port, seconds, salt)


def wrk(port: int, seconds: float, salt: str) -> tuple[float, float, float]:
    """The load of choice: it costs next to nothing itself."""
    said = output(
        "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency",
        "-s", str(HERE / "push.lua"), f"http://127.0.0.1:{port}", "--", salt,
    )  # fmt: skip
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate, said
    return float(rate.group(1)), _latency_ms(said, "50%"), _latency_ms(said, "99%")


def generator(port: int, seconds: float, salt: str) -> tuple[float, float, float]:
    """The load where there is no wrk (`benchmarks.generator`)."""
    words = (str(port), str(seconds), str(CONNECTIONS), salt)
    said = json.loads(output(sys.executable, "-m", "benchmarks.generator", *words))
    assert said["refused"] == 0, said
    return said["rate"], said["p50_ms"], said["p99_ms"]


def output(*command: str) -> str:
    """What a command on the load's core says."""
    return subprocess.run(pinned(LOAD_CORE, *command), check=True, capture_output=True, text=True).stdout


def _latency_ms(said: str, share: str) -> float:
    match = re.search(rf"\s{share}\s+([\d.]+)(us|ms|s)\b", said)
    assert match, said
    return float(match.group(1)) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[match.group(2)]


def metrics(port: int) -> dict[str, float]:
    """The service's own figures, by name and labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def storage_free_round(port: int, seconds: float, salt: str) -> Round:
    return Round(*load(port, seconds, salt))


def sqlite_round(port: int, seconds: float, salt: str) -> Round:
    """One round, and then until the last notification has been accepted."""
    before = metrics(port)
    rate, p50_ms, p99_ms = load(port, seconds, salt)
    after = metrics(port)
    told = 'fanin_notification_attempts_total{result="ok"}'
    rows, commits = "fanin_commit_batch_rows_sum", "fanin_commit_batch_rows_count"
    give_up = time.monotonic() + DRAIN_S
    while metrics(port)["fanin_outbox"]:
        assert time.monotonic() < give_up, "the outbox does not drain"
        time.sleep(0.1)
    return Round(
        rate,
        p50_ms,
        p99_ms,
        told_rate=(after[told] - before.get(told, 0)) / seconds,
        backlog=int(after["fanin_outbox"]),
        batch=(after[rows] - before[rows]) / max(1, after[commits] - before[commits]),
    )


def measure(rounds: int, seconds: float, folder: Path) -> tuple[list[Round], list[Round]]:
    """Alternating rounds of both contenders, after a warm-up that does not count."""
    common = {"FANIN_REGIONS": "northeurope,westeurope,eastus", "FANIN_TIMEOUT": "1h", "FANIN_PORT": "0"}
    free: list[Round] = []
    durable: list[Round] = []
    with (
        process(LOAD_CORE, "benchmarks.sink") as sink,
        process(SERVER_CORE, "benchmarks.storage_free", **common) as free_port,
        process(
            SERVER_CORE, "aggregator",
            **common, FANIN_DATA_DIR=str(folder), FANIN_NOTIFY_URL=f"http://127.0.0.1:{sink}/hook",
        ) as durable_port,
    ):  # fmt: skip
        load(free_port, WARM_UP_S, "warm")
        sqlite_round(durable_port, WARM_UP_S, "warm")
        for number in range(rounds):
            free.append(storage_free_round(free_port, seconds, f"round{number}"))
            durable.append(sqlite_round(durable_port, seconds, f"round{number}"))
            print(
                f"  round {number + 1}: no storage {free[-1].rate:,.0f}/s, sqlite {durable[-1].rate:,.0f}/s "
                f"({durable[-1].rate / free[-1].rate:.0%}), notified {durable[-1].told_rate:,.0f}/s"
            )
    return free, durable


def flush_ms(folder: Path) -> float:
    """What one flush of a small write costs on this disk, which decides how dear durability is."""
    path = folder / "flush"
    times = []
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 4_096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return median(times) * 1000


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    # `make bench` runs every benchmark with one command line.
    options, _ = parser.parse_known_args()
    print("serve: acknowledged webhooks per second, and what durability leaves of them")
    print(f"  {describe()}; {', '.join(f'{name} {version(name)}' for name in PACKAGES)}")
    print(
        f"  {'wrk' if shutil.which('wrk') else 'benchmarks.generator'}, {CONNECTIONS} connections, "
        f"three regions per id, {options.seconds:g} s per round; server on one core, load and sink on another"
    )
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".") as name:
        folder = Path(name)
        print(
            f"  one flush of 4 KiB takes {flush_ms(folder):.2f} ms here "
            "(a virtual disk may not wait for stable media)"
        )
        free, durable = measure(options.rounds, options.seconds, folder / "data")
    report("no storage", free)
    report("sqlite", durable)
    print(
        f"  sqlite notified {median(each.told_rate for each in durable):,.0f} operations/s meanwhile, "
        f"{median(each.backlog for each in durable):,.0f} were left at the end of a round; "
        f"{median(each.batch for each in durable):.0f} rows per transaction"
    )
    ratio = median(theirs.rate / ours.rate for ours, theirs in zip(free, durable, strict=True))
    print(f"  ratio: {ratio:.0%} of the rate without storage (median of the rounds)")


def report(title: str, rounds: list[Round]) -> None:
    """One contender's medians."""
    rates = [each.rate for each in rounds]
    print(
        f"  {title:10}  median {median(rates):,.0f}/s (from {min(rates):,.0f} to {max(rates):,.0f}), "
        f"p50 {median(each.p50_ms for each in rounds):.1f} ms, "
        f"p99 {median(each.p99_ms for each in rounds):.1f} ms"
    )


if __name__ == "__main__":
    main()
