"""The SQLite file as a whole: refused when it is damaged, copied while it is in use, restored."""

import sqlite3
from pathlib import Path

import pytest

from fanin.aggregator.engines.sqlite import file
from fanin.aggregator.engines.sqlite.file import FILE, copy, restore
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.errors import StoreUnusableError
from fanin.aggregator.fanin import Arrived, FanIn, Phase, Subject, start


def waiting(name: str, at_ms: int = 1_000) -> FanIn:
    """An operation in which one of two regions has arrived."""
    subject = Subject(action="push", repository="team/app", tag="x" * 200)
    return start(
        name, subject, Arrived("eastus", at_ms), expected=("eastus", "westus"), timeout_ms=60_000
    ).state


def filled(folder: Path, count: int = 2_000) -> Path:
    """A folder with a service's file, stopped in order."""
    store = Store(folder)
    add(store, *(f"op-{n}" for n in range(count)))
    store.close()
    return folder / FILE


def add(store: Store, *names: str) -> None:
    store.begin()
    store.insert(waiting(name) for name in names)
    store.commit()


def names(folder: Path) -> set[str]:
    store = Store(folder)
    found = {state.operation_id for state in store.page(Phase.WAITING, None, 10_000).states}
    store.close()
    return found


# --- refused ---


def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """At the start, not when a webhook later meets the damage; the file is not changed."""
    path = filled(tmp_path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content)

    with pytest.raises(StoreUnusableError, match=r"fanin.db is damaged: .*; put a copy back with `fanin "):
        Store(tmp_path)
    assert path.read_bytes() == content


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """A copy that was interrupted, or a disk that was full."""
    path = filled(tmp_path)
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size // 2)

    with pytest.raises(StoreUnusableError, match=r"fanin.db is damaged: "):
        Store(tmp_path)


def test_the_integrity_of_a_large_file_is_not_checked_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start takes no longer with a million operations."""
    filled(tmp_path)
    monkeypatch.setattr(file, "CHECK_BYTES_MAX", 1)
    monkeypatch.setattr(file, "check_integrity", pytest.fail)

    assert len(names(tmp_path)) == 2_000


# --- copied ---


def test_a_copy_is_one_state_whatever_is_written_meanwhile(tmp_path: Path) -> None:
    """With what is only in the write-ahead log, and without later writes; the owner is not interrupted."""
    filled(tmp_path / "data")
    owner = Store(tmp_path / "data")
    add(owner, "in the log")
    found = copy(tmp_path / "data", tmp_path / "copy.db")
    add(owner, "later")
    owner.close()

    (tmp_path / "other").mkdir()
    (tmp_path / "copy.db").rename(tmp_path / "other" / FILE)
    assert (found.operations, found.waiting, found.pending) == (2_001, 2_001, 0)
    assert names(tmp_path / "other") == {*(f"op-{n}" for n in range(2_000)), "in the log"}
    assert names(tmp_path / "data") == names(tmp_path / "other") | {"later"}


def test_a_copy_is_one_file(tmp_path: Path) -> None:
    """It has no write-ahead log that belongs to it."""
    filled(tmp_path / "data")
    (tmp_path / "copies").mkdir()
    copy(tmp_path / "data", tmp_path / "copies" / "copy.db")

    with sqlite3.connect(tmp_path / "copies" / "copy.db") as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    db.close()
    assert [it.name for it in (tmp_path / "copies").iterdir()] == ["copy.db"]


def test_a_writer_does_not_wait_for_a_copy(tmp_path: Path) -> None:
    """And the copy does not see what is written while it is made."""
    filled(tmp_path / "data")
    owner = Store(tmp_path / "data")
    with file.open_readonly(tmp_path / "data" / FILE) as source:
        source.execute("BEGIN")
        (before,) = source.execute("SELECT count(*) FROM operation").fetchone()
        add(owner, "meanwhile")
        (after,) = source.execute("SELECT count(*) FROM operation").fetchone()
    owner.close()

    assert before == after == 2_000
    assert "meanwhile" in names(tmp_path / "data")


def test_a_copy_does_not_overwrite_a_file(tmp_path: Path) -> None:
    """Yesterday's copy must survive a typing mistake."""
    filled(tmp_path / "data", count=1)
    (tmp_path / "copy.db").write_text("yesterday's")

    with pytest.raises(StoreUnusableError, match=r"copy.db exists already; choose another name"):
        copy(tmp_path / "data", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "yesterday's"


@pytest.mark.parametrize(
    ("folder", "target", "why"),
    [
        ("nothing", "copy.db", "there is no file .*nothing/fanin.db"),
        ("data", "no/copy.db", "cannot open .*copy.db"),
    ],
)
def test_a_copy_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, folder: str, target: str, why: str
) -> None:
    """One sentence, and no partial file."""
    filled(tmp_path / "data", count=1)

    with pytest.raises(StoreUnusableError, match=why):
        copy(tmp_path / folder, tmp_path / target)
    assert {it.name for it in tmp_path.iterdir()} == {"data"}


def test_a_damaged_file_gives_no_copy(tmp_path: Path) -> None:
    """The integrity of a copy is checked before it is reported."""
    path = filled(tmp_path / "data")
    content = bytearray(path.read_bytes())
    content[-8192:] = b"\xa5" * 8192
    path.write_bytes(content)

    with pytest.raises(StoreUnusableError, match="is damaged"):
        copy(tmp_path / "data", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


# --- restored ---


def test_a_restored_copy_is_what_it_was_and_the_old_file_is_kept(tmp_path: Path) -> None:
    """With its log, which must not meet the new file."""
    filled(tmp_path / "data", count=3)
    copy(tmp_path / "data", tmp_path / "copy.db")
    owner = Store(tmp_path / "data")
    add(owner, "since then")
    owner._owner.close()  # as after kill -9: the log stays, the lock goes
    found, kept = restore(tmp_path / "copy.db", tmp_path / "data")
    owner._db.close()

    assert kept == tmp_path / "data" / "replaced-1.db"
    assert kept.with_name("replaced-1.db-wal").exists()
    assert found.operations == 3
    assert names(tmp_path / "data") == {"op-0", "op-1", "op-2"}


def test_no_copy_is_restored_under_a_running_service(tmp_path: Path) -> None:
    """It would go on writing to the file that was moved aside."""
    filled(tmp_path / "data", count=1)
    copy(tmp_path / "data", tmp_path / "copy.db")
    owner = Store(tmp_path / "data")

    with pytest.raises(StoreUnusableError, match="is in use by another process"):
        restore(tmp_path / "copy.db", tmp_path / "data")
    add(owner, "still there")
    owner.close()
    assert names(tmp_path / "data") == {"op-0", "still there"}


def test_a_damaged_copy_is_not_restored(tmp_path: Path) -> None:
    """The present file stays."""
    filled(tmp_path / "data", count=1)
    (tmp_path / "text").write_bytes(b"not a database, but long enough to be looked at" * 100)

    with pytest.raises(StoreUnusableError, match="file is not a database"):
        restore(tmp_path / "text", tmp_path / "data")
    assert names(tmp_path / "data") == {"op-0"}
