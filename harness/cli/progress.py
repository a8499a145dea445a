"""Progress of several runs: one line on stderr, removed in the end.

Rules of this file: nothing is written unless stderr is a terminal; the line is wiped before any result is
printed, since both streams may be the same screen.
"""

import sys
import time

_WIPE = "\r\x1b[K"
_RECKONED_FROM, _LEFT_S_MIN = 3, 5  # runs that are done; seconds worth a word


class Progress:
    """Shows ``12/45``, and later ``12/45, about 30s left``, on the last line of a terminal.

    What is left is reckoned from what is done: an estimate, since scenarios differ. Where time is the limit,
    it is what is left of that.

    Args:
        total: How many there are; None where time is the limit.
        for_s: How long there is; None: as long as it takes.
    """

    def __init__(self, total: int | None, *, for_s: float | None = None) -> None:
        self._total, self._for_s, self._done = total, for_s, 0
        self._shown = sys.stderr.isatty()
        self._began_s = time.monotonic()

    def show(self) -> None:
        """Write how much is done, and how long the rest may take."""
        of = "" if self._total is None else f"/{self._total}"
        self._write(f"{_WIPE}{self._done}{of}{self._left()}")

    def advance(self) -> None:
        """Count one more, and remove the line so that a result can be printed."""
        self._done += 1
        self.wipe()

    def leave_out(self) -> None:
        """Count one less to do, and remove the line."""
        if self._total is not None:
            self._total -= 1
        self.wipe()

    def wipe(self) -> None:
        """Remove the line."""
        self._write(_WIPE)

    def _left(self) -> str:
        """Nothing before a few are done, and nothing about the last seconds."""
        if self._done < _RECKONED_FROM and self._for_s is None:
            return ""
        spent_s = time.monotonic() - self._began_s
        left = [self._for_s - spent_s] if self._for_s is not None else []
        if self._total is not None and self._done >= _RECKONED_FROM:
            left.append(spent_s / self._done * (self._total - self._done))
        left_s = round(min(left, default=0))
        if left_s < _LEFT_S_MIN:
            return ""
        minutes, seconds = divmod(left_s, 60)
        return f", about {f'{minutes}m' if minutes else ''}{seconds}s left"

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(text)
            sys.stderr.flush()
