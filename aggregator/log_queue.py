"""A bounded queue of text for stderr, which a thread writes.

Rules of this file: adding never waits and never fails. What cannot be written, because the disk is full or
the reader is gone, and what does not fit, because the reader does not read, is dropped and counted.
"""

import os
import sys
import threading
from contextlib import suppress
from select import select

# How much may wait; how long lines gather for one write, so that a busy service is not woken for each.
QUEUE_CHARS_MAX = 1 << 20
GATHER_S = 0.02
# The pause after a write that failed, and how long the end of the process waits for what is queued.
RETRY_S = 1.0
FLUSH_S = 1.0


class LogQueue:
    """Text that waits to be written, and the thread that writes it."""

    def __init__(self) -> None:
        self.dropped = 0  # lines, since the start
        self._lock = threading.Lock()
        self._texts: list[str] = []
        self._size = 0  # characters that wait
        self._has_texts = threading.Event()
        self._idle = threading.Event()  # everything is written or dropped
        self._idle.set()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def add(self, text: str) -> bool:
        """Queue some lines; return whether there was room for them."""
        with self._lock:
            if self._size + len(text) > QUEUE_CHARS_MAX:
                self.dropped += text.count("\n")
                return False
            self._texts.append(text)
            self._size += len(text)
            if not self._has_texts.is_set():
                self._idle.clear()
                self._has_texts.set()
        return True

    def flush(self) -> None:
        """Wait until everything is written or dropped, `FLUSH_S` at most."""
        self._idle.wait(FLUSH_S)

    def close(self) -> None:
        """Write what is queued, if that can be done soon, and end the thread."""
        self.flush()
        self._closed.set()
        self._has_texts.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._has_texts.wait()
            with self._lock:
                text, self._texts, self._size = "".join(self._texts), [], 0
                self._has_texts.clear()
            pause_s = GATHER_S
            try:
                _write(text)
            except Exception:  # noqa: BLE001 - there is no place left to report it
                pause_s = RETRY_S
                with self._lock:
                    self.dropped += text.count("\n")
            with self._lock:
                if not self._texts:
                    self._idle.set()
            self._closed.wait(pause_s)


def _write(text: str) -> None:
    """Write all of it, however long that takes; this is the thread's, and nothing else waits for it.

    Raises:
        OSError: it cannot be written.
    """
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # none, closed, or replaced by one in memory
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
        return
    # Not through `sys.stderr`, whose lock the end of the process would wait for.
    left = memoryview(text.encode(errors="backslashreplace"))
    while left:
        with suppress(BlockingIOError):  # another process has made the file non-blocking for all
            left = left[os.write(descriptor, left) :]
            continue
        select([], [descriptor], [])
