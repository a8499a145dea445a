"""Reads what an aggregator has stored while it is played, as its operator would: ``/instances``, ``/outbox``.

Rules of this file: a run that is inspected is the same run, to the last scheduling choice; so it is read
between two records, without a task and without a turn of the loop. Only for applications that are ours.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from fanin.harness.history import Entry


class Readable(Protocol):
    """A target that can be asked at an instant."""

    def read(self, path: str) -> bytes | None:
        """The body of a 200 to a GET; None when there is none now."""


class Stored(msgspec.Struct, frozen=True):
    """What was stored at an instant. Instances and entries are as the HTTP API shows them."""

    entry: int  # it was read before this entry of the history was written, and after the one before it
    at: int  # the instant, from the scenario's start
    instances: list[dict[str, Any]] | None  # None: the aggregator was down, or does not show it
    outbox: list[dict[str, Any]] | None
    more: bool = False  # there are more instances than were read


class Inspector:
    """Reads once for each instant at which something was recorded.

    Args:
        key: The function key, where one is asked for.
        instances_max: So many instances are read, the oldest.
        every: Only the first of so many records leads to a reading, for runs of many operations.
    """

    def __init__(self, *, key: str = "", instances_max: int = 12, every: int = 1) -> None:
        code = f"&code={quote(key, safe='')}" if key else ""
        self._paths = tuple(f"/{name}?limit={instances_max}{code}" for name in ("instances", "outbox"))
        self._every, self._next_entry = every, 1
        self._last_at = -1
        self.found: list[Stored] = []

    def watching(
        self, targets: Sequence[Readable], now_ms: Callable[[], int]
    ) -> Callable[[Sequence[Entry]], None]:
        """What to call before each record, with those before it."""

        def before_write(entries: Sequence[Entry]) -> None:
            now = now_ms()
            if now == self._last_at or len(entries) < self._next_entry:
                return
            self._last_at, self._next_entry = now, len(entries) + self._every
            self.found.append(self._read(targets, len(entries), now))

        return before_write

    def _read(self, targets: Sequence[Readable], entry: int, at: int) -> Stored:
        for target in targets:
            instances, outbox = (_decoded(target.read(path)) for path in self._paths)
            if instances is not None:
                entries = outbox["entries"] if outbox is not None else None
                return Stored(
                    entry, at, instances["instances"], entries, more=instances.get("next") is not None
                )
        return Stored(entry, at, None, None)


def _decoded(body: bytes | None) -> dict[str, Any] | None:
    return None if body is None else msgspec.json.decode(body, type=dict[str, Any])
