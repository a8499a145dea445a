"""The SQLite file's outbox: notifications that are pending, one row per target, and dead letters.

Rules of this file: those of `fanin.aggregator.engines.sqlite.store`.
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from fanin.aggregator.engine import OutboxEntry, OutboxPage
from fanin.aggregator.engines.sqlite.outbox_port import DeadLettered, Failed, OutboxRow
from fanin.aggregator.engines.sqlite.unreadable import (
    UnreadableRowError,
    UnreadableRows,
    decode_notification,
    text_of,
)
from fanin.aggregator.errors import MalformedError, quoted
from fanin.aggregator.fanin import Notification, OperationId
from fanin.aggregator.notify.retry_policy import BACKOFF_MS_MAX, PAUSE_MS_MAX
from fanin.aggregator.notify.retry_record import RetryRecord

# Two integers of SQLite, with a dot between them.
_TOKEN = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})")
_INTEGER_MAX = 2**63 - 1

_encoder = msgspec.json.Encoder()
# Which of the two tables a page's token continues.
_PENDING, _DEAD = 0, 1


def split(after: str | None) -> tuple[int, int]:
    """The two integers of a page's token; without a token, integers that are less than all others.

    Raises:
        MalformedError: it is no such token.
    """
    if after is None:
        return -1, -1
    match = _TOKEN.fullmatch(after)
    order, n = map(int, match.groups()) if match else (-1, -1)
    if not (match and max(order, n) <= _INTEGER_MAX):
        raise MalformedError(f"after={quoted(after)} is not what a page gave as its next")
    return order, n


# With the token that asks for what follows; None in place of an entry that cannot be read.
class Selection(NamedTuple):
    """Entries of one target, of one operation, or of both; at least one is given."""

    target: str | None
    operation: OperationId | None


# When a paused notification is due: later than any clock says, and within what JSON can hold.
PAUSED_MS = 1 << 53


type _Entry = tuple[str, OutboxEntry | None]


# Of nearly all notifications: they have not been attempted yet.
_UNATTEMPTED = RetryRecord()


def _record(attempts: int, tried_ms: int, error: bytes | None) -> RetryRecord:
    if error is None and not attempts and not tried_ms:
        return _UNATTEMPTED
    return RetryRecord(attempts=attempts, tried_ms=tried_ms, error=None if error is None else text_of(error))


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The first and the last number of each run of numbers that follow one another."""
    runs: list[tuple[int, int]] = []
    for n in sorted(numbers):
        first, last = runs[-1] if runs else (n, n)
        if runs and n <= last + 1:
            runs[-1] = first, n
        else:
            runs.append((n, n))
    return runs


