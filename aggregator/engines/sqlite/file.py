"""The SQLite file as a whole: who owns it, whether it is ours and sound, its copies.

Rules of this file: a file that cannot be used is never changed, and the message says what it is and what to
do; one process owns a folder, and whoever only reads (a copy, a check) does so beside it.
"""

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fanin.aggregator.engines.sqlite.schema import APPLICATION_ID, MIGRATIONS, SCHEMA, VERSION
from fanin.aggregator.errors import StoreOwnedError, StoreUnusableError

FILE = "fanin.db"
OWNER_FILE = "fanin.owner"
OWNER_NOTE = "fanin.owner.txt"
NOTE_LENGTH_MAX = 120
# What SQLite keeps beside the file. A database with another one's log is destroyed.
SIDECARS = ("-wal", "-shm")

# How long SQLite itself waits for a lock. It blocks the event loop meanwhile, so the engine's own patience
# (which does not) is built of short waits like this one.
BUSY_MS = 50
CACHE_KIB = 16_384
# A file up to this size is looked through at every start: some tenths of a second. Larger ones only when
# somebody asks (`fanin serve --check`), because a start should take no longer with a million operations.
CHECK_BYTES_MAX = 64 << 20

_RESTORE = "put a copy back with `fanin restore`, or choose another folder"


class FileContents(NamedTuple):
    """What is in a file, in figures."""

    version: int
    operations: int
    waiting: int
    untold: int  # notifications that nobody has accepted
    size: int  # in bytes


