"""Ends a step of the world's loop that does not come back: code that computes or blocks without an end.

Virtual time stands still meanwhile, so no timeout of the application's or of the harness's ever comes.
"""

import time
from collections.abc import Callable
from types import FrameType

from fanin.harness import alarm
from fanin.harness.world.places import place_of

# Processor time of one step. An application that needs so much answers nothing for as long.
COMPUTES_S = 30.0
# Real time of one step that needs no processor time: it waits for what cannot come.
BLOCKS_S = 60.0
_IDLE_S = 1.0


class StuckError(alarm.AlarmError):
    """A step does not end; the message says where it is."""


class StepWatch:
    """Called at each tick of `alarm`: time is counted in ticks, so that a stopped process ages by none.

    Args:
        steps: Returns how many steps have begun.
    """

    def __init__(self, steps: Callable[[], int]) -> None:
        self._steps = steps
        self._last, self._ticks, self._used_s = -1, 0, 0.0
        self.stuck = False  # other tasks may be at the same line

    def __call__(self, frame: FrameType | None) -> StuckError | None:
        if self._steps() != self._last:
            self._last, self._ticks, self._used_s = self._steps(), 0, time.process_time()
        self._ticks += 1
        used_s = time.process_time() - self._used_s
        if used_s >= COMPUTES_S:
            did = f"it computed for {COMPUTES_S:g} s without a pause"
        elif self._ticks * alarm.TICK_S >= BLOCKS_S and used_s < _IDLE_S:
            did = f"it blocked everything else for {BLOCKS_S:g} s"
        else:
            return None
        self.stuck = True
        return StuckError(did + place_of(frame))
