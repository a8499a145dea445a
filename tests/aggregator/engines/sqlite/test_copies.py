"""Copies of the SQLite file: made while it is in use, and put in its place."""

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from fanin.aggregator.engines.sqlite import copies
from fanin.aggregator.engines.sqlite.copies import copy, restore
from fanin.aggregator.engines.sqlite.file import FILE, open_readonly
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.errors import StoreUnusableError
from tests.aggregator.engines.sqlite.stores import add, filled, names

type TraceFunction = Callable[[FrameType, str, Any], Any]


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
    with open_readonly(tmp_path / "data" / FILE) as source:
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
        ("data", "no/copy.db", "cannot write .*copy.db: .*/no does not exist; create the folder first"),
        ("data", "data/fanin.db/copy.db", "cannot write .*copy.db: .*/fanin.db is not a folder"),
        ("data", ".", "is a folder; name the file in it that is to be the copy"),
        ("data", "data", "/data is a folder; name the file in it that is to be the copy"),
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
    """The integrity of a copy is checked before it is reported, and the damaged file is named."""
    path = filled(tmp_path / "data")
    content = bytearray(path.read_bytes())
    content[-8192:] = b"\xa5" * 8192
    path.write_bytes(content)

    with pytest.raises(StoreUnusableError, match=rf"^{re.escape(str(path))} is damaged"):
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

    with pytest.raises(StoreUnusableError, match="text: file is not a database; choose another copy"):
        restore(tmp_path / "text", tmp_path / "data")
    assert names(tmp_path / "data") == {"op-0"}


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (id)")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_foreign, "belongs to another program; choose another copy"),
        (Path.mkdir, "is a folder; choose another copy"),
        (os.mkfifo, "is no regular file; choose another copy"),
        (Path.touch, "is empty"),
        (str, "there is no file .*given"),
    ],
)
def test_what_is_no_copy_is_not_restored(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    """The error is about the copy; the folder is as it was."""
    filled(tmp_path / "data", count=1)
    make(tmp_path / "given")

    with pytest.raises(StoreUnusableError, match=why):
        restore(tmp_path / "given", tmp_path / "data")
    assert names(tmp_path / "data") == {"op-0"}


@pytest.mark.parametrize("command", [copy, restore])
def test_the_current_folder_is_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[Path, Path], object]
) -> None:
    """Its name is a dot, from which no other name can be made."""
    filled(tmp_path / "data", count=1)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(StoreUnusableError, match=r"^\. is a folder"):
        command(*((Path("data"), Path()) if command is copy else (Path(), Path("data"))))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """SQLite would say that it is unable to open the file."""
    filled(tmp_path / "data", count=1)
    (tmp_path / "shut").mkdir(mode=0o500)

    with pytest.raises(StoreUnusableError, match="/shut is read-only"):
        copy(tmp_path / "data", tmp_path / "shut" / "copy.db")


# The functions that change something.
STEPS = ("restore", "finish_restore", "_give_to_owner", "_move_aside", "_rename_durably", "_flush")


def killed_at(line: int, source: Path, folder: Path) -> bool:
    """Restore in a process that is killed before it runs the ``line``-th line; return whether it was."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame: FrameType, event: str, _: object) -> TraceFunction | None:
            nonlocal left
            code = frame.f_code
            if code.co_filename != copies.__file__ or code.co_name not in STEPS:
                return None
            left -= event == "line"
            if left < 0:
                os._exit(9)
            return trace

        sys.settrace(trace)
        restore(source, folder)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.real_time
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("log_left", [False, True], ids=["stopped in order", "killed"])
def test_a_restore_that_is_killed_leaves_the_old_data_or_the_new(tmp_path: Path, *, log_left: bool) -> None:
    """At whatever line: the next start has one of the two, whole, and never an empty file."""
    filled(tmp_path / "new", count=3)
    copy(tmp_path / "new", tmp_path / "copy.db")
    filled(tmp_path / "old", count=1)
    if log_left:
        owner = Store(tmp_path / "old")
        add(owner, "in the log")
        shutil.copytree(tmp_path / "old", tmp_path / "model")
        owner.close()
    else:
        shutil.copytree(tmp_path / "old", tmp_path / "model")
    old, new = {"op-0", *(("in the log",) if log_left else ())}, {"op-0", "op-1", "op-2"}
    seen = []
    for line in range(1_000):
        folder = tmp_path / f"killed-{line}"
        shutil.copytree(tmp_path / "model", folder)
        killed = killed_at(line, tmp_path / "copy.db", folder)
        seen.append(names(folder))
        assert seen[-1] in (old, new), line
        if not killed:
            break
        restore(tmp_path / "copy.db", folder)
        assert names(folder) == new
        shutil.rmtree(folder)

    assert seen[0] == old
    assert seen[-1] == seen[-5] == new
    assert len(seen) > 40


def test_a_restored_file_has_the_permissions_of_the_one_that_it_replaces(tmp_path: Path) -> None:
    """A first one can be read by its owner alone."""
    path = filled(tmp_path / "data", count=1)
    copy(tmp_path / "data", tmp_path / "copy.db")
    path.chmod(0o640)

    restore(tmp_path / "copy.db", tmp_path / "data")
    restore(tmp_path / "copy.db", tmp_path / "other")

    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "other" / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_an_administrator_restores_for_the_service(tmp_path: Path) -> None:
    """The service could not open what belongs to root."""
    path = filled(tmp_path / "data", count=1)
    copy(tmp_path / "data", tmp_path / "copy.db")
    for it in (path.parent, path):
        os.chown(it, 12_345, 12_346)
    (tmp_path / "data" / "fanin.owner").unlink()

    restore(tmp_path / "copy.db", tmp_path / "data")

    placed = {it.name: (it.stat().st_uid, it.stat().st_gid) for it in (tmp_path / "data").iterdir()}
    assert placed[FILE] == placed["fanin.owner"] == (12_345, 12_346)
