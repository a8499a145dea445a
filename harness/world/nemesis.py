"""Applies the scenario's faults to the aggregator: crashes, restarts, pauses, and a clock that is set.

The step at which a fault happens is recognised from outside, by what the aggregator sends. So the same
scenario can kill any aggregator between its commit and its response, or between its decision and its
notification.

Replicas go down and come up separately. In code they are counted from 0, in histories from 1; where there is
only one, a history says 0.
"""

import asyncio
from collections.abc import Sequence
from typing import assert_never

from msgspec import structs

from fanin.harness.history import SUCCESS, FaultApplied, TargetState
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.target import StartError, Target, reconfiguration
from fanin.simulator.faults.aggregator import AggregatorFault, Effect
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.step import Step, StepTrigger


class Nemesis:
    """Applies faults to the targets, and records when each goes down and comes up."""

    def __init__(self, targets: Sequence[Target], faults: Sequence[Fault], recorder: Recorder) -> None:
        self._targets, self._recorder = targets, recorder
        self._scheduled: list[tuple[int, AggregatorFault]] = []  # with their index in the scenario
        self._armed: dict[int, tuple[StepTrigger, AggregatorFault]] = {}  # by index: waiting for a step
        self._reached: dict[int, int] = {}  # by index: how often its step was reached
        self._to_recover: asyncio.Queue[tuple[int, AggregatorFault]] = asyncio.Queue()  # with the replica
        self._up = [False] * len(targets)
        self.last_change_ms = 0  # when a target last went down or came up
        # In real time, a start takes time. What is planned for later waits that much longer
        # (`fanin.harness.oracle.planned_times`).
        self._lag_ms = 0
        self._starting = 0  # how many are
        self._starting_since_ms = 0
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
        for replica in range(len(self._targets)):
            await self._start(replica)

    async def run(self) -> None:
        """Apply the faults that have an instant. Ends when the targets are back from the last one."""
        async with asyncio.TaskGroup() as group:
            for index, fault in self._scheduled:
                group.create_task(self._apply_at(index, fault, fault.at_ms))

    async def recover(self) -> None:
        """Bring targets back that went down at a step, until cancelled.

        It needs a task of its own: a step is reached within a task of the target, which a kill ends.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._recover_one(*await self._to_recover.get()))

    async def wait_until(self, at_ms: int) -> None:
        """Wait for an instant of the scenario, and for targets that start meanwhile."""
        while (left_ms := at_ms - self.scenario_ms()) > 0:
            await asyncio.sleep(left_ms / 1000)
            await self._on_schedule.wait()

    def scenario_ms(self) -> int:
        """The scenario's own time, which stands still while a target starts."""
        now = self._starting_since_ms if self._starting else self._recorder.now_ms()
        return now - self._lag_ms

    async def wait_recovered(self) -> None:
        """Wait until every target that went down at a step has been brought back."""
        await self._to_recover.join()

    # --- steps; each returns whether the aggregator was killed by a fault at this step ---

    def on_response(self, op: str, region: str, status: int, replica: int = 0) -> bool:
        """A response is ready; True: it never leaves."""
        if status not in SUCCESS:
            return False
        if self._step("before-response", op, region, replica):
            return True
        # A pause after the response begins here: the aggregator must not do anything else in between.
        self._step("after-response", op, region, replica, effect="pause")
        return False

    def on_response_received(self, op: str, region: str, status: int, replica: int = 0) -> None:
        """A response has reached its sender."""
        if status in SUCCESS:
            self._step("after-response", op, region, replica)

    def on_notification(self, op: str | None) -> bool:
        """A notification is about to arrive; True: it never does."""
        return self._step("before-notify", op, "", None)

    def on_notified(self, op: str | None) -> bool:
        """The sink has received a notification; True: its response has no reader."""
        self._step("after-notify", op, "", None, effect="pause")
        return self._step("after-notify", op, "", None)

    def _step(
        self, step: Step, op: str | None, region: str, replica: int | None, *, effect: Effect = "crash"
    ) -> bool:
        """Apply a fault of this effect, if there is one for this step.

        Args:
            step: What was reached.
            op: The operation; None where it is unknown.
            region: The region; empty for a notification.
            replica: The replica; None where it is unknown.
            effect: Of the fault.

        Returns:
            Whether one was applied.
        """
        for index, (trigger, fault) in self._armed.items():
            matches = fault.effect == effect and trigger.matches(step, op, region)
            if not matches or not _may_hit(fault, replica):
                continue
            self._reached[index] = self._reached.get(index, 0) + 1
            replicas = self._replicas_hit(fault, replica)
            if self._reached[index] == trigger.nth and replicas:
                del self._armed[index]
                self._recorder.write(FaultApplied(self._recorder.now_ms(), index, op, region or None))
                for hit in replicas:
                    self._take_down(hit, fault)
                    self._to_recover.put_nowait((hit, fault))
                return True
        return False

    def _replicas_hit(self, fault: AggregatorFault, replica: int | None = None) -> list[int]:
        """The replicas that a fault takes down, of those that are up."""
        chosen = fault.replica_number - 1 if fault.replica_number else replica
        candidates = range(len(self._targets)) if chosen is None else (chosen,)
        return [each for each in candidates if self._up[each]]

    async def _apply_at(self, index: int, fault: AggregatorFault, at_ms: int) -> None:
        await self.wait_until(at_ms)
        if fault.effect == "clock":
            self._recorder.write(FaultApplied(self._recorder.now_ms(), index))
            self._targets[0].set_clock(fault.clock_step_ms)  # they share a machine
            return
        replicas = self._replicas_hit(fault)
        if not replicas:
            return
        self._recorder.write(FaultApplied(self._recorder.now_ms(), index))
        for replica in replicas:
            self._take_down(replica, fault)
        if fault.effect == "stop":
            await asyncio.gather(*(self._targets[replica].stop() for replica in replicas))
        await asyncio.gather(*(self._bring_back(replica, fault) for replica in replicas))

    def _take_down(self, replica: int, fault: AggregatorFault) -> None:
        self._up[replica] = False
        now, target = self._recorder.now_ms(), self._targets[replica]
        match fault.effect:
            case "crash":
                self._record_state(replica, TargetState(now, "down", "crash"))
                target.kill()
            case "pause":
                self._record_state(replica, TargetState(now, "down", "pause"))
                target.pause()
            case "stop":
                self._record_state(replica, TargetState(now, "down", "stop"))
                target.reconfigure(reconfiguration(fault.new_regions, fault.new_timeout_ms))
            case "clock":
                raise AssertionError(f"{fault.tag} takes no target down")
            case _:
                assert_never(fault.effect)

    async def _recover_one(self, replica: int, fault: AggregatorFault) -> None:
        await self._bring_back(replica, fault)
        self._to_recover.task_done()

    async def _bring_back(self, replica: int, fault: AggregatorFault) -> None:
        await asyncio.sleep(fault.away_ms / 1000)
        if fault.effect == "pause":
            self._up[replica] = True
            self._record_state(replica, TargetState(self._recorder.now_ms(), "up", "resume"))
            self._targets[replica].resume()
            return
        if not self._starting:
            self._on_schedule.clear()
            self._starting_since_ms = self._recorder.now_ms()
        self._starting += 1
        await self._start(replica, fault)
        self._starting -= 1
        if not self._starting:
            self._lag_ms += self._recorder.now_ms() - self._starting_since_ms
            self._on_schedule.set()

    async def _start(self, replica: int, after: AggregatorFault | None = None) -> None:
        began_ms = self._recorder.now_ms()
        try:
            await self._targets[replica].start()
        except StartError as exc:
            now = self._recorder.now_ms()
            self._record_state(replica, TargetState(now, "down", "failed", str(exc), took=now - began_ms))
            return
        self._up[replica] = True
        now = self._recorder.now_ms()
        up = TargetState(now, "up", "start", took=now - began_ms)
        if after is not None:
            up = structs.replace(up, expects=after.new_regions, timeout=after.new_timeout_ms)
        self._record_state(replica, up)

    def _record_state(self, replica: int, state: TargetState) -> None:
        self.last_change_ms = state.at
        if len(self._targets) > 1:
            state = structs.replace(state, replica=replica + 1)
        self._recorder.write(state)


def _may_hit(fault: AggregatorFault, replica: int | None) -> bool:
    """Whether a fault can be about a replica; None where the replica is unknown."""
    return not fault.replica_number or replica is None or replica == fault.replica_number - 1
