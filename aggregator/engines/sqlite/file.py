"""The SQLite file as a whole: its owner, its integrity, its version.

Rules of this file: a file that cannot be used is never changed, and the message says what is wrong and what
to do; one process owns a folder, and a copy or a check reads the file without owning it. `copies` makes
copies, and puts them back.
"""

import errno
import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fanin.aggregator.engines.sqlite.schema import APPLICATION_ID, MIGRATIONS, SCHEMA, VERSION
from fanin.aggregator.errors import StoreOwnedError, StoreUnusableError

FILE = "fanin.db"
# Written and deleted at once, to prove that there is room: a transaction of one webhook writes up to 10 pages
# of 4 KiB, one of 256 webhooks that start and end operations about 250 KiB.
PROBE = "fanin.probe"
PROBE_BYTES = 256 << 10
OWNER_FILE = "fanin.owner"
OWNER_NOTE = "fanin.owner.txt"
NOTE_LENGTH_MAX = 120
# The files that SQLite keeps next to a database. A database with another one's log is destroyed.
SIDECARS = ("-wal", "-shm")

# How long SQLite itself waits for a lock. It blocks the event loop meanwhile, so it is short, and the engine
# repeats it with pauses that do not.
BUSY_MS = 50
CACHE_KIB = 16_384
# The integrity of a file up to this size is checked at every start: some tenths of a second. That of a larger
# one only by `fanin serve --check`, so that a start takes no longer with a million operations.
CHECK_BYTES_MAX = 64 << 20

# What to do about a file that cannot be used.
ANOTHER_FOLDER = "choose another folder"
PUT_BACK = f"put a copy back with `fanin restore`, or {ANOTHER_FOLDER}"


class FileContents(NamedTuple):
    """Figures of what a file contains."""

    version: int
    operations: int
    waiting: int
    pending: int  # notifications that are not accepted and not dead letters
    size: int  # in bytes


@contextmanager
def opening(path: Path, *, remedy: str = PUT_BACK) -> Iterator[None]:
    """Turn errors of opening a file into one sentence each, with what to do.

    Raises:
        StoreUnusableError: the file or its folder cannot be used.
    """
    try:
        yield
    except OSError as exc:
        raise StoreUnusableError(f"cannot use {exc.filename or path.parent}: {exc.strerror}") from exc
    except sqlite3.DatabaseError as exc:
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise StoreUnusableError(f"cannot open {path}: file is not a database; {remedy}") from exc
        if code == sqlite3.SQLITE_CORRUPT:
            raise StoreUnusableError(f"{path} is damaged: {exc}; {remedy}") from exc
        raise StoreUnusableError(f"cannot open {path}: {exc}") from exc


# --- room ---


def prove_room(folder: Path) -> None:
    """Write as much as a batch of webhooks may need, to a file of its own, and delete it.

    The database proves nothing itself: it writes over pages of its log that are no longer needed.

    Raises:
        OSError: there is not so much room.
    """
    probe = folder / PROBE
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        left = PROBE_BYTES
        while left:
            left -= os.write(descriptor, bytes(left))
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


def free_bytes(folder: Path) -> int:
    """How much the owner of the process may still write to the folder's disk."""
    return shutil.disk_usage(folder).free


