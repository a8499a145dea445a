"""A receiver that does harm delays neither webhooks nor other targets, and fills neither memory nor files."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.e2e.bad_day import BadDay
from tests.e2e.hostile_receiver import KINDS
from tests.e2e.serving import LIMIT_S, Sink

OPERATIONS = 40
PAUSE_S = 0.02
# How long a webhook may take, and a notification of another target, on a machine that does nothing else.
WEBHOOK_S_MAX, NOTIFICATION_S_MAX = 0.25, 1.0
# A busy machine delays webhooks now and then; a receiver that does harm, or a name server, each time.
TRIES_MAX = 3
# A service that idles has some 50 MiB, and 20 files.
MEMORY_MIB_MAX, FILES_MAX = 120, 150
# Attempts that hang get a grace of 3 s at the stop.
STOP_S_MAX = 8

TARGETS = """
targets:
  - {{name: good, url: "{good}"}}
  - {{name: hostile, url: "{hostile}"}}
"""


@contextmanager
def hostile(kind: str) -> Iterator[str]:
    """A hostile receiver; its URL."""
    command = [sys.executable, "-m", "tests.e2e.hostile_receiver", kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/hook"
    finally:
        process.kill()
        process.communicate()


class Noise:
    """The longest time that a flush took here, or for which the machine kept this process from running."""

    def __init__(self, file: Path) -> None:
        self.longest_s = 0.0
        self._file = file

    def _flush(self) -> None:
        with self._file.open("a") as file:
            file.write("x")
            file.flush()
            os.fsync(file.fileno())

    async def watch(self) -> None:
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(0.01)
            await asyncio.to_thread(self._flush)
            self.longest_s = max(self.longest_s, time.monotonic() - before_s - 0.01)


@asynccontextmanager
async def noise(folder: Path) -> AsyncIterator[Noise]:
    found = Noise(folder / "noise")
    watching = asyncio.create_task(found.watch())
    try:
        yield found
    finally:
        watching.cancel()


class Slowest:
    """The slowest webhook, and the slowest notification of the good target."""

    def __init__(self) -> None:
        self.webhook_s = self.notification_s = 0.0

    async def play(self, service: BadDay, good: Sink) -> None:
        """Send webhooks that decide an operation each, at an even pace."""
        notified = []
        for number in range(OPERATIONS):
            began_s = time.monotonic()
            status, _ = await service.push("eastus", f"op-{number}")
            assert status == 202
            self.webhook_s = max(self.webhook_s, time.monotonic() - began_s)
            notified.append(asyncio.create_task(self._notified(good, f"op-{number}")))
            await asyncio.sleep(PAUSE_S)
        await asyncio.gather(*notified)

    async def _notified(self, good: Sink, operation: str) -> None:
        began_s = time.monotonic()
        async with asyncio.timeout(LIMIT_S):
            while all(body["id"] != operation for _, body in good.received):  # noqa: ASYNC110 - as often
                await asyncio.sleep(0.01)
        self.notification_s = max(self.notification_s, time.monotonic() - began_s)

    def is_prompt(self, machine: Noise) -> bool:
        """Whether nothing took longer than it may, beyond what this machine added."""
        webhook_s, notification_s = WEBHOOK_S_MAX + machine.longest_s, NOTIFICATION_S_MAX + machine.longest_s
        return self.webhook_s < webhook_s and self.notification_s < notification_s

    def __repr__(self) -> str:
        return f"webhook {self.webhook_s:.2f} s, notification {self.notification_s:.2f} s"


async def until_prompt(folder: Path, story: Callable[[Path], Awaitable[tuple[Slowest, Noise]]]) -> None:
    """Play the story with a new service, again while something took too long."""
    slow: list[Slowest] = []
    while len(slow) < TRIES_MAX:
        data_dir = folder / str(len(slow))
        data_dir.mkdir()
        slowest, machine = await story(data_dir)
        if slowest.is_prompt(machine):
            return
        slow.append(slowest)
    pytest.fail(f"too long in each try: {slow}")


def count(service: BadDay, what: str) -> int:
    """How many open files (``fd``) or threads (``task``) the service has."""
    return len(list(Path(f"/proc/{service.process.pid}/{what}").iterdir()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_receiver_harms_itself_alone(tmp_path: Path, kind: str) -> None:
    """Webhooks under 250 ms, other targets under a second, memory and files bounded."""

    async def story(folder: Path) -> tuple[Slowest, Noise]:
        targets, slowest = folder / "targets.yaml", Slowest()
        async with Sink() as good:
            with hostile(kind) as url:
                targets.write_text(TARGETS.format(good=good.url, hostile=url))
                service = BadDay.begin(folder, FANIN_REGIONS="eastus", FANIN_NOTIFY_FILE=str(targets))
                try:
                    async with noise(folder) as machine:
                        await slowest.play(service, good)
                    memory_mib, open_files = service.memory_mib(), count(service, "fd")
                finally:
                    service.end(signal.SIGKILL)

        assert memory_mib < MEMORY_MIB_MAX
        assert open_files < FILES_MAX
        return slowest, machine

    asyncio.run(until_prompt(tmp_path, story))


def test_a_name_server_that_hangs_delays_its_target_alone(tmp_path: Path) -> None:
    """Other names are looked up meanwhile, and SIGTERM does not wait for the name server."""

    async def story(folder: Path) -> tuple[Slowest, Noise]:
        targets, slowest = folder / "targets.yaml", Slowest()
        async with Sink() as good:
            by_name = good.url.replace("127.0.0.1", "localhost")
            targets.write_text(TARGETS.format(good=by_name, hostile="http://receiver.hanging.example/hook"))
            service = BadDay.begin(
                folder,
                launch=("--hanging-names", ".hanging.example"),
                FANIN_REGIONS="eastus",
                FANIN_NOTIFY_FILE=str(targets),
            )
            async with noise(folder) as machine:
                await slowest.play(service, good)
            threads = count(service, "task")
            began_s = time.monotonic()
            code, _ = service.end(signal.SIGTERM)
            stop_s = time.monotonic() - began_s

        assert threads < 10
        assert code == 0
        assert stop_s < STOP_S_MAX
        return slowest, machine

    asyncio.run(until_prompt(tmp_path, story))
