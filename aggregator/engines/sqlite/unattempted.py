"""A target's notifications that were never attempted, in order: as the commits bring them, or from the table.

Rules of this file: a row that is committed is found, and found once. What a commit brings is used only while
nothing is in the table that has not been read before it; memory is bounded, because the table has the rest.
"""

from collections import deque
from collections.abc import Sequence

from fanin.aggregator.engines.sqlite.outbox_port import Outbox, OutboxRow

# How many rows are read at once, and how many may wait here.
CHUNK = 64
KEPT_MAX = 512


class UnattemptedRows:
    """A queue of one target's rows."""

    def __init__(self, outbox: Outbox, target: str) -> None:
        self._outbox, self._target = outbox, target
        self._rows: deque[OutboxRow] = deque()
        self._newest = 0  # the last row that has been in the queue
        self._taken = 0  # the last row that has been taken out of it
        self._is_behind = True  # the table may have rows after the newest

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, rows: Sequence[OutboxRow]) -> None:
        """Take rows that a commit has added to the table, unless others must be read before them."""
        if self._is_behind or len(self._rows) + len(rows) > KEPT_MAX:
            self._is_behind = True
            return
        for row in rows:
            if (
                row.n > self._newest
            ):  # the table is read by another connection, maybe before we hear of a commit
                self._newest = row.n
                self._rows.append(row)

    def look(self) -> None:
        """The table may have rows that no commit has brought here."""
        self._is_behind = True

    def forget(self) -> None:
        """Rows that wait here may have changed in the table: read them again."""
        self._rows.clear()
        self._newest, self._is_behind = self._taken, True

    def take(self) -> OutboxRow:
        """The next row; there is one."""
        row = self._rows.popleft()
        self._taken = row.n
        return row

    def read(self) -> None:
        """Read what follows in the table, if there may be something.

        Raises:
            StoreError: the table cannot be read.
        """
        if not self._is_behind:
            return
        # Before the rows: one that is committed between the two statements must not be skipped.
        newest = self._outbox.newest_number()
        rows = self._outbox.unattempted(target=self._target, after=self._newest, limit=CHUNK)
        self._is_behind = len(rows) == CHUNK
        self._rows.extend(rows)
        # Rows that failed are not looked through again: a long outage leaves many.
        self._newest = rows[-1].n if rows else max(self._newest, newest)
        if not self._rows:
            self._taken = self._newest
