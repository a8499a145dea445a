"""Progress of several runs: one line on stderr, removed in the end.

Rules of this file: nothing is written unless stderr is a terminal; the line is wiped before any result is
printed, since both streams may be the same screen.
"""

import sys

_WIPE = "\r\x1b[K"


class Progress:
    """Shows ``12/45`` on the last line of a terminal."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._shown = sys.stderr.isatty()

    def show(self) -> None:
        """Write how much is done."""
        self._write(f"{_WIPE}{self._done}/{self._total}")

    def advance(self) -> None:
        """Count one more, and remove the line so that a result can be printed."""
        self._done += 1
        self.wipe()

    def wipe(self) -> None:
        """Remove the line."""
        self._write(_WIPE)

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(text)
            sys.stderr.flush()