def size_of(path: Path) -> int:
    """A file's size in bytes, 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


# --- the owner ---


def acquire(folder: Path) -> sqlite3.Connection:
    """Become the folder's owner, creating it if needed: hold a lock that ends with the process.

    The lock is an exclusive transaction that writes nothing.

    Raises:
        StoreUnusableError: another process holds it, or the folder or its files cannot be written.
    """
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
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
    with suppress(OSError):  # the note is only for the message above
        note.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
    return connection


def check_writable(folder: Path) -> None:
    """Check that the files in ``folder`` can be written, or be created with it. Nothing is changed.

    SQLite would open a read-only file, and not notice when it becomes writable.

    Raises:
        StoreUnusableError: something in the path's place is no folder, or not writable.
        OSError: the path cannot be looked at.
    """
    nearest = _nearest(folder.absolute())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
    refuse_read_only(nearest, os.W_OK | os.X_OK)
    for path in (folder / OWNER_FILE, folder / FILE):
        if path.exists():
            if not path.is_file():
                raise StoreUnusableError(f"{path} is not a file; choose another folder")
            refuse_read_only(path, os.W_OK)


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    for each in (path, *path.parents):
        with suppress(FileNotFoundError):
            each.stat()
            return each
    return path


def refuse_read_only(path: Path, mode: int) -> None:
    """Refuse a file or a folder of which this process lacks one of these permissions.

    Raises:
        StoreUnusableError: it lacks one.
    """
    if os.access(path, mode):
        return
    state = path.stat()
    owned = f"it belongs to user {state.st_uid}, with mode {state.st_mode & 0o7777:04o}"
    user = f" for user {os.geteuid()}" if sys.platform != "win32" else ""
    raise StoreUnusableError(
        f"{path} is read-only{user} ({owned}); make it writable or choose another folder"
    )


def _noted(note: Path) -> str:
    """The owner's note in parentheses, if it can be read."""
    try:
        text = note.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return f" ({text[:NOTE_LENGTH_MAX]})" if text.isprintable() and text else ""


# --- opening ---


def open_store(path: Path) -> sqlite3.Connection:
    """Open the file for its owner: create it if needed, check a small one's integrity, migrate it.

    Raises:
        StoreUnusableError: not ours, from a newer version, or damaged.
    """
    connection = _connect(path)
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


def _connect(path: Path) -> sqlite3.Connection:
    """Open a connection that several threads may use, one at a time."""
    return sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_MS / 1000, cached_statements=64, check_same_thread=False
    )


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open another connection to an open store's file. It sees what is committed, while a commit runs too.

    Its cache has SQLite's default size, 2 MiB: every commit of the other one empties it.
    """
    return _connect(path)


def check_integrity(connection: sqlite3.Connection, path: Path, *, remedy: str = PUT_BACK) -> None:
    """Read every page, and check that it is consistent with the others.

    Raises:
        StoreUnusableError: damaged.
    """
    (first,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if first != "ok":
        finding = " ".join(str(first).split())
        raise StoreUnusableError(f"{path} is damaged: {finding}; {remedy}")


def _version(connection: sqlite3.Connection, path: Path, *, another: str = ANOTHER_FOLDER) -> int:
    """The version of the file's schema; 0 when it is empty.

    Raises:
        StoreUnusableError: another program has written it, or a newer version of this one.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        raise StoreUnusableError(f"{path} belongs to another program; {another}")
    if version > VERSION:
        raise StoreUnusableError(
            f"{path} was written by a newer version (schema {version}; this one reads {VERSION}): "
            "run that version, or restore a copy from before the upgrade"
        )
    return int(version) if tables else 0


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Migrate a file of an earlier version to this one, in one transaction."""
    if version == VERSION:
        return
    steps = "".join(MIGRATIONS[step] for step in range(version, VERSION))
    connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")


# --- without owning ---


@contextmanager
def open_readonly(
    path: Path, *, remedy: str = PUT_BACK, another: str = ANOTHER_FOLDER
) -> Iterator[sqlite3.Connection]:
    """Open a file for reading that another process may be writing; neither waits for the other.

    Args:
        path: The file.
        remedy: What to do if it is damaged.
        another: What to do if it is something else, which is not to be replaced.

    Raises:
        StoreUnusableError: not there, no file, not ours, or from a newer version.
    """
    with opening(path, remedy=remedy):
        if not path.exists():
            raise StoreUnusableError(f"there is no file {path}")
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise StoreUnusableError(f"{path} is {what}; {another}")
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            if not _version(connection, path, another=another):
                raise StoreUnusableError(f"{path} is empty")
            yield connection


def contents(connection: sqlite3.Connection, path: Path) -> FileContents:
    """Count the rows of an open file. Scans an index of all operations."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    queries = (
        "SELECT count(*) FROM operation",
        "SELECT count(*) FROM operation WHERE outcome IS NULL",
        "SELECT count(*) FROM outbox",
    )
    operations, waiting, pending = (connection.execute(query).fetchone()[0] for query in queries)
    return FileContents(version, operations, waiting, pending, path.stat().st_size)
