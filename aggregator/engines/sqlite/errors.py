"""What an error of SQLite means for the sender."""

import sqlite3
from pathlib import Path

from fanin.aggregator.errors import StoreBusyError, StoreError, StoreFailedError, StoreFullError

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NOT_WRITABLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}


def store_error(exc: sqlite3.Error, path: Path) -> StoreError:
    """The error that tells a caller whether to try again soon, later, or to expect that it happened."""
    # The lower byte is the primary code; the rest says more than we act on. Errors of the module have none.
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _BUSY:
        return StoreBusyError(f"{path.name} is locked by another program; try again")
    if code in _NOT_WRITABLE:
        return StoreFullError(f"{path.name} cannot be written: {exc}")
    return StoreFailedError(f"{path.name}: {exc}")
