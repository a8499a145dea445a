"""The same fan-in on several engines, in turns: ``python -m benchmarks.peers [--rounds N] [--only NAME]``.

Every contender is an HTTP service that takes a registry's webhooks and posts one notification per operation.
All of a contender, its engine's server or database included, runs on one core; load and sink on another.
In every round each contender is started on an empty folder, warmed up, loaded from 64 connections for a few
seconds, and then left alone until its last notification has come. Rounds take turns, so that all contenders
meet the same weather; medians are compared.

Two figures, because an engine that acknowledges faster than it completes only builds a backlog:
webhooks acknowledged per second under load, and operations per second from the first webhook to the last
notification received. And a third, which a busy machine disturbs least: the processor time of all of a
contender's processes for one operation, from its three webhooks to its notification.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from benchmarks import load
from benchmarks.machine import describe, flush_ms
from benchmarks.peers.contenders import CONTENDERS, Contender, environment
from benchmarks.processes import LOAD_CORE, SERVER_CORE, module, worked_s

WARM_UP_S = 1
# Nothing new for so long after all that is owed has come: that was the last.
QUIET_S = 3.0
# What has not come by then is counted as left behind.
DRAIN_S = 120
COMMON = ("starlette", "uvicorn", "uvloop", "httptools", "msgspec", "aiohttp")


@dataclass(frozen=True, slots=True)
class Round:
    """One contender, once."""

    load: load.Load
    completed_rate: float  # operations per second, first webhook to last notification
    meanwhile: float  # operations per second whose notification came while the load lasted
    left: int  # operations whose notification did not come in time
    work_ms: float = 0.0  # processor time per operation that was completed


def count(sink: int) -> tuple[int, float]:
    """Operations of which the sink got a notification, and when the last one came."""
    with urlopen(f"http://127.0.0.1:{sink}/count") as answer:
        said = json.load(answer)
    return said["keys"], said["last_s"]


def drained(sink: int, owed: int) -> tuple[int, float]:
    """Wait for so many operations, and then for silence."""
    began_s = time.time()
    while True:
        keys, last_s = count(sink)
        silent_s = time.time() - max(last_s, began_s)
        if (keys >= owed and silent_s > QUIET_S) or time.time() > began_s + DRAIN_S:
            return keys, last_s
        time.sleep(0.1)


def measure(contender: Contender, seconds: float) -> Round:
    """One round of one contender."""
    with (
        tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".", ignore_cleanup_errors=True) as name,
        module(LOAD_CORE, "benchmarks.sink") as sink,
    ):
        folder = Path(name).resolve()
        folder.chmod(0o755)
        settings = environment(f"http://127.0.0.1:{sink.port}/hook", folder)
        with module(SERVER_CORE, *contender.command, settings=settings) as service:
            warm = load.run(service.port, WARM_UP_S, "warm")
            if not contender.notifies:
                worked_before_s = worked_s(service.pid)
                loaded = load.run(service.port, seconds, "round")
                work_ms = (worked_s(service.pid) - worked_before_s) * 3_000 / loaded.acknowledged
                return Round(loaded, 0.0, 0.0, 0, work_ms)
            before, _ = drained(sink.port, _surely_full(warm))
            began_s, worked_before_s = time.time(), worked_s(service.pid)
            loaded = load.run(service.port, seconds, "round")
            notified = count(sink.port)[0] - before
            owed = _surely_full(loaded)
            keys, last_s = drained(sink.port, before + owed)
            done = keys - before
            work_ms = (worked_s(service.pid) - worked_before_s) * 1000 / max(1, done)
            return Round(loaded, done / (last_s - began_s), notified / seconds, max(0, owed - done), work_ms)


def measured(contender: Contender, seconds: float) -> Round:
    """One round; another try when it does not start: a port that was free may have been taken meanwhile."""
    try:
        return measure(contender, seconds)
    except RuntimeError as exc:
        print(f"  {contender.title} did not start, and is started again: {str(exc).splitlines()[0]}")
        return measure(contender, seconds)


def _surely_full(loaded: load.Load) -> int:
    """Operations whose three regions were all acknowledged: each connection's last may be cut off."""
    return max(0, loaded.acknowledged // 3 - load.CONNECTIONS)


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", action="append", choices=[each.name for each in CONTENDERS])
    # `make bench` runs every benchmark with one command line.
    options, _ = parser.parse_known_args()
    chosen = [each for each in CONTENDERS if not options.only or each.name in options.only]
    print("peers: the same fan-in on several engines, everything of a contender on one core")
    print(f"  {describe()}; {', '.join(f'{name} {version(name)}' for name in COMMON)}")
    print(f"  {load.TOOL}, {load.CONNECTIONS} connections, three regions per id, {options.seconds:g} s each")
    print(
        f"  one flush of 4 KiB takes {flush_ms(Path()):.2f} ms (a virtual disk may not wait for stable media)"
    )
    rounds: dict[str, list[Round]] = {}
    for contender in chosen:
        if command := contender.missing():
            print(f"  {contender.title}: skipped, it is not here; `{command}` enables it")
        else:
            rounds[contender.name] = []
            print(f"  {contender.title}: {contender.versions() or 'this checkout'}")
    for number in range(options.rounds):
        for contender in chosen:
            if contender.name not in rounds:
                continue
            done = measured(contender, options.seconds)
            rounds[contender.name].append(done)
            print(
                f"  round {number + 1}: {contender.title:24} {done.load.rate:>7,.0f} acknowledged/s, "
                f"{done.completed_rate:>6,.0f} completed/s, {done.work_ms:>6.2f} ms of work each"
                + (f", {done.left} left behind" * bool(done.left))
            )
            sys.stdout.flush()
    table([each for each in chosen if each.name in rounds], rounds)


def table(chosen: list[Contender], rounds: dict[str, list[Round]]) -> None:
    """Medians, as Markdown."""
    print()
    heads = (
        "acknowledged webhooks/s",
        "p50 ms",
        "p99 ms",
        "operations completed/s",
        "work per operation, ms",
    )
    print(f"| contender | durable | {' | '.join(heads)} |")
    print(f"|---|---|{'---:|' * len(heads)}")
    for contender in chosen:
        mine = rounds[contender.name]
        completed = median(each.completed_rate for each in mine)
        left = max(each.left for each in mine)
        print(
            f"| {contender.title} | {'yes' if contender.durable else 'no'} "
            f"| {median(each.load.rate for each in mine):,.0f} "
            f"| {median(each.load.p50_ms for each in mine):,.1f} "
            f"| {median(each.load.p99_ms for each in mine):,.1f} "
            f"| {f'{completed:,.0f}' if contender.notifies else '-'}{f' ({left} left)' if left else ''} "
            f"| {median(each.work_ms for each in mine):,.2f} |"
        )
    print()
    compare(chosen, rounds)


def compare(chosen: list[Contender], rounds: dict[str, list[Round]]) -> None:
    """Ours against the yardstick and against the best peer: medians of the ratios within each round."""
    ours = rounds.get("fanin", [])
    peers = [each.name for each in chosen if each.name not in ("fanin", "storage-free")]
    if ours and (free := rounds.get("storage-free")):
        ratio = median(mine.load.rate / theirs.load.rate for mine, theirs in zip(ours, free, strict=True))
        print(f"fanin acknowledges {ratio:.0%} of what the same server acknowledges without storage")
    if ours and peers:
        acknowledged = median(
            mine.load.rate / max(rounds[peer][n].load.rate for peer in peers) for n, mine in enumerate(ours)
        )
        completed = median(
            mine.completed_rate / max(rounds[peer][n].completed_rate for peer in peers)
            for n, mine in enumerate(ours)
        )
        print(
            f"fanin acknowledges {acknowledged:.1f} times and completes {completed:.1f} times "
            "what the best peer does"
        )
        least = median(
            min(rounds[peer][n].work_ms for peer in peers if rounds[peer][n].work_ms) / mine.work_ms
            for n, mine in enumerate(ours)
        )
        print(f"the most frugal peer works {least:.1f} times as long for an operation as fanin does")


if __name__ == "__main__":
    main()
