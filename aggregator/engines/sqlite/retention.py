"""Deletes outcomes whose retention is over: a few at a time, and none with a pending notification.

An operation whose notification is pending is kept beyond its retention: were it deleted, a late region would
start a second operation while the outcome of the first one is being sent. A dead letter keeps nothing.
"""

import asyncio
import logging
import sqlite3
from functools import partial

from fanin.aggregator import log
from fanin.aggregator.clock import Clock, longest_sleep_s
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.engines.sqlite.store_thread import StoreThread
from fanin.aggregator.engines.sqlite.unreadable import SET_ASIDE
from fanin.aggregator.errors import StoreError
from fanin.aggregator.notify.target import OUTCOMES

# How many rows a step reads, the pause between steps, and how often deletions are due.
STEP = 200
PAUSE_S = 0.05
GRAIN_MS = 60_000
# The pause after a failed deletion.
RETRY_S = 1.0

_BEGINNING = (-1, -1)
# As the file has them.
_OUTCOMES = (*map(str, OUTCOMES), SET_ASIDE)


class Retention:
    """Scans what was decided, from the oldest on, again and again."""

    def __init__(self, store: Store, retention_ms: int) -> None:
        self._store, self._retention_ms = store, retention_ms
        # Where the scan of each outcome stands. What is kept beyond its retention is read once per scan, so
        # that a step stays small however much of it there is.
        self._passed: dict[str, tuple[int, int]] = dict.fromkeys(_OUTCOMES, _BEGINNING)

    def step(self, now_ms: int) -> float | None:
        """Delete a few; return the seconds until the next step, or None when there are no outcomes."""
        oldest_ms = self._store.oldest_decided_ms()
        if oldest_ms is None:
            return None
        due_ms = -(-(oldest_ms + self._retention_ms + 1) // GRAIN_MS) * GRAIN_MS
        if now_ms < due_ms:
            return (due_ms - now_ms) / 1000
        ended = [self._scan(outcome, now_ms - self._retention_ms) for outcome in _OUTCOMES]
        if not all(ended):
            return PAUSE_S
        kept_ms = self._store.oldest_decided_ms()
        if kept_ms is not None and kept_ms < now_ms - self._retention_ms:
            return GRAIN_MS / 1000  # until its notification is accepted
        return PAUSE_S

    def _scan(self, outcome: str, before_ms: int) -> bool:
        """Take one step of the scan of one outcome; return whether it was the last one."""
        found = self._store.purgeable(outcome, before_ms=before_ms, after=self._passed[outcome], limit=STEP)
        if found:
            self._store.begin()
            self._store.purge([n for _, n in found])
            self._store.commit()
        ended = len(found) < STEP
        self._passed[outcome] = _BEGINNING if ended else found[-1]
        return ended


async def purge(
    retention: Retention, store: Store, *, thread: StoreThread, clock: Clock, has_decided: asyncio.Event
) -> None:
    """Delete outcomes whose retention is over, until cancelled.

    Args:
        retention: Deletes a few at a time.
        store: Which it deletes from.
        thread: Where it works.
        clock: Says what is over.
        has_decided: Set when there is a new outcome.
    """
    while True:
        has_decided.clear()
        try:
            async with thread.turn:
                rest_s = await thread.run(partial(_step, retention, store, clock.now_ms()))
        except (sqlite3.Error, StoreError) as exc:
            log.event(logging.WARNING, "not-purged", reason=exc)
            rest_s = RETRY_S
        if rest_s is None:
            await has_decided.wait()
        else:
            await asyncio.sleep(min(rest_s, longest_sleep_s(clock)))


def _step(retention: Retention, store: Store, now_ms: int) -> float | None:
    try:
        return retention.step(now_ms)
    except (sqlite3.Error, StoreError):
        store.rollback()
        raise
