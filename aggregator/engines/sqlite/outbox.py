"""The SQLite file's outbox: what is to be told to whom, and what was given up.

Rules of this file: those of `fanin.aggregator.engines.sqlite.store`. A notification is one row per target.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from fanin.aggregator.engine import OutboxEntry
from fanin.aggregator.engines.sqlite.dispatcher import Dead, Failed, Row
from fanin.aggregator.errors import MalformedError
from fanin.aggregator.fanin import Notification, OperationId
from fanin.aggregator.notify.retry_policy import PAUSE_MS_MAX

# Two integers of SQLite, 19 digits each, and a dot.
TOKEN_LENGTH_MAX = 39

_encoder = msgspec.json.Encoder()
_notifies = msgspec.json.Decoder(Notification)
# How the two tables are told apart in a page's token.
_LIVE, _DEAD = 0, 1


def split(after: str | None) -> tuple[int, int]:
    """The two integers of a page's token; what comes before everything when there is none.

    Raises:
        MalformedError: it is no such token.
    """
    if after is None:
        return -1, -1
    order, dot, n = after.partition(".")
    if not (dot and order.isdecimal() and n.isdecimal() and len(after) <= TOKEN_LENGTH_MAX):
        raise MalformedError(f"after={after[:40]!r} is not what a page gave as its next")
    return int(order), int(n)


class OutboxTable:
    """Live notifications and dead letters. Whoever calls begins and ends transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    # --- live ---

    def put(self, orders: Iterable[tuple[Notification, Sequence[str]]]) -> None:
        """Put notifications where they stay until each of their targets has accepted."""
        rows = []
        for notify, targets in orders:
            text = _encoder.encode(notify).decode()
            rows += [(target, notify.operation_id, text) for target in targets]
        self._db.executemany("INSERT INTO outbox (target, operation, notify) VALUES (?, ?, ?)", rows)

    def fresh(self, *, target: str, after: int, limit: int) -> list[Row]:
        """Notifications that were never attempted, in order."""
        return self._rows(
            "SELECT n, notify, attempts, tried_ms FROM outbox WHERE n > ? AND due_ms IS NULL AND target = ?"
            " ORDER BY n LIMIT ?",
            (after, target, limit),
        )

    def newest(self) -> int:
        """The number of the newest notification, 0 when there is none."""
        return self._integer("SELECT max(n) FROM outbox") or 0

    def retries(self, *, target: str, now_ms: int, limit: int) -> list[Row]:
        """Notifications that failed before and are due again, the longest overdue first.

        What would be due after a longer pause than there is, was put off before the clock was set back.
        """
        due = (
            "SELECT n, notify, attempts, tried_ms FROM outbox WHERE target = ? AND due_ms {} ?"
            " ORDER BY due_ms LIMIT ?"
        )
        rows = self._rows(due.format("<="), (target, now_ms, limit))
        misplaced_ms = now_ms + PAUSE_MS_MAX
        return rows + self._rows(due.format(">"), (target, misplaced_ms, limit - len(rows)))

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        """When the next one falls due that is not due yet."""
        return self._integer("SELECT min(due_ms) FROM outbox WHERE target = ? AND due_ms > ?", target, now_ms)

    def forget_told(self, numbers: Sequence[int]) -> None:
        """Notifications that were accepted."""
        self._db.executemany("DELETE FROM outbox WHERE n = ?", [(n,) for n in numbers])

    def postpone(self, failures: Iterable[Failed]) -> None:
        """Notifications that failed, with the time of their next attempt."""
        self._db.executemany(
            "UPDATE outbox SET attempts = ?, tried_ms = ?, due_ms = ?, error = ? WHERE n = ?",
            [(it.attempts, it.tried_ms, it.due_ms, it.error, it.n) for it in failures],
        )

    def oldest_decided_ms(self) -> int | None:
        """When the first in the row was decided; None when nobody is to be told."""
        row = self._db.execute("SELECT notify FROM outbox ORDER BY n LIMIT 1").fetchone()
        return None if row is None else _notifies.decode(row[0]).decided_ms

    # --- dead ---

    def bury(self, dead: Sequence[Dead]) -> None:
        """Notifications that were given up become dead letters."""
        self._db.executemany(
            "INSERT INTO dead_letter (target, operation, notify, attempts, dead_ms, error)"
            " SELECT target, operation, notify, ?, ?, ? FROM outbox WHERE n = ?",
            [(it.attempts, it.at_ms, it.error, it.n) for it in dead],
        )
        self.forget_told([it.n for it in dead])

    def last_dead(self) -> int:
        """The number of the dead letter that was given up last, 0 when there is none."""
        return self._integer("SELECT max(n) FROM dead_letter") or 0

    def revive(
        self,
        *,
        targets: Sequence[str],
        operation: OperationId | None,
        upto: int,
        limit: int,
    ) -> list[str]:
        """Put dead letters back at the outbox's end, as if never attempted; return their targets.

        Args:
            targets: Only those of these targets.
            operation: Only those of this one, if given.
            upto: Only those up to this number.
            limit: No more than so many at once.
        """
        found = self._db.execute(
            "SELECT n, target FROM dead_letter WHERE n <= ? AND (? IS NULL OR operation = ?)"
            " AND target IN (SELECT value FROM json_each(?)) ORDER BY n LIMIT ?",
            (upto, operation, operation, _encoder.encode(targets).decode(), limit),
        ).fetchall()
        self._db.executemany(
            "INSERT INTO outbox (target, operation, notify)"
            " SELECT target, operation, notify FROM dead_letter WHERE n = ?",
            [(n,) for n, _ in found],
        )
        self._db.executemany("DELETE FROM dead_letter WHERE n = ?", [(n,) for n, _ in found])
        return [target for _, target in found]

    # --- both ---

    def page(self, *, dead: bool | None, after: str | None, limit: int) -> list[tuple[str, OutboxEntry]]:
        """Letters with the token that asks for what follows them, the dead after the live.

        Raises:
            MalformedError: ``after`` is no such token.
        """
        table, n = split(after)
        found: list[tuple[str, OutboxEntry]] = []
        if not dead and table <= _LIVE:
            found = self._letters(_LIVE, "outbox", "due_ms, NULL", n, limit)
            n = 0
        if dead is not False and len(found) < limit:
            found += self._letters(_DEAD, "dead_letter", "NULL, dead_ms", n, limit - len(found))
        return found

    def counts(self) -> tuple[int, int]:
        """Notifications that nobody has accepted yet, and dead letters."""
        live = self._integer("SELECT count(*) FROM outbox") or 0
        return live, self._integer("SELECT count(*) FROM dead_letter") or 0

    def live_by_target(self) -> dict[str, int]:
        """How many are to be told, by target."""
        return dict(self._db.execute("SELECT target, count(*) FROM outbox GROUP BY target").fetchall())

    def _letters(
        self, kind: int, table: str, times: str, n: int, limit: int
    ) -> list[tuple[str, OutboxEntry]]:
        rows = self._db.execute(
            f"SELECT n, operation, target, notify, attempts, error, {times} FROM {table}"  # noqa: S608 - our own words
            " WHERE n > ? ORDER BY n LIMIT ?",
            (n, limit),
        )
        letters = []
        for number, operation, target, text, attempts, error, due_ms, dead_ms in rows:
            notify = _notifies.decode(text)
            letter = OutboxEntry(
                operation, target, notify.outcome, notify.key, attempts, due_ms, error, dead_ms
            )
            letters.append((f"{kind}.{number}", letter))
        return letters

    def _rows(self, query: str, values: tuple[int | str, ...]) -> list[Row]:
        rows = self._db.execute(query, values)
        return [
            Row(n, _notifies.decode(notify), attempts, tried_ms) for n, notify, attempts, tried_ms in rows
        ]

    def _integer(self, query: str, *values: int | str) -> int | None:
        value: int | None = self._db.execute(query, values).fetchone()[0]
        return value
