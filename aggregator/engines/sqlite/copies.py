"""Copies of the SQLite file: made while it is in use, and put in its place.

Rules of this file: a copy is verified, and gets its name only when it is complete and on the disk; whatever
is killed in between, the folder has the old data or the new.
"""

import os
import sqlite3
from contextlib import AbstractContextManager, closing
from pathlib import Path

from fanin.aggregator.engines.sqlite.file import (
    FILE,
    OWNER_FILE,
    OWNER_NOTE,
    SIDECARS,
    FileContents,
    acquire,
    check_integrity,
    contents,
    open_readonly,
    opening,
    refuse_read_only,
)
from fanin.aggregator.errors import StoreUnusableError

# A complete copy that `restore` has put here takes the place of `FILE`, now or at the next start.
RESTORED = "fanin.db.restored"
_ANOTHER = "choose another copy"


def copy(folder: Path, target: Path) -> FileContents:
    """Write a consistent copy of the folder's file, in use or not, and check its integrity.

    One read transaction sees one state, and writers do not wait for it. The copy is one file, without a log,
    and gets its name only when it is complete and on the disk.

    Raises:
        StoreUnusableError: the file cannot be read, or the copy cannot be written or exists already.
    """
    with opening(target):
        _refuse_target(target)
        path, partial = folder / FILE, target.with_name(target.name + ".partial")
        partial.unlink(missing_ok=True)
    try:
        with open_readonly(path) as source, opening(target), closing(sqlite3.connect(partial)) as copied:
            source.backup(copied)
            copied.execute("PRAGMA journal_mode = DELETE")
            check_integrity(copied, path)  # what is copied is damaged, and stays
            found = contents(copied, path)
        with opening(target):
            _rename_durably(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return found


def _refuse_target(target: Path) -> None:
    """Refuse a name that a copy cannot have, before anything is written.

    Raises:
        StoreUnusableError: it is taken, or its folder is missing or not writable.
    """
    if target.is_dir():
        raise StoreUnusableError(f"{target} is a folder; name the file in it that is to be the copy")
    if target.exists():
        raise StoreUnusableError(f"{target} exists already; choose another name")
    if not target.parent.is_dir():
        what = "is not a folder" if target.parent.exists() else "does not exist; create the folder first"
        raise StoreUnusableError(f"cannot write {target}: {target.parent} {what}")
    refuse_read_only(target.parent, os.W_OK | os.X_OK)


def restore(source: Path, folder: Path) -> tuple[FileContents, Path | None]:
    """Replace the folder's file by a copy; return what the copy contains, and where the old file is now.

    When it is killed before the copy is complete, the old file is as it was; after that, the next start or
    the next `restore` does the rest. Nothing between the two leaves the folder without data.

    Raises:
        StoreUnusableError: the copy is damaged, or a process owns the folder.
    """
    with _open_copy(source) as copied:
        check_integrity(copied, source, remedy=_ANOTHER)
        found = contents(copied, source)
    path, partial = folder / FILE, folder / (FILE + ".partial")
    with opening(path), closing(acquire(folder)):
        finish_restore(folder)
        partial.unlink(missing_ok=True)
        with _open_copy(source) as copied, closing(sqlite3.connect(partial)) as placed:
            copied.backup(placed)
            placed.execute("PRAGMA journal_mode = DELETE")
        _give_to_owner(folder, partial)
        _rename_durably(partial, folder / RESTORED)
        kept = finish_restore(folder)
    return found, kept


def _open_copy(source: Path) -> AbstractContextManager[sqlite3.Connection]:
    """Open a copy for reading; an error says what to do about it, not about the folder."""
    return open_readonly(source, remedy=_ANOTHER, another=_ANOTHER)


def finish_restore(folder: Path) -> Path | None:
    """Put a complete restored copy in its place, if there is one; return where the old file is now.

    Only for the folder's owner. What an interrupted call has done already is not done again.
    """
    restored, path = folder / RESTORED, folder / FILE
    if not restored.exists():
        return None
    kept = _move_aside(path)
    _flush(folder)
    _rename_durably(restored, path)
    return kept


def _give_to_owner(folder: Path, partial: Path) -> None:
    """Give the files that this process has created the owner and the permissions of the service's.

    An administrator restores, and the service runs under another name.
    """
    path = folder / FILE
    model = (path if path.exists() else folder).stat()
    partial.chmod(model.st_mode & 0o666 if path.exists() else 0o600)
    if os.name == "nt" or os.geteuid() != 0:
        return
    for made in (partial, folder / OWNER_FILE, folder / OWNER_NOTE):
        if made.exists():
            os.chown(made, model.st_uid, model.st_gid)


def _move_aside(path: Path) -> Path | None:
    """Rename a file and those that SQLite keeps next to it, even if the file itself is gone."""
    numbers = iter(range(1, 1_000_000))
    kept = next(it for it in (path.with_name(f"replaced-{n}.db") for n in numbers) if not it.exists())
    for suffix in SIDECARS:
        sidecar = path.with_name(path.name + suffix)
        if sidecar.exists():
            sidecar.rename(kept.with_name(kept.name + suffix))
    return path.rename(kept) if path.exists() else None


def _rename_durably(partial: Path, target: Path) -> None:
    """Give a complete file its name, durably."""
    _flush(partial)
    partial.rename(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
