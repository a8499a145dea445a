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

    What is left is reckoned from what is done: an estimate, since scenarios differ.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._shown = sys.stderr.isatty()
        self._began_s = time.monotonic()

    def show(self) -> None:
        """Write how much is done, and how long the rest may take."""
        self._write(f"{_WIPE}{self._done}/{self._total}{self._left()}")

    def advance(self) -> None:
        """Count one more, and remove the line so that a result can be printed."""
        self._done += 1
        self.wipe()

    def wipe(self) -> None:
        """Remove the line."""
        self._write(_WIPE)

    def _left(self) -> str:
        """Nothing before a few are done, and nothing about the last seconds."""
        if self._done < _RECKONED_FROM:
            return ""
        spent_s = time.monotonic() - self._began_s
        left_s = round(spent_s / self._done * (self._total - self._done))
        if left_s < _LEFT_S_MIN:
            return ""
        minutes, seconds = divmod(left_s, 60)
        return f", about {f'{minutes}m' if minutes else ''}{seconds}s left"

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(text)
            sys.stderr.flush()
