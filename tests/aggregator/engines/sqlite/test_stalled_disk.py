"""A disk that hangs stops what has to be stored, and nothing else."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from fanin.aggregator.clock import SYSTEM_CLOCK
from fanin.aggregator.engines.sqlite import engine as sqlite_engine
from fanin.aggregator.engines.sqlite.engine import SqliteEngine
from fanin.aggregator.engines.sqlite.store import Store
from tests.aggregator.services import EAST, PUSH, STATUS, service

pytestmark = pytest.mark.anyio


class Disk:
    """What flushes wait for."""

    def __init__(self) -> None:
        self.responds = threading.Event()
        self.responds.set()
        self.is_asked = threading.Event()


class StoreOnDisk(Store):
    """A store whose commits wait for a disk."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        super().__init__(folder)
        self._disk = disk

    def commit(self) -> None:
        self._disk.is_asked.set()
        assert self._disk.responds.wait(30)
        super().commit()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def client(tmp_path: Path, disk: Disk) -> AsyncIterator[httpx.AsyncClient]:
    engine = partial(SqliteEngine, open_store=partial(StoreOnDisk, disk))
    async with service(tmp_path, clock=SYSTEM_CLOCK, engine=engine) as client:
        yield client
        disk.responds.set()


async def stall(disk: Disk, client: httpx.AsyncClient) -> "asyncio.Task[httpx.Response]":
    """Let the disk hang under a webhook, and return that."""
    disk.responds.clear()
    disk.is_asked.clear()
    webhook = asyncio.create_task(client.post(EAST, json=PUSH | {"id": "stalled"}))
    assert await asyncio.to_thread(disk.is_asked.wait, 30)
    return webhook


async def test_while_a_flush_hangs_the_process_responds(disk: Disk, client: httpx.AsyncClient) -> None:
    """It is alive, shows what is stored, and acknowledges nothing; when the disk responds, it does."""
    await client.post(EAST, json=PUSH)
    webhook = await stall(disk, client)

    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get(STATUS + "5b7c")).json()["customStatus"]["arrived"] == ["eastus"]
    assert (await client.get(STATUS + "stalled")).status_code == 404
    assert "fanin_waiting 1" in (await client.get("/metrics")).text
    assert len((await client.get("/instances")).json()["instances"]) == 1
    assert not webhook.done()
    disk.responds.set()
    assert (await webhook).status_code == 202
    assert (await client.get(STATUS + "stalled")).status_code == 202


async def test_a_service_whose_flush_hangs_is_not_ready(
    disk: Disk, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with the reason, without waiting for the disk; ready again when it responds."""
    monkeypatch.setattr(sqlite_engine, "FLUSH_S", 0.05)
    webhook = await stall(disk, client)

    answers = [await client.get("/readyz") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert answers[-1].json()["message"].startswith("the disk does not respond: a flush has taken")
    disk.responds.set()
    assert (await webhook).status_code == 202
    monkeypatch.undo()
    assert (await client.get("/readyz")).status_code == 200


async def test_a_batch_gathers_while_the_one_before_is_flushed(disk: Disk, client: httpx.AsyncClient) -> None:
    """All of it is stored once the disk responds."""
    webhook = await stall(disk, client)
    more = [asyncio.create_task(client.post(EAST, json=PUSH | {"id": f"op-{n}"})) for n in range(50)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in more)
    disk.responds.set()

    assert (await webhook).status_code == 202
    assert {(await task).status_code for task in more} == {202}
