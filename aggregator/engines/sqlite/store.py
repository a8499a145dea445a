"""The SQLite file: its schema and every statement that touches it.

Rules of this file: it decides nothing; every call is one statement or a few on rows that an index finds; a
statement for many rows is prepared once and run for all of them. The caller begins and ends transactions.
"""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any, Self

import msgspec

from fanin.aggregator import log
from fanin.aggregator.engine import Page
from fanin.aggregator.engines.sqlite.copies import finish_restore
from fanin.aggregator.engines.sqlite.file import (
    FILE,
    acquire,
    connect_reader,
    free_bytes,
    open_store,
    opening,
    prove_room,
    size_of,
)
from fanin.aggregator.engines.sqlite.outbox import OutboxTable, split
from fanin.aggregator.engines.sqlite.schema import VERSION
from fanin.aggregator.engines.sqlite.unreadable import (
    SET_ASIDE,
    UnreadableRowError,
    UnreadableRows,
    decode_state,
    text_of,
)
from fanin.aggregator.errors import (
    StoreBusyError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreUnreadableError,
    StoreUnusableError,
)
from fanin.aggregator.fanin import FanIn, Phase
from fanin.aggregator.notify.target import OUTCOMES

StoredOperation = tuple[int, FanIn]  # an operation's row number and state

# Primary result codes of SQLite.
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NOT_WRITABLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}

LOG_SUFFIX = "-wal"
# SQLite tries a checkpoint when the log has so many pages, its default.
CHECKPOINT_PAGES = 1_000

# What `decode_state` needs of a row. A text that is no UTF-8 would fail the whole query, a BLOB does not.
_COLUMNS = "n, CAST(operation.id AS BLOB), deadline_ms, CAST(outcome AS BLOB), CAST(state AS BLOB)"

# What an operation's outcome can be, and for each of them the first entry of the index.
_DECIDED = (Phase.COMPLETED, Phase.TIMED_OUT, SET_ASIDE)
_OLDEST_DECIDED = "SELECT " + ", ".join(  # noqa: S608 - our own words
    "(SELECT min(decided_ms) FROM operation WHERE outcome = ?)" for _ in _DECIDED
)

_encoder = msgspec.json.Encoder()


def _text(value: FanIn | Sequence[str]) -> str:
    return _encoder.encode(value).decode()


