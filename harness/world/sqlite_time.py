"""SQLite in virtual time: its clock (``datetime('now')``), and how long it waits for a lock of its own.

A connection that finds the database locked sleeps and tries again (``busy_timeout``). Both go through the
VFS, a table of functions that is part of SQLite's interface: two of them are replaced while a world runs.

Rules of this file: where the functions cannot be found, as in a Python with an SQLite of its own inside,
SQLite keeps real time.
"""

import ctypes
import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fanin.harness.world.simulated_threads import ProcessEndedError, simulated_here

# Julian day 0 to 1970, in milliseconds; SQLite counts from there.
_EPOCH_MS = 210_866_760_000_000
_OK = 0

_Sleep = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_CurrentTime = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))


class _Vfs(ctypes.Structure):
    """``sqlite3_vfs``, version 2, as sqlite.org/c3ref/vfs.html has it: part of its interface, so it stays."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("iVersion", "szOsFile", "mxPathname")),
        *((name, ctypes.c_void_p) for name in ("pNext", "zName", "pAppData")),
        *((name, ctypes.c_void_p) for name in ("xOpen", "xDelete", "xAccess", "xFullPathname")),
        *((name, ctypes.c_void_p) for name in ("xDlOpen", "xDlError", "xDlSym", "xDlClose")),
        *((name, ctypes.c_void_p) for name in ("xRandomness", "xSleep", "xCurrentTime", "xGetLastError")),
        ("xCurrentTimeInt64", ctypes.c_void_p),
    )


def is_possible() -> bool:
    """Whether this Python's SQLite can follow virtual time."""
    return _vfs() is not None


@contextmanager
def virtual() -> Iterator[None]:
    """Let SQLite follow virtual time."""
    vfs = _vfs()
    if vfs is None:
        yield
        return
    real = vfs.xSleep, vfs.xCurrentTimeInt64
    sleep, clock = _replacements(*real)
    vfs.xSleep, vfs.xCurrentTimeInt64 = sleep, clock
    try:
        yield
    finally:
        vfs.xSleep, vfs.xCurrentTimeInt64 = real


@functools.cache
def _vfs() -> Any:
    """The VFS that connections use; None where it cannot be had."""
    import _sqlite3

    try:
        find = ctypes.CDLL(getattr(_sqlite3, "__file__", None)).sqlite3_vfs_find
    except (OSError, AttributeError):
        return None
    find.restype, find.argtypes = ctypes.POINTER(_Vfs), [ctypes.c_char_p]
    found = find(None)
    return found.contents if found and found.contents.iVersion >= 2 else None  # noqa: PLR2004 - above


@functools.cache  # kept: SQLite has no reference that Python could count
def _functions(real_sleep: int, real_clock: int) -> tuple[Any, Any]:
    sleep_really, clock_really = _Sleep(real_sleep), _CurrentTime(real_clock)

    def sleep(vfs: int, microseconds: int) -> int:
        world = simulated_here()
        if world is None:
            return int(sleep_really(vfs, microseconds))
        with suppress(ProcessEndedError):  # it cannot pass through SQLite, which gives up a little later
            world.sleep(microseconds / 1_000_000)
        return microseconds

    def clock(vfs: int, into: Any) -> int:
        if simulated_here() is None:
            return int(clock_really(vfs, into))
        into[0] = _EPOCH_MS + int(time.time() * 1_000)
        return _OK

    return _Sleep(sleep), _CurrentTime(clock)


def _replacements(*real: int) -> tuple[int | None, ...]:
    return tuple(ctypes.cast(function, ctypes.c_void_p).value for function in _functions(*real))
