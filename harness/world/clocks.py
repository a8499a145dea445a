"""Clocks that only go forward, in virtual time: ``time.monotonic()``, ``time.perf_counter()`` and their kin.

time-machine lets the wall clock follow virtual time, and leaves these alone. They show the running loop's
time, as on a machine that is never suspended: setting the wall clock does not move them.

Rules of this file: a module that has imported such a function by name gets the other one as well, except the
standard library (`simulated_locks` has its own clock for it) and what belongs to the harness.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from fanin.harness.world.imported_names import ImportedNames

_NAMES = ("monotonic", "perf_counter", "monotonic_ns", "perf_counter_ns")
_BY_NUMBER = ("clock_gettime", "clock_gettime_ns")
_REAL: dict[str, Callable[..., Any]] = {name: getattr(time, name) for name in (*_NAMES, *_BY_NUMBER)}
# Numbers of those that only go forward. The wall clock's is time-machine's concern; processor time is real.
_STEADY = {
    getattr(time, name)
    for name in ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME", "CLOCK_UPTIME_RAW")
    if hasattr(time, name)
}

_clocks: list[Callable[[], float]] = []  # of the worlds that run, the innermost last
_names = ImportedNames(_REAL)


def _in_seconds(name: str) -> Callable[[], float]:
    real = _REAL[name]
    return lambda: _clocks[-1]() if _clocks else real()


def _in_nanoseconds(name: str) -> Callable[[], int]:
    real = _REAL[name]
    # Rounded to microseconds first, as everywhere: 1.001 s is not a nanosecond less.
    return lambda: round(_clocks[-1]() * 1_000_000) * 1_000 if _clocks else real()


def _by_number(name: str) -> Callable[[int], Any]:
    real, steady = _REAL[name], _VIRTUAL["monotonic_ns" if name.endswith("_ns") else "monotonic"]
    return lambda number: steady() if _clocks and number in _STEADY else real(number)


# Code that imports one of them by name while a world runs keeps it, so each still works afterwards.
_VIRTUAL: dict[str, Callable[..., Any]] = {
    name: (_in_nanoseconds if name.endswith("_ns") else _in_seconds)(name) for name in _NAMES
}
_VIRTUAL |= {name: _by_number(name) for name in _BY_NUMBER}


def time_machine() -> ModuleType:
    """The library for the wall clock, without pytest: importing that takes longer than many runs.

    It would import it wherever it is installed. In a process of pytest's it is there already, and is used.
    """
    loaded = sys.modules.get("pytest")
    sys.modules["pytest"] = loaded  # type: ignore[assignment]  # None: it cannot be imported
    try:
        return import_module("time_machine")
    finally:
        if loaded is None:
            del sys.modules["pytest"]


@contextmanager
def virtual(clock: Callable[[], float]) -> Iterator[None]:
    """Let the clocks show what ``clock`` returns, in seconds."""
    _clocks.append(clock)
    _set(_VIRTUAL)
    try:
        with _names.put(_VIRTUAL):
            yield
    finally:
        _clocks.pop()
        if not _clocks:
            _set(_REAL)


def _set(functions: dict[str, Callable[..., Any]]) -> None:
    for name, function in functions.items():
        setattr(time, name, function)
