"""What hostile senders and receivers cost: ``python -m benchmarks attacks``. Prints the tables of a page.

The streams of ``tests/e2e/test_hostile_streams.py`` and the receivers of ``tests/e2e/hostile_receiver.py``,
each against a fresh `fanin serve`. Webhooks are sent one after the other meanwhile: how long they took
(median, longest), how much more memory the service held at its peak, and how many files it had open at most.
"""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.machine import describe
from benchmarks.processes import LOAD_CORE, SERVER_CORE, Running, module
from benchmarks.waiting import memory_mib
from tests.e2e.hostile_receiver import KINDS
from tests.e2e.test_hostile_streams import ATTACKS, attack

# How long webhooks are sent while a receiver does harm.
RECEIVER_S = 4.0
PAUSE_S = 0.02
FILE = """
targets:
  - {{name: good, url: "http://127.0.0.1:{good}/hook"}}
  - {{name: hostile, url: "http://127.0.0.1:{hostile}/hook"}}
"""


def webhook_ms(port: int, number: int) -> float:
    """Send one webhook, which decides an operation of one region; how long its acknowledgement took."""
    body = msgspec.json.encode({"id": f"op-{number}", "action": "push", "target": {"repository": "team/app"}})
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    began_s = time.perf_counter()
    try:
        connection.request("POST", "/webhooks/eastus", body)
        status = connection.getresponse().status
    finally:
        connection.close()
    assert status == 202, status  # noqa: PLR2004 - accepted
    return (time.perf_counter() - began_s) * 1_000


def watch(service: Running, lasts: Callable[[], bool]) -> str:
    """Send webhooks for as long as it ``lasts``; the row's figures."""
    webhook_ms(service.port, -1)
    before_mib, _ = memory_mib(service.pid)
    Path(f"/proc/{service.pid}/clear_refs").write_text("5")  # proc(5): forget the peak
    took_ms: list[float] = []
    files = 0
    while lasts():
        took_ms.append(webhook_ms(service.port, len(took_ms)))
        files = max(files, len(list(Path(f"/proc/{service.pid}/fd").iterdir())))
        time.sleep(PAUSE_S)
    _, peak_mib = memory_mib(service.pid)
    return f"{peak_mib - before_mib:.1f} | {median(took_ms):.0f} | {max(took_ms):.0f} | {files} |"


@contextmanager
def fresh(folder: Path, **settings: str) -> Iterator[Running]:
    """A service on an empty folder, which waits for one region."""
    common = {"FANIN_REGIONS": "eastus", "FANIN_PORT": "0", "FANIN_DATA_DIR": str(folder)}
    with module(SERVER_CORE, "fanin.aggregator", settings=common | settings) as service:
        yield service


def streams(folder: Path, attacker: Executor) -> None:
    """One row for each stream."""
    print("| sent by a stranger | memory, MiB | webhooks: median, ms | longest, ms | files |")
    print("|---|---:|---:|---:|---:|")
    for number, (name, what) in enumerate(ATTACKS.items()):
        with fresh(folder / f"stream-{number}") as service:
            under_way = attacker.submit(attack, service.port, what)
            print(f"| {name} | {watch(service, lambda: not under_way.done())}", flush=True)  # noqa: B023 - used at once
            under_way.result()


def receivers(folder: Path) -> None:
    """One row for each receiver; a good target is told of the same operations."""
    print("\n| sent by a receiver | memory, MiB | webhooks: median, ms | longest, ms | files |")
    print("|---|---:|---:|---:|---:|")
    with module(LOAD_CORE, "benchmarks.sink") as good:
        for number, kind in enumerate(KINDS):
            command = [sys.executable, "-m", "tests.e2e.hostile_receiver", kind]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                file = folder / f"targets-{number}.yaml"
                file.write_text(FILE.format(good=good.port, hostile=process.stdout.readline().strip()))
                try:
                    with fresh(folder / f"receiver-{number}", FANIN_NOTIFY_FILE=str(file)) as service:
                        end_s = time.monotonic() + RECEIVER_S
                        print(f"| {kind} | {watch(service, lambda: time.monotonic() < end_s)}", flush=True)  # noqa: B023 - used at once
                finally:
                    process.kill()


def main() -> None:
    """Measure, and print how it was measured."""
    print("attacks: what hostile senders and receivers cost\n")
    print(f"{describe()}.\n")
    with (
        tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".") as name,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as attacker,
    ):
        attacker.submit(time.monotonic).result()  # it has started
        streams(Path(name), attacker)
        receivers(Path(name))


if __name__ == "__main__":
    main()
