"""How long a world is watched after its last event, so that silence means something."""

import asyncio

from fanin.harness.history import Run
from fanin.harness.world.nemesis import Nemesis
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.settled import settled_ms
from fanin.harness.world.sink import Sink
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.sink import SinkFault

# After the last event of the scenario, an outcome may still be a timeout away. Two more timeouts are watched
# then, because an operation that wrongly starts again reports when its second deadline passes.
TIMEOUTS_WATCHED = 3
# In real time, after everything was notified: an operation that wrongly started again has reported by then.
TIMEOUTS_WATCHED_SETTLED = 2
# How often a run in real time looks whether everything was notified.
_LOOK_S = 0.25


class Watch:
    """Waits until nothing that may still come could be legal."""

    def __init__(self, run: Run, recorder: Recorder, nemesis: Nemesis, sink: Sink) -> None:
        self._run, self._recorder, self._nemesis, self._sink = run, recorder, nemesis, sink

    async def wait(self) -> None:
        """Wait from now on."""
        calm_since_ms, graces = self._recorder.now_ms(), 1
        while True:
            await self._nemesis.wait_recovered()
            # An attempt that the sink does not answer may last as long as a gap between two attempts. When it
            # has ended, the next one still needs its time.
            graces = 2 if self._sink.is_awaited else graces
            allowed_ms = max(graces * self._run.redelivery_grace, self._run.tolerance)
            calm_since_ms = max(calm_since_ms, self._nemesis.last_change_ms, self._sink.last_fault_ms)
            end_ms = calm_since_ms + TIMEOUTS_WATCHED * self._longest_ms() + allowed_ms
            left_ms = end_ms - self._recorder.now_ms()
            if left_ms <= 0 or self._has_shown_all(calm_since_ms):
                return
            left_s = left_ms / 1000
            await asyncio.sleep(min(left_s, _LOOK_S) if self._run.time == "real" else left_s)

    def _has_shown_all(self, calm_since_ms: int) -> bool:
        """Whether a run in real time need not wait for what might still be due, because nothing is."""
        run = self._run
        if run.time != "real" or (run.scenario.notifies_late and self._has_sink_faults()):
            return False
        settled = settled_ms(self._recorder.entries)
        if settled is None:
            return False
        watched_ms = TIMEOUTS_WATCHED_SETTLED * self._longest_ms() + run.tolerance
        return self._recorder.now_ms() >= max(settled, calm_since_ms) + watched_ms

    def _has_sink_faults(self) -> bool:
        """Whether the sink may have refused a late completion, which then comes again after a while."""
        return any(isinstance(fault, SinkFault) for fault in self._run.scenario.faults)

    def _longest_ms(self) -> int:
        """The longest timeout that the aggregator is ever configured with."""
        scenario = self._run.scenario
        faults = (fault for fault in scenario.faults if isinstance(fault, AggregatorFault))
        return max(scenario.timeout, *(fault.new_timeout_ms or 0 for fault in faults), 0)
