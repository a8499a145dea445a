"""A disk on a bad day: full, read-only, or with its file locked by another program."""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.bad_day import REGIONS, Acknowledged, BadDay
from tests.e2e.serving import LIMIT_S, Sink
from tests.heavy import needs

FULL_AFTER = 2_000  # webhooks; a small disk is full long before

# A file system of its own for one process, as root or, where the system allows it, as any user.
NAMESPACE = (
    ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--mount")
)


def namespaces() -> bool:
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run(  # noqa: S603 - fixed words
        [*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True
    )
    return tried.returncode == 0


needs_mounts = needs("mount namespace", there=namespaces(), get="sudo pytest")


def mounted(script: str, folder: Path) -> list[str]:
    """A command that mounts something on a folder for itself alone, and then becomes what follows it."""
    folder.mkdir(exist_ok=True)
    return [*NAMESPACE, "sh", "-c", f'{script} && shift && exec "$@"', "sh", str(folder)]


async def until(service: BadDay, target: str, status: int) -> None:
    """Ask until it is answered so."""
    async with asyncio.timeout(LIMIT_S):
        while (await service.request("GET", target))[0] != status:  # noqa: ASYNC110 - HTTP
            await asyncio.sleep(0.05)


async def fill(service: BadDay, acknowledged: Acknowledged) -> list[int]:
    """Send webhooks until one is refused; every answer."""
    statuses = []
    for n in range(FULL_AFTER):
        statuses.append(await acknowledged.push(service, REGIONS[n % 2], f"op-{n // 2}"))
        if statuses[-1] != 202:
            break
    return statuses


async def suffer(service: BadDay, acknowledged: Acknowledged, sink: Sink, heal: Callable[[], object]) -> None:
    """Until the disk is full, and on after it has room again. Every answer is a 202 or a 503."""
    statuses = await fill(service, acknowledged)
    assert statuses[-1] == 503
    assert set(statuses) <= {202, 503}
    await until(service, "/readyz", 503)  # its own small write may still have found room
    _, headers, _ = await service.request("GET", "/readyz")
    assert int(headers["retry-after"]) > 0
    assert (await service.request("GET", "/healthz"))[0] == 200
    assert (await service.request("GET", "/instances"))[0] == 200

    heal()

    await until(service, "/readyz", 200)
    assert [await acknowledged.push(service, region, "after") for region in REGIONS] == [202, 202]
    await acknowledged.reckon(sink)


def test_a_full_disk_is_a_503_and_then_all_goes_on(tmp_path: Path) -> None:
    """A limit on the size of its files, log and all: the same error from the same call as a full disk.

    It is lifted while the process runs: nothing needs to be restarted.
    """

    async def story() -> None:
        async with Sink() as sink:
            service = BadDay.begin(tmp_path, NOTIFY_URL=sink.url, FANIN_TIMEOUT="5s")
            pid, acknowledged = service.process.pid, Acknowledged()
            for n in range(20):
                assert await acknowledged.push(service, REGIONS[0], f"before-{n}") == 202
            before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_096, before[1]))
            heal = lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, before)  # noqa: E731 - a verb
            await suffer(service, acknowledged, sink, heal)
            code, log = service.end(signal.SIGTERM)

        assert code == 0
        assert "Traceback" not in log

    asyncio.run(story())


@needs_mounts
def test_a_full_file_system_is_a_503_and_then_all_goes_on(tmp_path: Path) -> None:
    """The real thing: two megabytes, filled up by another program."""

    async def story() -> None:
        data = tmp_path / "data"
        small = mounted('mount -t tmpfs -o size=2m none "$1"', data)
        async with Sink() as sink:
            service = BadDay.begin(tmp_path, prefix=small, NOTIFY_URL=sink.url, FANIN_TIMEOUT="5s")
            acknowledged = Acknowledged()
            inside = Path(f"/proc/{service.process.pid}/root{data}")
            with (inside / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                while True:
                    filler.write(b"x" * 4_096)
            await suffer(service, acknowledged, sink, (inside / "filler").unlink)
            code, log = service.end(signal.SIGTERM)

        assert code == 0
        assert "Traceback" not in log

    asyncio.run(story())


@needs_mounts
def test_a_read_only_file_system_is_one_clear_message(tmp_path: Path) -> None:
    """It refuses to start, naming the folder; once it can write again, what waited is decided."""

    async def story() -> None:
        async with Sink() as sink:
            settings = {"NOTIFY_URL": sink.url, "FANIN_TIMEOUT": "3s"}
            service, acknowledged = BadDay.begin(tmp_path, **settings), Acknowledged()
            assert await acknowledged.push(service, REGIONS[0], "op") == 202
            service.end(signal.SIGKILL)
            data = tmp_path / "data"
            frozen = mounted('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', data)
            with pytest.raises(AssertionError) as refused:
                BadDay.begin(tmp_path, prefix=frozen, **settings)
            said = (tmp_path / "log").read_text().splitlines()[-1]
            service = BadDay.begin(tmp_path, **settings)
            await acknowledged.reckon(sink)
            service.end(signal.SIGTERM)

        assert "it said ''" in str(refused.value)
        assert said.startswith("Error: ")
        assert str(data) in said
        assert "is read-only" in said
        assert "Traceback" not in (tmp_path / "log").read_text()

    asyncio.run(story())


def test_a_folder_that_cannot_be_is_one_clear_message(tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "data").write_text("")

    with pytest.raises(AssertionError):
        BadDay.begin(tmp_path)

    said = (tmp_path / "log").read_text()
    assert said.startswith("Error: ")
    assert str(tmp_path / "data") in said
    assert said.count("\n") == 1


def test_a_locked_file_is_a_503_and_then_all_goes_on(tmp_path: Path) -> None:
    """Another program holds the write lock, beyond deadlines; what it delayed is decided when it lets go."""

    async def story() -> None:
        async with Sink() as sink:
            service = BadDay.begin(tmp_path, NOTIFY_URL=sink.url, FANIN_TIMEOUT="3s")
            acknowledged = Acknowledged()
            for n in range(5):
                assert await acknowledged.push(service, REGIONS[0], f"op-{n}") == 202
            other = sqlite3.connect(tmp_path / "data" / "fanin.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(LIMIT_S):
                refused = await asyncio.gather(
                    *(acknowledged.push(service, REGIONS[1], f"op-{n}") for n in range(5))
                )
            status, headers, content = await service.request("GET", "/readyz")
            reading = await service.request("GET", "/instances?state=waiting")
            other.execute("ROLLBACK")
            other.close()
            await until(service, "/readyz", 200)
            await acknowledged.push(service, REGIONS[0], "after")
            await acknowledged.reckon(sink)
            code, log = service.end(signal.SIGTERM)

        assert refused == [503] * 5
        assert (status, b"locked" in content, "retry-after" in headers) == (503, True, True)
        assert reading[0] == 200
        assert code == 0
        assert "Traceback" not in log

    asyncio.run(story())
