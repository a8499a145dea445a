"""Whether anything grows with what is stored: ``python -m benchmarks growth [--most N] [--rate N]``.

Three questions. What a webhook costs with ten to ``--most`` operations in the file (a million by default),
all decided and within their retention. How long a start takes with as many that wait. And how large the file
is, day by day, over a month with a retention of a week: in virtual time, on the real engine and a real file,
at ``--rate`` operations a second (a thousandth of fifty by default, which is said with the figures).
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from benchmarks import load
from benchmarks.machine import describe, flush_ms
from benchmarks.processes import SERVER_CORE, module, worked_s
from benchmarks.waiting import DAY_MS, REGIONS, SUBJECT, fill, forget_pages, now_ms, waiting
from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.fanin import FanIn, Phase
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel

EPOCH_MS = 1_772_323_200_000
DAYS, RETENTION_DAYS = 30, 7
# So much virtual time lies between two batches of operations.
TICK_S = 200
ROUNDS, ROUND_S = 3, 2.0
MIB = 1 << 20
DECIDED = (10, 1_000, 100_000, 1_000_000, 10_000_000)
WAITING = (0, 10_000, 1_000_000, 10_000_000)


def decided(count: int) -> Iterator[FanIn]:
    """Operations that were completed within the last days."""
    first_ms = now_ms() - 3 * DAY_MS
    for number in range(count):
        at_ms = first_ms + number
        yield FanIn(
            operation_id=f"old-{number:012x}-9f0d6c55-7a53-4f0e",
            subject=SUBJECT,
            expected=REGIONS,
            started_ms=at_ms,
            deadline_ms=at_ms + DAY_MS,
            arrived=dict.fromkeys(REGIONS, at_ms),
            phase=Phase.COMPLETED,
            decided_ms=at_ms,
        )


def settings(folder: Path) -> dict[str, str]:
    """A service that keeps its data there."""
    return {
        "FANIN_REGIONS": ",".join(REGIONS), "FANIN_TIMEOUT": "7d", "FANIN_PORT": "0",
        "FANIN_DATA_DIR": str(folder),
    }  # fmt: skip


def cost_us(folder: Path) -> tuple[float, float]:
    """Processor time and rate of webhooks, in rounds on the folder's file."""
    works, rates = [], []
    with module(SERVER_CORE, "fanin.aggregator", settings=settings(folder)) as service:
        load.run(service.port, 1, "warm")
        for number in range(ROUNDS):
            before_s = worked_s(service.pid)
            seen = load.run(service.port, ROUND_S, f"round{number}")
            works.append((worked_s(service.pid) - before_s) / seen.acknowledged * 1e6)
            rates.append(seen.rate)
    return median(works), median(rates)


def start_s(folder: Path) -> tuple[float, float]:
    """How long a start takes until the service is ready, from cold files, and how long of it it works."""
    if folder.exists():
        forget_pages(folder)
    with module(SERVER_CORE, "fanin.aggregator", settings=settings(folder)) as service:
        urlopen(f"http://127.0.0.1:{service.port}/readyz").close()
        return time.perf_counter() - service.began_s, worked_s(service.pid)


class LoopClock:
    """The time of the simulated world."""

    def now_ms(self) -> int:
        return EPOCH_MS + elapsed_ms()


def mib(folder: Path) -> float:
    """What the files take."""
    return sum(path.stat().st_size for path in folder.iterdir()) / MIB


async def month(folder: Path, rate: float) -> None:
    """Thirty days; print what the file has at the end of some of them."""
    chosen = Settings.from_environment(settings(folder))
    chosen = replace(chosen, timeout_ms=3_600_000, retention_ms=RETENTION_DAYS * DAY_MS)
    engine = SqliteEngine(chosen, LoopClock(), Metrics(), None)
    await engine.open()
    per_tick, number = round(rate * TICK_S), 0
    for day in range(1, DAYS + 1):
        for _ in range(86_400 // TICK_S):
            ids = [f"op-{number + nth:012x}-9f0d6c55-7a53-4f0e" for nth in range(per_tick)]
            number += per_tick
            await asyncio.gather(*(engine.deliver(Arrival(it, to, SUBJECT)) for it in ids for to in REGIONS))
            await asyncio.sleep(TICK_S)
        if day % 3 == 0:
            print(f"  | {day} | {number:,} | {mib(folder):.1f} |", flush=True)
    await engine.close()


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=0.05)
    # `make bench` runs every benchmark with one command line.
    options, _ = parser.parse_known_args()
    print("growth: whether anything grows with what is stored")
    print(f"  {describe()}; one flush of 4 KiB takes {flush_ms(Path()):.2f} ms\n")
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".") as name:
        print("  | operations in the file | work per webhook, µs | acknowledged/s |\n  |---:|---:|---:|")
        for count in (it for it in DECIDED if it <= options.most):
            folder = Path(name) / f"decided-{count}"
            fill(folder, decided(count))
            work_us, rate = cost_us(folder)
            print(f"  | {count:,} | {work_us:.0f} | {rate:,.0f} |", flush=True)
        print("\n  | operations that wait | ready after, s | at work, s |\n  |---:|---:|---:|")
        for count in (it for it in WAITING if it <= options.most):
            folder = Path(name) / f"waiting-{count}"
            if count:
                fill(folder, waiting(count, now_ms() + 7 * DAY_MS, 1_000, "later"))
            after_s, busy_s = start_s(folder)
            print(f"  | {count:,} | {after_s:.2f} | {busy_s:.2f} |", flush=True)
        print(f"\n  {DAYS} days at {options.rate:g} operations a second, kept for {RETENTION_DAYS} days:")
        print("  | day | operations so far | files, MiB |\n  |---:|---:|---:|")
        VirtualKernel(0).run(month(Path(name) / "month", options.rate))


if __name__ == "__main__":
    main()
