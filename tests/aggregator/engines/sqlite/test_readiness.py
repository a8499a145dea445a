"""Readiness: room for webhooks, in the file that is at its place; and the figures that warn before."""

import asyncio
import errno
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator.engines.sqlite import writer
from fanin.aggregator.engines.sqlite.file import FILE, PROBE
from tests.aggregator.services import EAST, PUSH, Hand, service

pytestmark = pytest.mark.anyio


async def test_a_ready_service_leaves_nothing_behind(tmp_path: Path) -> None:
    """The file that proves the room is gone again."""
    async with service(tmp_path) as client:
        assert (await client.get("/readyz")).status_code == 200
        assert not (tmp_path / PROBE).exists()


async def test_no_room_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of the log that is written again proves nothing: webhooks need new ones."""

    def write(_: int, data: bytes) -> int:
        if len(data) > 4_096:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)

    async with service(tmp_path) as client:
        monkeypatch.setattr(os, "write", write)
        answer = await client.get("/readyz")
        health = await client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["message"] == f"{tmp_path} has no room for webhooks: No space left on device"
    assert health.status_code == 200
    assert not (tmp_path / PROBE).exists()


@pytest.mark.parametrize("trouble", ["deleted", "replaced"])
async def test_a_file_that_is_no_longer_there_is_not_ready(tmp_path: Path, trouble: str) -> None:
    """Webhooks would be stored where no start finds them, so they are not acknowledged either."""
    async with service(tmp_path) as client:
        await client.post(EAST, json=PUSH)
        (tmp_path / FILE).unlink()
        if trouble == "replaced":
            (tmp_path / FILE).write_bytes(b"")
        answers = [await client.get("/readyz"), await client.post(EAST, json=PUSH | {"id": "another"})]

    assert [answer.status_code for answer in answers] == [503, 503]
    for answer in answers:
        assert f"{FILE} is not the file that is open" in answer.json()["message"]


async def test_a_service_whose_file_is_gone_stops_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left to be written, so nothing fails."""
    monkeypatch.setattr(writer, "TROUBLE_S", 3_600)
    async with service(tmp_path) as client:
        (tmp_path / FILE).unlink()
        await client.post(EAST, json=PUSH)

    said = [it.getMessage().split(" reason=")[0] for it in caplog.records if it.levelno == logging.ERROR]
    assert said == ["not-stored requests=1"]


async def test_deadlines_that_cannot_be_read_are_no_requests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which of the two it was."""
    clock = Hand()
    async with service(tmp_path, clock=clock) as client:
        await client.post(EAST, json=PUSH)
        (tmp_path / FILE).unlink()
        clock.ms += 1_000_000
        await client.post(EAST, json=PUSH | {"id": "another"})
        async with asyncio.timeout(30):
            while "deadlines-not-read" not in caplog.text:  # noqa: ASYNC110 - the log has no event
                await asyncio.sleep(0.01)
    said = [it.getMessage().split(" reason=")[0] for it in caplog.records if it.levelno == logging.ERROR]

    assert said[0] == "not-stored requests=1"
    assert set(said[1:]) == {"deadlines-not-read"}


def figures(page: str) -> dict[str, float]:
    rows = [line.split() for line in page.splitlines() if line.startswith("fanin_")]
    return {row[0]: float(row[1]) for row in rows}


async def test_the_log_and_the_disk_are_figures(tmp_path: Path) -> None:
    """A reader that stays keeps the log from being shortened, which is counted."""
    async with service(tmp_path) as client:
        reader = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        reader.execute("BEGIN").execute("SELECT count(*) FROM operation").fetchone()
        before = figures((await client.get("/metrics")).text)
        for n in range(600):
            body: dict[str, Any] = PUSH | {"id": f"op-{n}"}
            await client.post(EAST, json=body)
        held = figures((await client.get("/metrics")).text)
        reader.close()
        after = figures((await client.get("/metrics")).text)

    assert before["fanin_checkpoints_failed_total"] == 0
    assert held["fanin_checkpoints_failed_total"] == after["fanin_checkpoints_failed_total"] == 1
    assert held["fanin_wal_bytes"] > 4_000_000
    assert held["fanin_disk_free_bytes"] > 0
