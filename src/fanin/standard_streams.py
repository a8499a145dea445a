"""The standard streams of a program that was started without some of them, as ``fanin serve >&- 2>&-`` is.

A closed descriptor is the next one that the program opens: a socket would be its stdout, and be written to or
closed as that. And Python has no `sys.stdout` then, which every line that prints relies on.
"""

import os
import sys

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def open_closed() -> None:
    """Lead the standard streams that are closed to the null device; first thing in a program."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)  # for the processes that this one starts
    os.close(descriptor)
    if sys.stdin is None:
        sys.stdin = open(_STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    if sys.stderr is None:
        sys.stderr = open(_STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
