"""Exceptions that escape an application in process: the first in each of its lives, as text.

Rules of this file: text only, so that no frame of the application outlives its run; nothing here is part of a
history, because paths and addresses differ between machines.
"""

import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from fanin.simulator.instants import clock

_PACKAGE = Path(__file__).resolve().parents[1]
_STDLIB = Path(sysconfig.get_path("stdlib")).resolve()
_FRAMES_MAX = 12  # the innermost


@dataclass(frozen=True, slots=True)
class AppError:
    """The first exception of one life.

    Attributes:
        life: Which start it was, from 1.
        at: When it escaped, in milliseconds of scenario time.
        summary: ``KeyError: 'id' (app.py:31, in push)``.
        traceback: As Python prints it, without the frames of libraries that lie between.
    """

    life: int
    at: int
    summary: str
    traceback: str

    @property
    def text(self) -> str:
        """What reports show: one line that says what and when, then the traceback."""
        return f"life {self.life}, at {clock(self.at)}: {self.summary}\n{self.traceback}"


class AppErrors:
    """Collects the first exception of each life."""

    def __init__(self) -> None:
        self.found: list[AppError] = []
        self._life = 0
        self._ended = False

    def begin_life(self) -> None:
        """Count one more start."""
        self._life += 1
        self._ended = False

    def end_life(self) -> None:
        """Take no more until the next start: what is raised because tasks are cancelled is not its fault."""
        self._ended = True

    def take(self, exc: BaseException, at: int) -> None:
        """Keep the exception, unless this life has had one."""
        if self._ended or (self.found and self.found[-1].life == self._life):
            return
        frames = _frames(exc)
        details = traceback.TracebackException(type(exc), exc, frames)
        summary = "".join(details.format_exception_only()).strip().partition("\n")[0]
        if details.stack:
            last = next((it for it in reversed(details.stack) if not _is_library(it)), details.stack[-1])
            details.stack[:] = _shortened(details.stack)
            summary += f" ({Path(last.filename).name}:{last.lineno}, in {last.name})"
        self.found.append(AppError(self._life, at, summary, "".join(details.format(chain=False)).rstrip()))


def _shortened(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """The innermost frames of the application, and the one in which it ended; all, if none is its own."""
    own = [frame for frame in stack[:-1] if not _is_library(frame)]
    return [*(own or stack[:-1])[-_FRAMES_MAX + 1 :], stack[-1]]


def _is_library(frame: traceback.FrameSummary) -> bool:
    """Whether a frame is code of Python or of an installed package: what its user did not write."""
    path = Path(frame.filename)
    return frame.filename.startswith("<") or "site-packages" in path.parts or _STDLIB in path.parents


def _frames(exc: BaseException) -> TracebackType | None:
    """The traceback from the first frame that is not the harness's."""
    frames = exc.__traceback__
    while frames is not None and _PACKAGE in Path(frames.tb_frame.f_code.co_filename).resolve().parents:
        frames = frames.tb_next
    return frames
