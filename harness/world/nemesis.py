"""Carries out what befalls the aggregator itself: crashes, restarts, pauses, and a clock that is set.

A step is recognised from outside, by what the aggregator sends, so that the same scenario can kill any
aggregator between its commit and its answer, or between its decision and its notification.

Of several replicas each has its own ups and downs. In code they are counted from 0, in histories from 1;
where there is only one, a history says 0.
"""

import asyncio
from collections.abc import Sequence
from typing import assert_never

from msgspec import structs

from fanin.harness.history import SUCCESS, FaultApplied, TargetState
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.target import StartError, Target, reconfiguration
from fanin.simulator.faults.aggregator import AggregatorFault, Effect, Step, StepTrigger
from fanin.simulator.faults.fault import Fault


class Nemesis:
    """Does to the targets what the scenario says, and records their ups and downs."""

    def __init__(self, targets: Sequence[Target], faults: Sequence[Fault], recorder: Recorder) -> None:
        self._targets, self._recorder = targets, recorder
        self._scheduled: list[tuple[int, AggregatorFault]] = []
        self._armed: dict[
            int, tuple[StepTrigger, AggregatorFault]
        ] = {}  # by index: those that wait for their step
        self._reached: dict[int, int] = {}  # by index: how often the step was reached
        self._to_recover: asyncio.Queue[tuple[int, AggregatorFault]] = asyncio.Queue()  # who, and of what
        self._up = [False] * len(targets)
        self.last_change_ms = 0  # when an aggregator last went down or came up
        # In real time a start takes time. What is planned for after it waits, or the scenario would go on
        # without the aggregator that it is about.
        self.lag_ms = 0
        self._on_schedule = asyncio.Event()
        self._on_schedule.set()
        for index, fault in enumerate(faults):
            if not isinstance(fault, AggregatorFault):
                continue
            if fault.trigger is None:
                self._scheduled.append((index, fault))
            else:
                self._armed[index] = (fault.trigger, fault)

    async def start_targets(self) -> None:
        """Start all of them, one after the other."""
        for who in range(len(self._targets)):
            await self._start(who)

    async def _start(self, who: int, after: AggregatorFault | None = None) -> None:
        try:
            await self._targets[who].start()
        except StartError as exc:
            self._record_state(who, TargetState(self._recorder.now_ms(), "down", "failed", str(exc)))
            return
        self._up[who] = True
        up = TargetState(self._recorder.now_ms(), "up", "start")
        if after is not None:
            up = structs.replace(up, expects=after.new_regions, timeout=after.new_timeout_ms)
        self._record_state(who, up)

    async def run(self) -> None:
        """Carry out the faults that have an instant. Ends when everybody is back from the last one."""
        async with asyncio.TaskGroup() as group:
            for index, fault in self._scheduled:
                group.create_task(self._apply_at(index, fault, fault.at_ms))

    async def recover(self) -> None:
        """Bring everybody back who fell at a step, for as long as the world runs.

        A task of the harness's own: a step is reached inside somebody else's, which may die of it.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._recover_one(*await self._to_recover.get()))

    async def _recover_one(self, who: int, fault: AggregatorFault) -> None:
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
            self._step("after-answer", op, region, who, effect="pause") and False
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
        self._step("after-notify", op, "", None, effect="pause")
        return self._step("after-notify", op, "", None)

    def _step(
        self, step: Step, op: str | None, region: str, who: int | None, *, effect: Effect = "crash"
    ) -> bool:
        """Whether a fault of this effect happens at this step. ``who`` is None where nobody can tell."""
        for index, (trigger, fault) in self._armed.items():
            if fault.effect != effect or not trigger.matches(step, op, region) or not _may_hit(fault, who):
                continue
            self._reached[index] = self._reached.get(index, 0) + 1
            victims = self._victims(fault, who)
            if self._reached[index] == trigger.nth and victims:
                del self._armed[index]
                self._recorder.write(FaultApplied(self._recorder.now_ms(), index, op, region or None))
                for victim in victims:
                    self._take_down(victim, fault)
                    self._to_recover.put_nowait((victim, fault))
                return True
        return False

    def _victims(self, fault: AggregatorFault, who: int | None = None) -> list[int]:
        """Whom it befalls, of those who stand."""
        chosen = fault.replica_number - 1 if fault.replica_number else who
        everybody = range(len(self._targets)) if chosen is None else (chosen,)
        return [each for each in everybody if self._up[each]]

    async def _apply_at(self, index: int, fault: AggregatorFault, at_ms: int) -> None:
        await self.until(at_ms)
        if fault.effect == "clock":
            self._recorder.write(FaultApplied(self._recorder.now_ms(), index))
            self._targets[0].set_clock(fault.clock_step_ms)  # they share a machine
            return
        victims = self._victims(fault)
        if not victims:
            return
        self._recorder.write(FaultApplied(self._recorder.now_ms(), index))
        for who in victims:
            self._take_down(who, fault)
        if fault.effect == "stop":
            await asyncio.gather(*(self._targets[who].stop() for who in victims))
        await asyncio.gather(*(self._bring_back(who, fault) for who in victims))

    def _take_down(self, who: int, fault: AggregatorFault) -> None:
        self._up[who] = False
        now, target = self._recorder.now_ms(), self._targets[who]
        match fault.effect:
            case "crash":
                self._record_state(who, TargetState(now, "down", "crash"))
                target.kill()
            case "pause":
                self._record_state(who, TargetState(now, "down", "pause"))
                target.pause()
            case "stop":
                self._record_state(who, TargetState(now, "down", "stop"))
                target.reconfigure(reconfiguration(fault.new_regions, fault.new_timeout_ms))
            case "clock":
                raise AssertionError(f"{fault.tag} takes no target down")
            case _:
                assert_never(fault.effect)

    async def _bring_back(self, who: int, fault: AggregatorFault) -> None:
        due_ms = self._recorder.now_ms() + fault.away_ms
        await asyncio.sleep(fault.away_ms / 1000)
        if fault.effect == "pause":
            self._up[who] = True
            self._record_state(who, TargetState(self._recorder.now_ms(), "up", "resume"))
            self._targets[who].resume()
            return
        self._on_schedule.clear()
        await self._start(who, fault)
        self.lag_ms += self._recorder.now_ms() - due_ms
        self._on_schedule.set()

    def _record_state(self, who: int, change: TargetState) -> None:
        self.last_change_ms = change.at
        if len(self._targets) > 1:
            change = structs.replace(change, replica=who + 1)
        self._recorder.write(change)


def _may_hit(fault: AggregatorFault, who: int | None) -> bool:
    """Whether a fault is about this replica, as far as anybody can tell which one it is."""
    return not fault.replica_number or who is None or who == fault.replica_number - 1