@contextmanager
def unusable(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is opened into one sentence.

    Raises:
        StoreUnusableError: whatever it was.
    """
    try:
        yield
    except OSError as exc:
        raise StoreUnusableError(f"cannot use {exc.filename or path.parent}: {exc.strerror}") from exc
    except sqlite3.DatabaseError as exc:
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise StoreUnusableError(f"cannot open {path}: file is not a database; {_RESTORE}") from exc
        if code == sqlite3.SQLITE_CORRUPT:
            raise StoreUnusableError(f"{path} is damaged: {exc}; {_RESTORE}") from exc
        raise StoreUnusableError(f"cannot open {path}: {exc}") from exc


# --- the owner ---


def acquire(folder: Path) -> sqlite3.Connection:
    """Hold a lock that ends when the process does: an exclusive transaction that writes nothing.

    Raises:
        StoreUnusableError: another process holds it, or the folder or its files cannot be written.
    """
    _refuse_read_only(folder, folder / OWNER_FILE, folder / FILE)
    connection = sqlite3.connect(folder / OWNER_FILE, isolation_level=None, timeout=0)
    note = folder / OWNER_NOTE
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as exc:
        connection.close()
        if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise StoreOwnedError(
            f"{folder} is in use by another process{_noted(note)}: two would notify twice; "
            "stop the other one or choose another folder"
        ) from exc
    with suppress(OSError):  # it only makes the message above better
        note.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
    return connection


def _refuse_read_only(*paths: Path) -> None:
    """SQLite would open it for reading, and never notice that it can be written again."""
    for path in paths:
        if path.exists() and not os.access(path, os.W_OK):
            raise StoreUnusableError(f"{path} is read-only; make it writable or choose another folder")


def _noted(note: Path) -> str:
    """Who wrote the note of its ownership, as far as it can be read."""
    try:
        text = note.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return f" ({text[:NOTE_LENGTH_MAX]})" if text.isprintable() and text else ""


# --- opening ---


def open_store(path: Path) -> sqlite3.Connection:
    """The file, made if need be, looked through unless it is large, and of this version. For its owner.

    Raises:
        StoreUnusableError: not ours, from a newer version, or damaged.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000, cached_statements=64)
    try:
        version = _version(connection, path)
        if version and path.stat().st_size <= CHECK_BYTES_MAX:
            check_integrity(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit has reached the disk when it returns
        connection.execute(f"PRAGMA cache_size = {-CACHE_KIB}")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        if version:
            _migrate(connection, version)
        else:
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def check_integrity(connection: sqlite3.Connection, path: Path) -> None:
    """Read every page and compare it with its neighbours.

    Raises:
        StoreUnusableError: damaged.
    """
    (first,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if first != "ok":
        finding = " ".join(str(first).split())
        raise StoreUnusableError(f"{path} is damaged: {finding}; {_RESTORE}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the file's schema; 0 when it is empty.

    Raises:
        StoreUnusableError: somebody else has filled it, or a newer version of us.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        raise StoreUnusableError(f"{path} belongs to another program; choose another folder")
    if version > VERSION:
        raise StoreUnusableError(
            f"{path} was written by a newer version (schema {version}; this one reads {VERSION}): "
            "run that version, or restore a copy from before the upgrade"
        )
    return int(version) if tables else 0


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file of an earlier version up to this one, all of it or nothing."""
    if version == VERSION:
        return
    steps = "".join(MIGRATIONS[step] for step in range(version, VERSION))
    connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")


# --- beside the owner ---


@contextmanager
def open_readonly(path: Path) -> Iterator[sqlite3.Connection]:
    """Read a file that another process may be writing; neither waits for the other.

    Raises:
        StoreUnusableError: not there, not ours, or from a newer version.
    """
    with unusable(path):
        if not path.is_file():
            raise StoreUnusableError(f"there is no file {path}")
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            if not _version(connection, path):
                raise StoreUnusableError(f"{path} is empty")
            yield connection


def contents(connection: sqlite3.Connection, path: Path) -> FileContents:
    """Count what is there. Walks through an index of all operations."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    queries = (
        "SELECT count(*) FROM operation",
        "SELECT count(*) FROM operation WHERE outcome IS NULL",
        "SELECT count(*) FROM outbox",
    )
    operations, waiting, untold = (connection.execute(query).fetchone()[0] for query in queries)
    return FileContents(version, operations, waiting, untold, path.stat().st_size)


def copy(folder: Path, target: Path) -> FileContents:
    """Write a consistent copy of the folder's file, while it is used or not, and look it through.

    One read transaction sees one state, which writers do not wait for. The copy is one file, without a log
    beside it, and appears under its name only when it is whole and on the disk.

    Raises:
        StoreUnusableError: the file cannot be read, or the copy not be written, or it is there already.
    """
    path, partial = folder / FILE, target.with_name(target.name + ".partial")
    with unusable(target):
        if target.exists():
            raise StoreUnusableError(f"{target} is there already; choose another name")
        partial.unlink(missing_ok=True)
    try:
        with open_readonly(path) as source, unusable(target), closing(sqlite3.connect(partial)) as copied:
            source.backup(copied)
            copied.execute("PRAGMA journal_mode = DELETE")
            check_integrity(copied, partial)
            found = contents(copied, partial)
        with unusable(target):
            _settle(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return found


def restore(source: Path, folder: Path) -> tuple[FileContents, Path | None]:
    """Put a copy in the place of the folder's file; return what it holds, and where the old file is now.

    Raises:
        StoreUnusableError: the copy is not sound, or a process owns the folder.
    """
    with open_readonly(source) as copied:
        check_integrity(copied, source)
        found = contents(copied, source)
    path, partial = folder / FILE, folder / (FILE + ".partial")
    with unusable(path):
        folder.mkdir(parents=True, exist_ok=True)
        with closing(acquire(folder)):
            with open_readonly(source) as copied, closing(sqlite3.connect(partial)) as placed:
                copied.backup(placed)
                placed.execute("PRAGMA journal_mode = DELETE")
            kept = _set_aside(path)
            _settle(partial, path)
    return found, kept


def _set_aside(path: Path) -> Path | None:
    """Move a file away together with what belongs to it, also when the file itself is gone."""
    numbers = iter(range(1, 1_000_000))
    kept = next(it for it in (path.with_name(f"replaced-{n}.db") for n in numbers) if not it.exists())
    for suffix in SIDECARS:
        beside_it = path.with_name(path.name + suffix)
        if beside_it.exists():
            beside_it.rename(kept.with_name(kept.name + suffix))
    return path.rename(kept) if path.exists() else None


def _settle(partial: Path, target: Path) -> None:
    """Give a finished file its name, durably."""
    for flushed in (partial, partial.parent):
        descriptor = os.open(flushed, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if flushed is partial:
            partial.rename(target)
