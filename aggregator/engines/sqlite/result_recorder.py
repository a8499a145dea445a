"""Records how attempts at notifications ended, those of one turn of the event loop together.

Rules of this file: a result is recorded as often as that takes, and its notification is not attempted
meanwhile. So it costs no notification a task or a future of its own.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from fanin.aggregator import log
from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, Outbox
from fanin.aggregator.errors import StoreError

# The pause before results that the store could not record are recorded again.
STORE_RETRY_S = 1.0


class ResultRecorder:
    """Records the results of one target's attempts."""

    def __init__(self, outbox: Outbox, recorded: Callable[[Sequence[AttemptResult]], None]) -> None:
        """Begin with nothing. ``recorded`` is called with results that are stored."""
        self._outbox, self._recorded = outbox, recorded
        self._gathered: list[AttemptResult] = []  # of this turn
        self._tasks: set[asyncio.Task[None]] = set()
        self.unrecorded = 0

    def add(self, result: AttemptResult) -> None:
        """Record a result soon."""
        self.unrecorded += 1
        self._gathered.append(result)
        if len(self._gathered) == 1:
            asyncio.get_running_loop().call_soon(self._begin)

    async def record(self, results: Sequence[AttemptResult]) -> None:
        """Record results, as often as that takes."""
        while True:
            try:
                await self._outbox.record(results)
            except StoreError as exc:
                log.event(logging.WARNING, "result-not-recorded", results=len(results), reason=exc)
                await asyncio.sleep(STORE_RETRY_S)
            else:
                return

    async def drain(self) -> None:
        """Wait until everything is recorded."""
        while self.unrecorded:
            self._begin()
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Leave what is not recorded."""
        self._gathered.clear()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> None:
        results, self._gathered = self._gathered, []
        if results:
            task = asyncio.get_running_loop().create_task(self._record(results))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _record(self, results: Sequence[AttemptResult]) -> None:
        await self.record(results)
        self.unrecorded -= len(results)
        self._recorded(results)
