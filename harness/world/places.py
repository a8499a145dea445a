"""Where code of an application does something: file and line, as the end of a sentence."""

import asyncio
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_HARNESS = str(Path(__file__).parents[1])
_STDLIB = sysconfig.get_path("stdlib")
_LIBRARIES = sysconfig.get_path("purelib")


def place_of(frame: FrameType | None) -> str:
    """`` at app.py:31, in push``; empty where no frame is an application's.

    The innermost frame of the application's own; of a library, if it has none.
    """
    return _first(_outwards(frame))


def place_here() -> str:
    """The same of the code that runs."""
    return place_of(sys._getframe(1))  # noqa: SLF001 - the documented way


def place_of_task(task: asyncio.Task[Any]) -> str:
    """The same of where a task waits."""
    frames: list[tuple[FrameType, int]] = []
    awaited: Any = task.get_coro()
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        frames.append((frame, frame.f_lineno))
        awaited = awaited.cr_await
    return _first(reversed(frames))


def place_in(traceback: TracebackType | None) -> str:
    """The same of where an exception comes from."""
    frames: list[tuple[FrameType, int]] = []
    while traceback is not None:
        frames.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    return _first(reversed(frames))


def _outwards(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
    while frame is not None:
        yield frame, frame.f_lineno
        frame = frame.f_back


def _first(frames: Iterator[tuple[FrameType, int]]) -> str:
    of_a_library = ""
    for frame, line in frames:
        path = frame.f_code.co_filename
        if path.startswith((_HARNESS, "<")) or "/simloop/" in path or _started_all(frame):
            continue
        if path.startswith(_LIBRARIES) or "/site-packages/" in path:
            of_a_library = of_a_library or _shown(frame, line)
        elif not path.startswith(_STDLIB):
            return _shown(frame, line)
    return of_a_library


def _started_all(frame: FrameType) -> bool:
    """Whether it is the script that was started, ``fanin`` for one: all that runs was called from there."""
    return frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__"


def _shown(frame: FrameType, line: int) -> str:
    return f" at {Path(frame.f_code.co_filename).name}:{line}, in {frame.f_code.co_name}"
