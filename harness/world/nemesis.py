"""Carries out the faults that befall the aggregator itself: crashes and restarts.

A step is recognised from outside, by what the aggregator sends, so that the same scenario can kill any
aggregator between its commit and its answer, or between its decision and its notification.
"""

import asyncio
from collections.abc import Sequence

from harness.history import SUCCESS, Aggregator, Bit
from harness.world.journal import Journal
from harness.world.target import StartError, Target
from simulator.scenario import Crash, Fault, Restart, Step


class Nemesis:
    """Kills and restarts the target as the scenario says, and keeps the journal of its ups and downs."""

    def __init__(self, target: Target, faults: Sequence[Fault], journal: Journal) -> None:
        self._target, self._journal = target, journal
        self._scheduled: list[tuple[int, Crash | Restart, int]] = []
        self._armed: dict[int, Crash] = {}  # by index: crashes that wait for their step
        self._reached: dict[int, int] = {}  # by index: how often the step was reached
        self._dead: asyncio.Queue[int] = asyncio.Queue()  # down_for of each crash at a step, in ms
        self._up = False
        self.struck_ms = 0  # when the aggregator last went down or came up
        # In real time a start takes time. What is planned for after it waits, or the scenario would go on
        # without the aggregator that it is about.
        self.lag_ms = 0
        self._punctual = asyncio.Event()
        self._punctual.set()
        for index, fault in enumerate(faults):
            if isinstance(fault, Restart) or (isinstance(fault, Crash) and fault.at is not None):
                self._scheduled.append((index, fault, fault.at or 0))
            elif isinstance(fault, Crash):
                self._armed[index] = fault

    async def start_target(self) -> None:
        try:
            await self._target.start()
        except StartError as exc:
            self._turned(Aggregator(self._journal.now_ms(), "down", "failed", str(exc)))
            return
        self._up = True
        self._turned(Aggregator(self._journal.now_ms(), "up", "start"))

    async def run(self) -> None:
        """Carry out the faults that have an instant. Ends when the aggregator is back from the last one."""
        async with asyncio.TaskGroup() as group:
            for index, fault, at in self._scheduled:
                group.create_task(self._strike_at(index, fault, at))

    async def revive(self) -> None:
        """Bring the aggregator back from each crash at a step, for as long as the world runs.

        A task of the harness's own: a step is reached inside somebody else's, which may die of it.
        """
        while True:
            await self._come_back(await self._dead.get())
            self._dead.task_done()

    async def until(self, at_ms: int) -> None:
        """Wait until the scenario has come to an instant, and the aggregator with it."""
        while (left_ms := at_ms + self.lag_ms - self._journal.now_ms()) > 0:
            await asyncio.sleep(left_ms / 1000)
            await self._punctual.wait()

    async def settle(self) -> None:
        """Wait until nobody is on the way back up."""
        await self._dead.join()

    def on_answer(self, op: str, region: str, status: int) -> bool:
        """An answer is about to leave; True: it never will, the aggregator has just died."""
        return status in SUCCESS and self._step("before-answer", op, region)

    def on_answered(self, op: str, region: str, status: int) -> None:
        """An answer has reached its sender."""
        if status in SUCCESS:
            self._step("after-answer", op, region)

    def on_notification(self, op: str | None) -> bool:
        """A notification is about to arrive; True: it never did."""
        return self._step("before-notify", op, "")

    def on_notified(self, op: str | None) -> bool:
        """The sink has a notification; True: nobody is left to read its answer."""
        return self._step("after-notify", op, "")

    def _step(self, step: Step, op: str | None, region: str) -> bool:
        for index, fault in self._armed.items():
            if fault.step != step or (fault.region and fault.region != region):
                continue
            if fault.operation and (op or "").partition("/")[0] != fault.operation:
                continue
            self._reached[index] = self._reached.get(index, 0) + 1
            if self._reached[index] == fault.nth and self._up:
                del self._armed[index]
                self._crash(index, op, region or None)
                self._dead.put_nowait(fault.down_for)
                return True
        return False

    async def _strike_at(self, index: int, fault: Crash | Restart, at_ms: int) -> None:
        await self.until(at_ms)
        if not self._up:
            return
        if isinstance(fault, Crash):
            self._crash(index, None, None)
        else:
            self._up = False
            self._journal.write(Bit(self._journal.now_ms(), index))
            self._turned(Aggregator(self._journal.now_ms(), "down", "stop"))
            await self._target.stop()
        await self._come_back(fault.down_for)

    async def _come_back(self, down_for_ms: int) -> None:
        due_ms = self._journal.now_ms() + down_for_ms
        await asyncio.sleep(down_for_ms / 1000)
        self._punctual.clear()
        await self.start_target()
        self.lag_ms += self._journal.now_ms() - due_ms
        self._punctual.set()

    def _crash(self, index: int, op: str | None, region: str | None) -> None:
        self._up = False
        self._journal.write(Bit(self._journal.now_ms(), index, op, region))
        self._turned(Aggregator(self._journal.now_ms(), "down", "crash"))
        self._target.kill()

    def _turned(self, change: Aggregator) -> None:
        self.struck_ms = change.at
        self._journal.write(change)
