"""Progress of several runs, for somebody who waits: one line on stderr that is gone in the end.

Rules of this file: nothing is written unless stderr is a terminal; the line is wiped before any result is
printed, since both streams may be the same screen.
"""

import sys

_WIPE = "\r\x1b[K"


class Progress:
    """``12/45``, always on the last line."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._shown = sys.stderr.isatty()

    def show(self) -> None:
        """Say how far it is."""
        self._write(f"{_WIPE}{self._done}/{self._total}")

    def advance(self) -> None:
        """One more is done; make room for its line."""
        self._done += 1
        self.wipe()

    def wipe(self) -> None:
        """Leave no trace."""
        self._write(_WIPE)

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(text)
            sys.stderr.flush()