class Store:
    """One open file. Not for use by several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the file in ``folder``, creating both if needed, and become its only owner.

        Raises:
            StoreUnusableError: in use, another program's, of a newer version, damaged, or not permitted.
        """
        self.path = folder / FILE
        with opening(self.path):
            self._owner = acquire(folder)
            try:
                if kept := finish_restore(folder):
                    log.event(logging.WARNING, "restore-finished", replaced=kept)
                connection = open_store(self.path)
            except BaseException:
                self._owner.close()
                raise
            self._identity = _identity(self.path)
            self.unreadable = UnreadableRows()
            self.use(connection)
            self._readers: list[sqlite3.Connection] = []

    def reader(self) -> Self:
        """The same file over a connection of its own, which sees what is committed; closed with this one.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        connection = connect_reader(self.path)
        self._readers.append(connection)
        reader = copy(self)
        reader.use(connection)
        return reader

    def use(self, connection: sqlite3.Connection) -> None:
        """Read and write over this connection."""
        self._db = connection
        self.outbox = OutboxTable(connection, self.unreadable)

    def close(self) -> None:
        """Close the file, and give up its ownership."""
        for reader in self._readers:
            reader.close()
        self._db.close()
        self._owner.close()

    # --- transactions ---

    def begin(self) -> None:
        """Take the write lock at once: a read lock that turns into one later can fail although it waited.

        Raises:
            StoreError: it is locked by another program, not writable, or no longer the file at its path.
        """
        self.check(room=False)  # a stat: what goes into a deleted file is lost, and must not be acknowledged
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as exc:
            raise store_error(exc, self.path) from exc

    def commit(self) -> None:
        """Make the transaction durable.

        Raises:
            sqlite3.Error: it may be committed or not.
        """
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, unless SQLite has done so by itself."""
        if self._db.in_transaction:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def check(self, *, room: bool = True) -> None:
        """Check that the file at the path is the open one, and, with ``room``, that webhooks have room.

        Raises:
            StoreError: one of them is not so.
        """
        if _identity(self.path) != self._identity:
            raise StoreUnusableError(
                f"{self.path} is not the file that is open: it was deleted or replaced, and what is stored"
                " now is lost at the next start; restart the service, or restore a copy"
            )
        if not room:
            return
        try:
            prove_room(self.path.parent)
        except OSError as exc:
            raise StoreFullError(f"{self.path.parent} has no room for webhooks: {exc.strerror}") from exc

    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        return size_of(self.path.with_name(self.path.name + LOG_SUFFIX))

    def free_bytes(self) -> int | None:
        """How much room the disk has; None when that is not known."""
        try:
            return free_bytes(self.path.parent)
        except OSError:
            return None

    def checkpoint(self) -> bool:
        """Move pages from the log to the file; return whether that could be done.

        SQLite does it with every thousandth page by itself, and reports no failure of that.
        """
        try:
            _, pages, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:
            return False
        return bool(pages == moved or pages < CHECKPOINT_PAGES)

    def touch(self) -> None:
        """Write one page, to prove that writing works."""
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    # --- operations ---

    def load(self, ids: Sequence[str]) -> dict[str, StoredOperation | StoreUnreadableError]:
        """The stored operations among ``ids``, by id; in place of one that cannot be read, the error."""
        rows = self._db.execute(
            f"SELECT wanted.value, {_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN operation"  # noqa: S608 - our own words
            " ON operation.id = wanted.value",
            (_text(ids),),
        )
        found: dict[str, StoredOperation | StoreUnreadableError] = {}
        for id_, *row in rows:
            state = self._decoded(row)
            found[id_] = (row[0], state) if state else StoreUnreadableError(self.path.name, id_, row[0])
        return found

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        """Waiting operations whose deadline has come, the longest overdue first.

        Those that cannot be read are set aside, in the caller's transaction.
        """
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM operation WHERE outcome IS NULL AND deadline_ms <= ?"  # noqa: S608 - our own words
            " ORDER BY deadline_ms LIMIT ?",
            (now_ms, limit),
        ).fetchall()
        states = [(row[0], self._decoded(row)) for row in rows]
        unreadable = [n for n, state in states if state is None]
        if unreadable:
            self.unreadable.changed = True
            self._db.executemany(
                "UPDATE operation SET outcome = ?, decided_ms = ? WHERE n = ?",
                [(SET_ASIDE, now_ms, n) for n in unreadable],
            )
        return [(n, state) for n, state in states if state]

    def _decoded(self, row: Sequence[Any]) -> FanIn | None:
        """An operation's state; None if the row cannot be read, which is counted and logged."""
        n, id_, deadline_ms, outcome, state = row
        try:
            return decode_state(id_, deadline_ms, None if outcome is None else text_of(outcome), state)
        except UnreadableRowError as exc:
            if outcome != SET_ASIDE.encode():  # it was counted at the start
                self.unreadable.note("operation", n, id_, exc)
            return None

    def next_deadline_ms(self) -> int | None:
        """The earliest deadline of a waiting operation."""
        return self._integer("SELECT min(deadline_ms) FROM operation WHERE outcome IS NULL")

    def insert(self, states: Iterable[FanIn]) -> None:
        """Insert operations."""
        self._db.executemany(
            "INSERT INTO operation (id, deadline_ms, outcome, decided_ms, state) VALUES (?, ?, ?, ?, ?)",
            [(it.operation_id, it.deadline_ms, _outcome(it), it.decided_ms, _text(it)) for it in states],
        )

    def update(self, known: Iterable[StoredOperation]) -> None:
        """Update operations whose outcome does not change."""
        self._db.executemany(
            "UPDATE operation SET state = ? WHERE n = ?", [(_text(state), n) for n, state in known]
        )

    def decide(self, known: Iterable[StoredOperation]) -> None:
        """Update operations that get their outcome. One that has an outcome keeps it."""
        self._db.executemany(
            "UPDATE operation SET state = ?, outcome = ?, decided_ms = ? WHERE n = ? AND outcome IS NULL",
            [(_text(state), _outcome(state), state.decided_ms, n) for n, state in known],
        )

    def renew(self, known: Iterable[StoredOperation]) -> None:
        """Update operations of which a generation has begun: they have another deadline, and wait again."""
        self._db.executemany(
            "UPDATE operation SET deadline_ms = ?, outcome = ?, decided_ms = ?, state = ? WHERE n = ?",
            [(it.deadline_ms, _outcome(it), it.decided_ms, _text(it), n) for n, it in known],
        )

    def page(self, phase: Phase | None, after: str | None, limit: int) -> Page:
        """A page of operations; those that cannot be read are left out.

        Raises:
            MalformedError: ``after`` is not the token of such a page.
        """
        order, n = split(after)
        values: tuple[int | str, ...] = (order, n)
        if phase is None:
            where, key, values = "n > ?", "0", (n,)
        elif phase is Phase.WAITING:
            where, key = "outcome IS NULL AND (deadline_ms, n) > (?, ?)", "deadline_ms"
        else:
            where, key = "outcome = ? AND (decided_ms, n) > (?, ?)", "decided_ms"
            values = (phase, order, n)
        by = "n" if phase is None else f"{key}, n"
        rows = self._db.execute(
            f"SELECT {key}, {_COLUMNS} FROM operation WHERE {where} ORDER BY {by} LIMIT ?",  # noqa: S608 - our own words
            (*values, limit),
        ).fetchall()
        states = [state for _, *row in rows if (state := self._decoded(row))]
        return Page(states, f"{rows[-1][0]}.{rows[-1][1]}" if len(rows) == limit else None)

    def latest(self, limit: int) -> list[FanIn]:
        """The operations that were decided last, newest first; those that cannot be read are left out."""
        # One statement for each outcome, which the index gives in order.
        rows = [
            row
            for outcome in OUTCOMES
            for row in self._db.execute(
                f"SELECT decided_ms, {_COLUMNS} FROM operation WHERE outcome = ?"  # noqa: S608 - our own words
                " ORDER BY decided_ms DESC, n DESC LIMIT ?",
                (outcome, limit),
            )
        ]
        rows.sort(key=lambda row: row[:2], reverse=True)
        return [state for _, *row in rows[:limit] if (state := self._decoded(row))]

    # --- retention, and figures ---

    def oldest_decided_ms(self) -> int | None:
        """When the oldest stored outcome was decided, Unix epoch."""
        row = self._db.execute(_OLDEST_DECIDED, _DECIDED).fetchone()
        return min((ms for ms in row if ms is not None), default=None)

    def purgeable(
        self, outcome: str, *, before_ms: int, after: tuple[int, int], limit: int
    ) -> list[tuple[int, int]]:
        """When and which operations were decided before ``before_ms``, in order, from behind ``after`` on."""
        rows = self._db.execute(
            "SELECT decided_ms, n FROM operation WHERE outcome = ? AND decided_ms < ?"
            " AND (decided_ms, n) > (?, ?) ORDER BY decided_ms, n LIMIT ?",
            (outcome, before_ms, *after, limit),
        )
        return rows.fetchall()

    def purge(self, numbers: Sequence[int]) -> int:
        """Delete operations with an outcome and without a pending notification; return how many."""
        return self._db.executemany(
            "DELETE FROM operation WHERE n = ? AND outcome IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.operation = operation.id)",
            [(n,) for n in numbers],
        ).rowcount

    def waiting_count(self) -> int:
        """How many operations wait."""
        return self._integer("SELECT count(*) FROM operation WHERE outcome IS NULL") or 0

    def set_aside_count(self) -> int:
        """How many operations were set aside because they could not be read."""
        return self._integer("SELECT count(*) FROM operation WHERE outcome = ?", SET_ASIDE) or 0

    def _integer(self, query: str, *values: int | str) -> int | None:
        value: int | None = self._db.execute(query, values).fetchone()[0]
        return value


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of the file at a path; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _outcome(state: FanIn) -> str | None:
    return None if state.phase is Phase.WAITING else state.phase.value


def store_error(exc: sqlite3.Error, path: Path) -> StoreError:
    """The error for a caller: whether to try again soon or later, or that it may have happened."""
    # The lower byte is the primary code; the rest says more than we act on. Errors of the module have none.
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _BUSY:
        return StoreBusyError(f"{path.name} is locked by another program; try again")
    if code in _NOT_WRITABLE:
        return StoreFullError(f"{path.name} cannot be written: {exc}")
    return StoreFailedError(f"{path.name}: {exc}")
