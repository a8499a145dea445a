"""A million operations that wait: ``python -m benchmarks.waiting [--operations N]``.

They are written by the store itself, in its own format, and then dropped from the page cache; the service is
started on them as after a restart. Memory is what the system says the process holds. Then deadlines come, a
thousand a second, and the sink compares the clock with each notification's deadline when it has it in hand:
that is the timer's delay and the notification's way together. Webhooks come meanwhile.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from benchmarks.machine import describe, flush_ms
from benchmarks.processes import LOAD_CORE, SERVER_CORE, Running, module, pinned, worked_s
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.fanin import FanIn, Subject

REGIONS = ("eastus", "northeurope", "westeurope")
CHUNK = 10_000
DAY_MS = 86_400_000
# The first deadline comes so long after they have been written, when the service surely serves.
LEAD_S = 8
SUBJECT = Subject(
    action="push", host="demo.azurecr.io", repository="team/app", tag="1.4.2", digest="sha256:" + "1" * 64
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def waiting(count: int, first_ms: int, per_second: int, name: str) -> Iterator[FanIn]:
    """Operations of which one region has reported, with so many deadlines a second."""
    for number in range(count):
        deadline_ms = first_ms + number * 1_000 // per_second
        yield FanIn(
            operation_id=f"{name}-{number:012x}-9f0d6c55-7a53-4f0e",
            subject=SUBJECT,
            expected=REGIONS,
            started_ms=deadline_ms - DAY_MS,
            deadline_ms=deadline_ms,
            arrived={REGIONS[0]: deadline_ms - DAY_MS},
        )


def fill(folder: Path, states: Iterator[FanIn]) -> None:
    """Write operations, some thousands per transaction."""
    store = Store(folder)
    while chunk := [state for _, state in zip(range(CHUNK), states, strict=False)]:
        store.begin()
        store.insert(chunk)
        store.commit()
    store.close()


def forget_pages(folder: Path) -> int:
    """Drop the files from the page cache, as a reboot would; their size in bytes."""
    size = 0
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            if sys.platform == "linux":
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            size += path.stat().st_size
    return size


def memory_mib(pid: int) -> tuple[float, float]:
    """What it holds now, and the most that it has held."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = {name: int(kib) / 1024 for name, kib in re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", text)}
    return found["VmRSS"], found["VmHWM"]


class Sink:
    """Notes how late each notification is when it has it."""

    def __init__(self) -> None:
        self.late_ms: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = re.search(rb"content-length: (\d+)", head)
                body = await reader.readexactly(int(length.group(1)) if length else 0)
                if b'"timed_out"' in body:
                    self.late_ms.append(now_ms() - _epoch_ms(json.loads(body)["deadline"]))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


def _epoch_ms(text: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def measure(operations: int, per_second: int, seconds: int) -> None:
    """All of it, on one folder."""
    sink = Sink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink_port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".") as name:
        folder = Path(name) / "data"
        due = per_second * seconds
        began = time.perf_counter()
        await asyncio.to_thread(
            fill, folder, waiting(operations - due, now_ms() + 7 * DAY_MS, 1_000, "later")
        )
        first_ms = now_ms() + LEAD_S * 1_000
        await asyncio.to_thread(fill, folder, waiting(due, first_ms, per_second, "soon"))
        size = forget_pages(folder)
        print(
            f"  written in {time.perf_counter() - began:.0f} s: {size / (1 << 20):,.0f} MiB on disk",
            flush=True,
        )
        settings = {
            "FANIN_REGIONS": ",".join(REGIONS), "FANIN_TIMEOUT": "7d", "FANIN_PORT": "0",
            "FANIN_DATA_DIR": str(folder), "FANIN_NOTIFY_URL": f"http://127.0.0.1:{sink_port}/hook",
        }  # fmt: skip
        with module(
            SERVER_CORE, "fanin.aggregator", settings=settings | {"FANIN_DATA_DIR": f"{name}/no"}
        ) as empty:
            await ready("an empty folder", empty)
        with module(SERVER_CORE, "fanin.aggregator", settings=settings) as service:
            await ready("these, out of cold files", service)
            missed_s = now_ms() / 1_000 - first_ms / 1_000
            assert missed_s < 0, f"writing took {missed_s:.1f} s too long; the first deadlines have passed"
            await asyncio.sleep(-missed_s)
            pushing = await asyncio.create_subprocess_exec(
                *pinned(LOAD_CORE, sys.executable, "-m", "benchmarks.open_loop"),
                str(service.port), str(seconds - 1), "500", "16", stdout=subprocess.PIPE,
            )  # fmt: skip
            said, _ = await pushing.communicate()
            give_up = time.monotonic() + 60
            while len(sink.late_ms) < due and time.monotonic() < give_up:  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0.1)
            report(sink.late_ms, due, per_second, json.loads(said))
            rss, peak = memory_mib(service.pid)
            print(
                f"  memory with {operations:,} operations, after that: {rss:.0f} MiB, at most {peak:.0f} MiB"
            )
    server.close()


async def ready(what: str, service: Running) -> None:
    """Wait until a service says that it is, and print what that took."""
    await asyncio.to_thread(urlopen, f"http://127.0.0.1:{service.port}/readyz")  # raises what is no 2xx
    after_s = time.perf_counter() - service.began_s
    rss, _ = memory_mib(service.pid)
    cpu_s = worked_s(service.pid)
    print(
        f"  start with {what}: ready after {after_s:.2f} s, {cpu_s:.2f} s of it at work; {rss:.0f} MiB",
        flush=True,
    )


def report(late_ms: list[int], due: int, per_second: int, pushed: dict[str, float]) -> None:
    """How late notifications came."""
    ordered = sorted(late_ms)
    assert ordered, "no deadline fired"
    print(
        f"  {len(ordered):,} of {due:,} deadlines fired at {per_second:,}/s; notified "
        f"after the deadline by {ordered[len(ordered) // 2]} ms (median), "
        f"{ordered[len(ordered) * 99 // 100]} ms (p99), {ordered[-1]} ms (longest)"
    )
    print(
        f"  meanwhile {pushed['sent']:,.0f} webhooks at 500/s were acknowledged, "
        f"p99 {pushed['p99_ms']:.0f} ms"
    )


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--per-second", type=int, default=1_000)
    parser.add_argument("--deadlines-s", type=int, default=10)
    # `make bench` runs every benchmark with one command line.
    options, _ = parser.parse_known_args()
    if shutil.which("taskset") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {LOAD_CORE})
    print(f"waiting: {options.operations:,} operations that wait")
    print(f"  {describe()}; one flush of 4 KiB takes {flush_ms(Path()):.2f} ms")
    asyncio.run(measure(options.operations, options.per_second, options.deadlines_s))


if __name__ == "__main__":
    main()
