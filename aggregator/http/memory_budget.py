"""How much memory the requests under way may hold together, and which of them gives way beyond it.

A limit for each connection alone leaves no limit for all: ten thousand of them may each hold a megabyte. The
largest gives way, so that a crowd of large requests that never end costs no webhook its place.
"""

from typing import Protocol

# A request of up to this size is no concern: webhooks have a thousandth of what a connection may hold.
FREE_BYTES = 16_384
# What all larger ones may hold together.
BYTES_MAX = 64 << 20


class Holder(Protocol):
    """A connection that holds more than `FREE_BYTES`."""

    @property
    def can_give_way(self) -> bool:
        """Whether it holds something that nobody has relied on yet."""
        ...

    def give_way(self) -> int:
        """Let go of it; return the bytes that it still holds. After that it cannot give way any more."""
        ...


class MemoryBudget:
    """Bytes by holder."""

    def __init__(self) -> None:
        self._held: dict[Holder, int] = {}
        self._total = 0

    def hold(self, holder: Holder, size: int) -> None:
        """Note what a holder has now; make the largest that can give way, until all have few enough again."""
        self._note(holder, size)
        while self._total > BYTES_MAX:
            candidates = [each for each in self._held if each.can_give_way]
            if not candidates:
                return
            largest = max(candidates, key=self._held.__getitem__)
            self._note(largest, largest.give_way())

    def release(self, holder: Holder) -> None:
        """Forget a holder, if it is one."""
        self._total -= self._held.pop(holder, 0)

    def _note(self, holder: Holder, size: int) -> None:
        self.release(holder)
        if size:
            self._held[holder] = size
            self._total += size
