"""Files that earlier versions wrote, as those versions wrote them: each becomes one of this version.

Each file in ``files/`` was made by the version that it is named after, from three operations: one that
completed, one that timed out, both with refused notifications, and one that waits for eastus until 00:04:06.
It is never changed; a new version of the schema adds one.
"""

import sqlite3
from pathlib import Path

import pytest

from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.engines.sqlite.schema import VERSION
from fanin.aggregator.engines.sqlite.store import Store
from tests.aggregator.services import PUSH, STATUS, Hand, service
from tests.e2e.serving import Sink

pytestmark = pytest.mark.anyio

FILES = sorted((Path(__file__).parent / "files").glob("version-*.sql"))


def put(written: Path, folder: Path) -> Path:
    """A folder as that version left it."""
    folder.mkdir()
    with sqlite3.connect(folder / FILE) as db:
        db.executescript(written.read_text(encoding="utf-8"))
    db.close()
    return folder


def schema(folder: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(folder / FILE) as db:
        rows = db.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
        version = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return [*rows, version]


def test_every_earlier_version_is_here() -> None:
    """A change that raises the version adds a file that the version before wrote."""
    assert [it.stem for it in FILES] == [f"version-{n}" for n in range(1, VERSION)]


@pytest.mark.parametrize("written", FILES, ids=lambda it: it.stem)
async def test_an_old_file_looks_like_a_new_one(written: Path, tmp_path: Path) -> None:
    """Table by table and index by index, so that everything tested on new files holds for old ones."""
    Store(put(written, tmp_path / "old")).close()
    Store(tmp_path / "new").close()

    assert schema(tmp_path / "old") == schema(tmp_path / "new")


@pytest.mark.parametrize("written", FILES, ids=lambda it: it.stem)
async def test_an_old_file_goes_on_where_it_was(written: Path, tmp_path: Path) -> None:
    """Outcomes stay, pending notifications are sent under the same keys, and deadlines stay."""
    clock = Hand()
    clock.ms += 200_000  # 00:03:20
    async with Sink() as sink:
        folder = put(written, tmp_path / "old")
        async with service(folder, clock=clock, FANIN_NOTIFY_URL=sink.url) as client:
            await sink.until(lambda: len(sink.received) == 2)
            late = await client.post("/webhooks/westus", json=PUSH | {"id": "timed-out"})
            state = (await client.get(STATUS + "waiting")).json()
            await client.post("/webhooks/eastus", json=PUSH | {"id": "waiting"})
            await sink.until(lambda: len(sink.received) == 3)

    sent = {body["id"]: (key, body["outcome"], body["missing"]) for key, body in sink.received}
    assert late.headers["fanin-arrival"] == "duplicate"
    assert state["customStatus"]["deadline"] == "2026-03-01T00:04:06.000Z"
    assert state["customStatus"]["missing"] == ["eastus"]
    assert sent["completed"] == ("34b2e10021ddfcf416ff0bb13bcfd3d1", "completed", [])
    assert sent["timed-out"] == ("cf4bda4b58ac6c6f0e021216b8fef319", "timed_out", ["westus"])
    assert sent["waiting"][1:] == ("completed", [])
