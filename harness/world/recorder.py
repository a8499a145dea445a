"""Writes the history while the world runs."""

from collections.abc import Callable, Sequence
from itertools import count

from fanin.harness.history import Entry


class Recorder:
    """The growing history of one run.

    Args:
        now_ms: The scenario's clock.
        before_write: Called before each entry is appended, with the entries so far. It must not change the
            world.
    """

    def __init__(
        self, now_ms: Callable[[], int], before_write: Callable[[Sequence[Entry]], None] = lambda _: None
    ) -> None:
        self.now_ms = now_ms
        self._before_write = before_write
        self.entries: list[Entry] = []
        self._closed = False
        self._attempts = count(1)
        self._posts = count(1)

    def write(self, entry: Entry) -> None:
        """Append an entry, unless the history is closed."""
        if not self._closed:
            self._before_write(self.entries)
            self.entries.append(entry)

    def close(self) -> None:
        """End the history: what still ends afterwards is not part of it."""
        self._closed = True

    def next_attempt(self) -> int:
        """A number for an attempt at a delivery, unique in the run."""
        return next(self._attempts)

    def next_post(self) -> int:
        """A number for a notification that the sink has received, unique in the run."""
        return next(self._posts)