class OutboxTable:
    """Pending notifications and dead letters. The caller begins and ends transactions."""

    def __init__(self, db: sqlite3.Connection, unreadable: UnreadableRows) -> None:
        self._db, self._unreadable = db, unreadable

    # --- pending ---

    def enqueue(self, entries: Iterable[tuple[Notification, Sequence[str]]]) -> dict[str, list[OutboxRow]]:
        """Add notifications, one row for each of their targets; return the rows by target."""
        rows = []
        for notification, targets in entries:
            text = _encoder.encode(notification).decode()
            rows += [(target, notification, text) for target in targets]
        if not rows:
            return {}
        query = "INSERT INTO outbox (target, operation, notify) VALUES (?, ?, ?)"
        values = [(target, notification.operation_id, text) for target, notification, text in rows]
        last = values.pop()
        if values:
            self._db.executemany(query, values)
        # The numbers of one transaction follow one another: AUTOINCREMENT adds one to the largest ever.
        number = self._db.execute(query, last).lastrowid or 0
        found: dict[str, list[OutboxRow]] = {}
        for n, (target, notification, _) in enumerate(rows, number - len(values)):
            found.setdefault(target, []).append(OutboxRow(n, notification))
        return found

    def unattempted(self, *, target: str, after: int, limit: int) -> list[OutboxRow]:
        """Notifications that were never attempted, in order."""
        return self._rows(
            "WHERE n > ? AND due_ms IS NULL AND target = ? ORDER BY n LIMIT ?",
            (after, target, limit),
        )

    def newest_number(self) -> int:
        """The number of the newest notification, 0 when there is none."""
        return self._integer("SELECT max(n) FROM outbox") or 0

    def due_retries(self, *, target: str, now_ms: int, limit: int) -> list[OutboxRow]:
        """Notifications that failed before and are due again, the longest overdue first.

        One that is due later than the longest pause allows was rescheduled before the clock was set back; it
        is due now.
        """
        due = "WHERE target = ? AND due_ms > ? AND due_ms <= ? ORDER BY due_ms LIMIT ?"
        rows = self._rows(due, (target, -1, now_ms, limit))
        misplaced_ms = now_ms + PAUSE_MS_MAX
        return rows + self._rows(due, (target, misplaced_ms, PAUSED_MS - 1, limit - len(rows)))

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        """When the next one that is not due yet will be due."""
        return self._integer(
            "SELECT min(due_ms) FROM outbox WHERE target = ? AND due_ms > ? AND due_ms < ?",
            target,
            now_ms,
            PAUSED_MS,
        )

    def bring_forward(self, now_ms: int) -> int:
        """Let no repetition wait longer than the longest pause of our own; return how many would have.

        Such a one was scheduled before the clock was set back, or its receiver asked for a longer pause: at a
        start that cannot be told apart, and asking such a receiver too early costs one attempt.
        """
        limit_ms = now_ms + BACKOFF_MS_MAX * 6 // 5
        query = "UPDATE outbox SET due_ms = ? WHERE due_ms > ? AND due_ms < ?"
        return self._db.execute(query, (limit_ms, limit_ms, PAUSED_MS)).rowcount

    def delete_delivered(self, numbers: Sequence[int]) -> int:
        """Delete notifications that were accepted; return how many were there. Some may be discarded."""
        runs = _runs(numbers)  # nearly always one, which costs half of as many deletions of one row
        return self._db.executemany("DELETE FROM outbox WHERE n BETWEEN ? AND ?", runs).rowcount

    def reschedule(self, failures: Iterable[Failed]) -> None:
        """Write the time of the next attempt at notifications that failed. One that is paused stays so."""
        self._db.executemany(
            "UPDATE outbox SET attempts = ?, tried_ms = ?, due_ms = iif(due_ms = ?, due_ms, ?), error = ?"
            " WHERE n = ?",
            [(it.attempts, it.tried_ms, PAUSED_MS, it.due_ms, it.error, n) for n, it in failures],
        )

    def oldest_decided_ms(self) -> int | None:
        """When the oldest pending notification was decided; None when the outbox is empty."""
        rows = self._rows("ORDER BY n LIMIT 1", ())
        return rows[0].notification.decided_ms if rows else None

    # --- dead ---

    def dead_letter(self, dead: Sequence[DeadLettered]) -> int:
        """Make dead letters of notifications that will not be attempted again; return how many were there."""
        self._db.executemany(
            "INSERT INTO dead_letter (target, operation, notify, attempts, dead_ms, error)"
            " SELECT target, operation, notify, ?, ?, ? FROM outbox WHERE n = ?",
            [(it.attempts, it.dead_ms, it.error, n) for n, it in dead],
        )
        return self.delete_delivered([n for n, _ in dead])

    def last_dead_letter(self) -> int:
        """The number of the newest dead letter, 0 when there is none."""
        return self._integer("SELECT max(n) FROM dead_letter") or 0

    def requeue(
        self,
        *,
        targets: Sequence[str],
        operation: OperationId | None,
        upto: int,
        limit: int,
    ) -> list[str]:
        """Move dead letters to the outbox's end, as if never attempted; return their targets.

        Args:
            targets: Only those of these targets.
            operation: Only those of this one, if given.
            upto: Only those up to this number.
            limit: No more than so many at once.
        """
        found: list[tuple[int, str]] = []
        for target in targets:
            where = Selection(target, operation)
            found += [(n, target) for n in self._selected("dead_letter", where, upto, limit - len(found))]
        self._db.executemany(
            "INSERT INTO outbox (target, operation, notify)"
            " SELECT target, operation, notify FROM dead_letter WHERE n = ?",
            [(n,) for n, _ in found],
        )
        self._db.executemany("DELETE FROM dead_letter WHERE n = ?", [(n,) for n, _ in found])
        return [target for _, target in found]

    # --- both ---

    def discard(
        self, selection: Selection, *, pending_upto: int, dead_upto: int, limit: int
    ) -> tuple[int, int]:
        """Delete pending notifications and dead letters; return how many of each.

        Args:
            selection: Which ones.
            pending_upto: Only pending ones up to this number.
            dead_upto: Only dead letters up to this number.
            limit: No more than so many at once.
        """
        pending = self._selected("outbox", selection, pending_upto, limit)
        self.delete_delivered(pending)
        dead = self._selected("dead_letter", selection, dead_upto, limit - len(pending))
        self._db.executemany("DELETE FROM dead_letter WHERE n = ?", [(n,) for n in dead])
        return len(pending), len(dead)

    def _selected(self, table: str, selection: Selection, upto: int, limit: int) -> list[int]:
        """The numbers of a table's rows, found by an index: by operation, where one is given."""
        chosen = {name: value for name, value in selection._asdict().items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in chosen)
        rows = self._db.execute(
            f"SELECT n FROM {table} WHERE {where} AND n <= ? ORDER BY n LIMIT ?",  # noqa: S608 - our own words
            (*chosen.values(), upto, limit),
        )
        return [n for (n,) in rows]

    def paused(self) -> frozenset[str]:
        """The targets that are paused."""
        return frozenset(target for (target,) in self._db.execute("SELECT target FROM paused_target"))

    def set_operation_paused(self, selection: Selection, *, paused: bool, now_ms: int) -> list[str]:
        """Pause the pending notifications of an operation, or resume them; return their targets."""
        query = "SELECT n, target FROM outbox WHERE operation = ? AND (? IS NULL OR target = ?)"
        query += " AND due_ms IS NOT ?" if paused else " AND due_ms = ?"
        values = (selection.operation, selection.target, selection.target, PAUSED_MS)
        found = self._db.execute(query, values).fetchall()
        due_ms = PAUSED_MS if paused else now_ms
        self._db.executemany("UPDATE outbox SET due_ms = ? WHERE n = ?", [(due_ms, n) for n, _ in found])
        return [target for _, target in found]

    def set_paused(self, target: str, *, paused: bool) -> None:
        """Pause a target, or resume it."""
        if paused:
            self._db.execute("INSERT OR IGNORE INTO paused_target VALUES (?)", (target,))
        else:
            self._db.execute("DELETE FROM paused_target WHERE target = ?", (target,))

    def page(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:
        """A page of entries, dead letters after the pending; those that cannot be read are left out.

        Raises:
            MalformedError: ``after`` is no such token.
        """
        table, n = split(after)
        found: list[_Entry] = []
        if not dead and table <= _PENDING:
            found = self._entries(_PENDING, "outbox", "due_ms, NULL", n, limit)
            n = 0
        if dead is not False and len(found) < limit:
            found += self._entries(_DEAD, "dead_letter", "NULL, dead_ms", n, limit - len(found))
        return OutboxPage(
            [entry for _, entry in found if entry], found[-1][0] if len(found) == limit else None
        )

    def counts(self) -> tuple[int, int]:
        """How many notifications are pending, and how many dead letters there are."""
        pending = self._integer("SELECT count(*) FROM outbox") or 0
        return pending, self._integer("SELECT count(*) FROM dead_letter") or 0

    def by_target(self) -> dict[str, tuple[int, int]]:
        """How many notifications are pending, and how many are dead letters, by target."""
        rows = self._db.execute(
            "SELECT CAST(target AS BLOB), sum(pending), sum(dead) FROM ("
            " SELECT target, count(*) AS pending, 0 AS dead FROM outbox GROUP BY target"
            " UNION ALL SELECT target, 0, count(*) FROM dead_letter GROUP BY target)"
            " GROUP BY target ORDER BY target"
        )
        return {text_of(target): (pending, dead) for target, pending, dead in rows}

    def _entries(self, kind: int, table: str, times: str, n: int, limit: int) -> list[_Entry]:
        rows = self._db.execute(
            "SELECT n, CAST(target AS BLOB), CAST(operation AS BLOB), CAST(notify AS BLOB), attempts,"  # noqa: S608 - our own words
            f" CAST(error AS BLOB), {times} FROM {table} WHERE n > ? ORDER BY n LIMIT ?",
            (n, limit),
        )
        entries: list[_Entry] = []
        for number, target, operation, notify, attempts, error, due_ms, dead_ms in rows:
            reason = None if error is None else text_of(error)
            paused = due_ms == PAUSED_MS
            record = RetryRecord(
                attempts=attempts, due_ms=None if paused else due_ms, error=reason, dead_ms=dead_ms
            )
            entry = None
            try:
                entry = OutboxEntry.of(text_of(target), decode_notification(operation, notify), record)
                entry = entry._replace(paused=paused)
            except UnreadableRowError as exc:
                self._unreadable.note(table, number, operation, exc)
            entries.append((f"{kind}.{number}", entry))
        return entries

    def _rows(self, where: str, values: tuple[int | str, ...]) -> list[OutboxRow]:
        """Rows of the outbox. Those that cannot be read become dead letters, and the next ones are read."""
        columns = "n, CAST(operation AS BLOB), CAST(notify AS BLOB), attempts, tried_ms, CAST(error AS BLOB)"
        query = f"SELECT {columns} FROM outbox {where}"  # noqa: S608 - our own words
        while True:
            found, unreadable = [], []
            for n, operation, notify, attempts, tried_ms, error in self._db.execute(query, values):
                try:
                    notification = decode_notification(operation, notify)
                except UnreadableRowError as exc:
                    self._unreadable.note("outbox", n, operation, exc)
                    unreadable.append((n, str(exc)))
                else:
                    found.append(OutboxRow(n, notification, _record(attempts, tried_ms, error)))
            if not unreadable:
                return found
            self._set_aside(unreadable)

    def _set_aside(self, rows: Sequence[tuple[int, str]]) -> None:
        """Make dead letters of rows that cannot be read, in a transaction of their own."""
        dead_ms = self._unreadable.now_ms()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT INTO dead_letter (target, operation, notify, attempts, dead_ms, error)"
                " SELECT target, operation, notify, attempts, ?, ? FROM outbox WHERE n = ?",
                [(dead_ms, f"the row cannot be read: {reason}", n) for n, reason in rows],
            )
            self.delete_delivered([n for n, _ in rows])
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._unreadable.changed = True

    def _integer(self, query: str, *values: int | str) -> int | None:
        value: int | None = self._db.execute(query, values).fetchone()[0]
        return value
