"""What durability costs: ``python -m benchmarks.serve [--rounds N] [--seconds S]``.

`fanin serve` on SQLite, with a full flush per batch and a sink that is notified of every outcome, compared
with the same server that stores nothing and notifies no sink (`benchmarks.storage_free`). Server on one core,
load and sink on the other; rounds alternate, so that both have the same conditions; medians are compared.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from benchmarks import load
from benchmarks.machine import describe, flush_ms
from benchmarks.processes import LOAD_CORE, SERVER_CORE, module

WARM_UP_S = 1
# An outbox that does not drain in this time is a finding, not a measurement.
DRAIN_S = 60
PACKAGES = ("starlette", "uvicorn", "uvloop", "httptools", "msgspec")


@dataclass(frozen=True, slots=True)
class Round:
    """One contender under load for a few seconds."""

    rate: float  # acknowledged webhooks per second
    p50_ms: float
    p99_ms: float
    notified_rate: float = 0.0  # notifications accepted per second, while the load lasted
    backlog: int = 0  # notifications that were still to come when it ended
    batch: float = 0.0  # rows per transaction


def metrics(port: int) -> dict[str, float]:
    """The service's own figures, by name and labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def storage_free_round(port: int, seconds: float, salt: str) -> Round:
    seen = load.run(port, seconds, salt)
    return Round(seen.rate, seen.p50_ms, seen.p99_ms)


def sqlite_round(port: int, seconds: float, salt: str) -> Round:
    """One round, and then until the last notification has been accepted."""
    before = metrics(port)
    seen = load.run(port, seconds, salt)
    after = metrics(port)
    notified = 'fanin_notification_attempts_total{result="ok"}'
    rows, commits = "fanin_commit_batch_rows_sum", "fanin_commit_batch_rows_count"
    give_up = time.monotonic() + DRAIN_S
    while metrics(port)["fanin_outbox"]:
        assert time.monotonic() < give_up, "the outbox does not drain"
        time.sleep(0.1)
    return Round(
        seen.rate,
        seen.p50_ms,
        seen.p99_ms,
        notified_rate=(after[notified] - before.get(notified, 0)) / seconds,
        backlog=int(after["fanin_outbox"]),
        batch=(after[rows] - before[rows]) / max(1, after[commits] - before[commits]),
    )


def measure(rounds: int, seconds: float, folder: Path) -> tuple[list[Round], list[Round]]:
    """Alternating rounds of both contenders, after a warm-up that does not count."""
    common = {"FANIN_REGIONS": "northeurope,westeurope,eastus", "FANIN_TIMEOUT": "1h", "FANIN_PORT": "0"}
    free: list[Round] = []
    durable: list[Round] = []
    with (
        module(LOAD_CORE, "benchmarks.sink") as sink,
        module(SERVER_CORE, "benchmarks.storage_free", settings=common) as yardstick,
        module(
            SERVER_CORE,
            "fanin.aggregator",
            settings=common
            | {"FANIN_DATA_DIR": str(folder), "FANIN_NOTIFY_URL": f"http://127.0.0.1:{sink.port}/hook"},
        ) as service,
    ):
        load.run(yardstick.port, WARM_UP_S, "warm")
        sqlite_round(service.port, WARM_UP_S, "warm")
        for number in range(rounds):
            free.append(storage_free_round(yardstick.port, seconds, f"round{number}"))
            durable.append(sqlite_round(service.port, seconds, f"round{number}"))
            print(
                f"  round {number + 1}: no storage {free[-1].rate:,.0f}/s, sqlite {durable[-1].rate:,.0f}/s "
                f"({durable[-1].rate / free[-1].rate:.0%}), notified {durable[-1].notified_rate:,.0f}/s"
            )
    return free, durable


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
        f"  {load.TOOL}, {load.CONNECTIONS} connections, "
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
        f"  sqlite notified {median(each.notified_rate for each in durable):,.0f} operations/s meanwhile, "
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
