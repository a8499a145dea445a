"""SQLite in as few words as the chapters need."""

import sqlite3
from pathlib import Path
from typing import Any


class Store:
    """One file. A statement commits at once, unless it stands inside a `transaction`."""

    def __init__(self, folder: Path, tables: str) -> None:
        self._connection = sqlite3.connect(folder / "lesson.db", autocommit=True)
        # Each commit is flushed before it returns: an answer may follow it.
        self._connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {tables}")

    def __del__(self) -> None:
        # In a simulated world, a process that is killed leaves its connection to the garbage collector.
        self._connection.close()

    def transaction(self) -> "Transaction":
        """All statements inside take effect, or none."""
        return Transaction(self._connection)

    def changed(self, statement: str, *values: object) -> bool:
        """Execute a statement. Returns whether it changed a row."""
        return self._connection.execute(statement, values).rowcount > 0

    def one(self, query: str, *values: object) -> Any:
        """The only row, or None."""
        return self._connection.execute(query, values).fetchone()

    def all(self, query: str, *values: object) -> list[Any]:
        """All rows."""
        return self._connection.execute(query, values).fetchall()


class Transaction:
    """A context that commits when it ends, and rolls back when it raises."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
