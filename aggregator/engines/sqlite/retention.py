"""Forgets outcomes whose retention is over: a few at a time, and none of which somebody is still to be told.

An operation whose notification nobody has accepted yet is remembered beyond its retention: were it forgotten,
a late region would start it anew while its outcome is still on its way. A dead letter holds nothing back.
"""

from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.fanin import Phase
from fanin.aggregator.notify.target import OUTCOMES

# Forgotten in small steps, which leave room for arrivals, and by the minute.
STEP = 200
PAUSE_S = 0.05
GRAIN_MS = 60_000
NAP_S_MAX = 3_600.0

_BEGINNING = (-1, -1)


class Retention:
    """Walks through what was decided, from the oldest on, again and again."""

    def __init__(self, store: Store, retention_ms: int) -> None:
        self._store, self._retention_ms = store, retention_ms
        # Where the walk through each outcome stands. What is held back is passed once per walk, so that
        # however much of it there is, a step stays small.
        self._passed: dict[Phase, tuple[int, int]] = dict.fromkeys(OUTCOMES, _BEGINNING)

    def step(self, now_ms: int) -> float | None:
        """Forget a few; return for how many seconds to rest, or None when nothing will ever be due."""
        oldest_ms = self._store.oldest_decided_ms()
        if oldest_ms is None:
            return None
        due_ms = -(-(oldest_ms + self._retention_ms + 1) // GRAIN_MS) * GRAIN_MS
        if now_ms < due_ms:
            return min((due_ms - now_ms) / 1000, NAP_S_MAX)
        ended = [self._walk(outcome, now_ms - self._retention_ms) for outcome in OUTCOMES]
        if not all(ended):
            return PAUSE_S
        held = self._store.oldest_decided_ms()
        if held is not None and held < now_ms - self._retention_ms:
            return GRAIN_MS / 1000  # until somebody has accepted it
        return PAUSE_S

    def _walk(self, outcome: Phase, before_ms: int) -> bool:
        """Take one step through one outcome; return whether that was the last one of this walk."""
        found = self._store.forgettable(outcome, before_ms=before_ms, after=self._passed[outcome], limit=STEP)
        if found:
            self._store.begin()
            self._store.forget([n for _, n in found])
            self._store.commit()
        ended = len(found) < STEP
        self._passed[outcome] = _BEGINNING if ended else found[-1]
        return ended
