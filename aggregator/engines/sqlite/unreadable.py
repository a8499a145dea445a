"""Rows of the SQLite file that cannot be read: recognised one by one, counted, and logged once each.

A damaged row must not stop the rest. It is set aside: a waiting operation gets the outcome `SET_ASIDE`, so
that no deadline looks at it again; a pending notification becomes a dead letter. Its text stays as it is.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from fanin.aggregator import log
from fanin.aggregator.clock import SYSTEM_CLOCK
from fanin.aggregator.errors import quoted
from fanin.aggregator.fanin import FanIn, Notification, OperationId, Phase

# The outcome of an operation whose state cannot be read. It is none that `Phase` has.
SET_ASIDE = "unreadable"
# How many rows are counted and logged; a file with more of them is restored, not read.
FOUND_MAX = 10_000
# The first instant that has no date of four digits, Unix epoch.
_INSTANT_MS_END = 253_402_300_800_000

_states = msgspec.json.Decoder(FanIn)
_notifications = msgspec.json.Decoder(Notification)


class UnreadableRowError(Exception):
    """A row that is not what this program writes."""


class Finding(NamedTuple):
    """One row that cannot be read, for a report."""

    table: str
    n: int
    operation: str
    reason: str


class UnreadableRows:
    """The rows that one process found unreadable."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # by table
        # What is read from the file must be counted again: rows have been set aside.
        self.changed = False
        self.now_ms: Callable[[], int] = SYSTEM_CLOCK.now_ms  # the engine sets its own clock
        self._found: set[tuple[str, int]] = set()

    def note(self, table: str, n: int, operation: object, reason: object) -> None:
        """Count and log a row, once."""
        if (table, n) in self._found or len(self._found) >= FOUND_MAX:
            return
        self._found.add((table, n))
        self.counts[table] += 1
        log.event(
            logging.ERROR, "row-unreadable", table=table, row=n, operation=text_of(operation), reason=reason
        )


def decode_state(id_: bytes, deadline_ms: int, outcome: str | None, state: bytes) -> FanIn:
    """Decode an operation's row, whose columns must agree with its state.

    Raises:
        UnreadableRowError: they do not, or the state is not one.
    """
    if outcome == SET_ASIDE:
        raise UnreadableRowError("it was set aside")
    found = _decoded(_states, state)
    phase = found.phase
    if (
        found.deadline_ms != deadline_ms
        or outcome != (None if phase is Phase.WAITING else phase)
        or found.operation_id.encode() != id_
    ):
        raise UnreadableRowError("the row's columns are not those of its state")
    _check_instants((found.started_ms, deadline_ms, found.decided_ms or 0, *found.arrived.values()))
    return found


def decode_notification(operation: object, notify: bytes) -> Notification:
    """Decode a row of the outbox or of the dead letters, whose columns must agree with its notification.

    Raises:
        UnreadableRowError: they do not, or it is no notification.
    """
    found = _decoded(_notifications, notify)
    if found.operation_id != text_of(operation):
        raise UnreadableRowError("the row's columns are not those of its notification")
    _check_instants((found.started_ms, found.deadline_ms, found.decided_ms))
    return found


def text_of(column: object) -> str:
    """A column as text. One that is cast to a BLOB can be read although it is no UTF-8."""
    return column.decode(errors="replace") if isinstance(column, bytes) else str(column)


def findings(connection: sqlite3.Connection, limit: int) -> tuple[int, list[Finding]]:
    """Read every row of a file; return how many are unreadable, and up to ``limit`` of them."""
    count, found = 0, []
    rows = connection.execute(
        "SELECT n, CAST(id AS BLOB), deadline_ms, CAST(outcome AS BLOB), CAST(state AS BLOB) FROM operation"
    )
    for n, id_, deadline_ms, outcome, state in rows:
        try:
            decode_state(id_, deadline_ms, None if outcome is None else text_of(outcome), state)
        except UnreadableRowError as exc:
            count += 1
            found += [_finding("operation", n, id_, exc)] * (count <= limit)
    for table in ("outbox", "dead_letter"):
        query = f"SELECT n, CAST(operation AS BLOB), CAST(notify AS BLOB) FROM {table}"  # noqa: S608 - our own
        for n, operation, notify in connection.execute(query):
            try:
                decode_notification(operation, notify)
            except UnreadableRowError as exc:
                count += 1
                found += [_finding(table, n, operation, exc)] * (count <= limit)
    return count, found


def _finding(table: str, n: int, operation: OperationId | bytes, reason: Exception) -> Finding:
    return Finding(table, n, quoted(text_of(operation)), str(reason))


def _decoded[T](decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise UnreadableRowError(str(exc)) from exc


def _check_instants(instants_ms: tuple[int, ...]) -> None:
    if min(instants_ms) < 0 or max(instants_ms) >= _INSTANT_MS_END:
        raise UnreadableRowError("an instant is out of range")
