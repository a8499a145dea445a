"""Carries out what befalls the aggregator itself: crashes, restarts, pauses, and a clock that is set.

A step is recognised from outside, by what the aggregator sends, so that the same scenario can kill any
aggregator between its commit and its answer, or between its decision and its notification.

Of several replicas each has its own ups and downs. In code they are counted from 0, in histories from 1;
where there is only one, a history says 0.
"""

import asyncio
from collections.abc import Sequence

from msgspec import structs

from fanin.harness.history import SUCCESS, FaultApplied, TargetState
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.target import StartError, Target, reconfiguration
from fanin.simulator.language.scenario import ClockJump, Crash, Fault, Pause, Restart, Step

type TargetFault = Crash | Restart | Pause | ClockJump


class Nemesis:
    """Does to the targets what the scenario says, and records their ups and downs."""

    def __init__(self, targets: Sequence[Target], faults: Sequence[Fault], recorder: Recorder) -> None:
        self._targets, self._recorder = targets, recorder
        self._scheduled: list[tuple[int, TargetFault, int]] = []
        self._armed: dict[int, Crash | Pause] = {}  # by index: those that wait for their step
        self._reached: dict[int, int] = {}  # by index: how often the step was reached
        self._to_recover: asyncio.Queue[tuple[int, Crash | Pause]] = asyncio.Queue()  # who, and of what
        self._up = [False] * len(targets)
        self.last_change_ms = 0  # when an aggregator last went down or came up
        # In real time a start takes time. What is planned for after it waits, or the scenario would go on
        # without the aggregator that it is about.
        self.lag_ms = 0
        self._on_schedule = asyncio.Event()
        self._on_schedule.set()
        for index, fault in enumerate(faults):
            if isinstance(fault, Crash | Pause) and fault.at is None:
                self._armed[index] = fault
            elif isinstance(fault, Crash | Restart | Pause | ClockJump):
                self._scheduled.append((index, fault, fault.at or 0))

    async def start_targets(self) -> None:
        """Start all of them, one after the other."""
        for who in range(len(self._targets)):
            await self._start(who)

    async def _start(self, who: int, news: Restart | None = None) -> None:
        try:
            await self._targets[who].start()
        except StartError as exc:
            self._record_state(who, TargetState(self._recorder.now_ms(), "down", "failed", str(exc)))
            return
        self._up[who] = True
        up = TargetState(self._recorder.now_ms(), "up", "start")
        if news is not None:
            up = structs.replace(up, expects=news.expects, timeout=news.timeout)
        self._record_state(who, up)

    async def run(self) -> None:
        """Carry out the faults that have an instant. Ends when everybody is back from the last one."""
        async with asyncio.TaskGroup() as group:
            for index, fault, at in self._scheduled:
                group.create_task(self._apply_at(index, fault, at))

    async def recover(self) -> None:
        """Bring everybody back who fell at a step, for as long as the world runs.

        A task of the harness's own: a step is reached inside somebody else's, which may die of it.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._recover_one(*await self._to_recover.get()))

    async def _recover_one(self, who: int, fault: Crash | Pause) -> None:
        await self._bring_back(who, fault)
        self._to_recover.task_done()

    async def until(self, at_ms: int) -> None:
        """Wait until the scenario has come to an instant, and the aggregator with it."""
        while (left_ms := at_ms + self.lag_ms - self._recorder.now_ms()) > 0:
            await asyncio.sleep(left_ms / 1000)
            await self._on_schedule.wait()

    async def settle(self) -> None:
        """Wait until nobody is on the way back up."""
        await self._to_recover.join()

    def on_response(self, op: str, region: str, status: int, who: int = 0) -> bool:
        """An answer is about to leave; True: it never will, the aggregator has just died."""
        if status not in SUCCESS:
            return False
        # Whoever stands still right after its answer has been stopped before it could do anything else.
        return self._step("before-answer", op, region, who) or (
            self._step("after-answer", op, region, who, kind=Pause) and False
        )

    def on_response_received(self, op: str, region: str, status: int, who: int = 0) -> None:
        """An answer has reached its sender."""
        if status in SUCCESS:
            self._step("after-answer", op, region, who)

    def on_notification(self, op: str | None) -> bool:
        """A notification is about to arrive; True: it never did."""
        return self._step("before-notify", op, "", None)

    def on_notified(self, op: str | None) -> bool:
        """The sink has a notification; True: nobody is left to read its answer."""
        self._step("after-notify", op, "", None, kind=Pause)
        return self._step("after-notify", op, "", None)

    def _step(
        self, step: Step, op: str | None, region: str, who: int | None, *, kind: type[Crash | Pause] = Crash
    ) -> bool:
        """Whether a fault of this kind strikes at this step. ``who`` is None where nobody can tell."""
        for index, fault in self._armed.items():
            if not isinstance(fault, kind) or fault.step != step or not _matches(fault, op, region, who):
                continue
            self._reached[index] = self._reached.get(index, 0) + 1
            victims = self._victims(fault, who)
            if self._reached[index] == fault.nth and victims:
                del self._armed[index]
                self._recorder.write(FaultApplied(self._recorder.now_ms(), index, op, region or None))
                for victim in victims:
                    self._take_down(victim, fault)
                    self._to_recover.put_nowait((victim, fault))
                return True
        return False

    def _victims(self, fault: Crash | Restart | Pause, who: int | None = None) -> list[int]:
        """Whom it befalls, of those who stand."""
        chosen = fault.replica - 1 if fault.replica else who
        everybody = range(len(self._targets)) if chosen is None else (chosen,)
        return [each for each in everybody if self._up[each]]

    async def _apply_at(self, index: int, fault: TargetFault, at_ms: int) -> None:
        await self.until(at_ms)
        if isinstance(fault, ClockJump):
            self._recorder.write(FaultApplied(self._recorder.now_ms(), index))
            self._targets[0].set_clock((fault.forward or 0) - (fault.back or 0))  # they share a machine
            return
        victims = self._victims(fault)
        if not victims:
            return
        self._recorder.write(FaultApplied(self._recorder.now_ms(), index))
        for who in victims:
            self._take_down(who, fault)
        if isinstance(fault, Restart):
            await asyncio.gather(*(self._targets[who].stop() for who in victims))
        await asyncio.gather(*(self._bring_back(who, fault) for who in victims))

    def _take_down(self, who: int, fault: Crash | Restart | Pause) -> None:
        self._up[who] = False
        now = self._recorder.now_ms()
        match fault:
            case Crash():
                self._record_state(who, TargetState(now, "down", "crash"))
                self._targets[who].kill()
            case Pause():
                self._record_state(who, TargetState(now, "down", "pause"))
                self._targets[who].pause()
            case Restart():
                self._record_state(who, TargetState(now, "down", "stop"))
                self._targets[who].reconfigure(reconfiguration(fault.expects, fault.timeout))

    async def _bring_back(self, who: int, fault: Crash | Restart | Pause) -> None:
        away_ms = fault.lasts if isinstance(fault, Pause) else fault.down_for
        due_ms = self._recorder.now_ms() + away_ms
        await asyncio.sleep(away_ms / 1000)
        if isinstance(fault, Pause):
            self._up[who] = True
            self._record_state(who, TargetState(self._recorder.now_ms(), "up", "resume"))
            self._targets[who].resume()
            return
        self._on_schedule.clear()
        await self._start(who, fault if isinstance(fault, Restart) else None)
        self.lag_ms += self._recorder.now_ms() - due_ms
        self._on_schedule.set()

    def _record_state(self, who: int, change: TargetState) -> None:
        self.last_change_ms = change.at
        if len(self._targets) > 1:
            change = structs.replace(change, replica=who + 1)
        self._recorder.write(change)


def _matches(fault: Crash | Pause, op: str | None, region: str, who: int | None) -> bool:
    if fault.region and fault.region != region:
        return False
    if fault.operation and (op or "").partition("/")[0] != fault.operation:
        return False
    return not fault.replica or who is None or who == fault.replica - 1
