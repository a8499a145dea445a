"""Waiting for external events: an event must find its waiter, whichever of the two comes first."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fanin.aggregator.engine import Receipt
from fanin.aggregator.fanin import ArrivalResult, Phase
from fanin.aggregator.http.app import create_app
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.orchestration import Instance, OrchestrationEngine
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory, LoopClock

# How long an orchestration takes to store its state.
CHECKPOINT_S = 0.005
# A long wait is split into so many pieces.
SLICES = 4
# After so many events an instance continues as new, which takes so long.
HISTORY_MAX, CONTINUE_AS_NEW_S = 8, 0.02
# An instance ends only after so long without an event.
IDLE_MS = 300


def orchestrated(engine: type[OrchestrationEngine]) -> AppFactory:
    """The real HTTP interface and notifier with orchestrations in memory."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        settings = Settings.from_environment(environment)
        return create_app(settings, clock=LoopClock(epoch_ms), engine=engine)

    return factory


class _LostWakeUp(OrchestrationEngine):
    async def wait_for_event(self, instance: Instance, region: str) -> None:
        if region in instance.buffered:
            return await super().wait_for_event(instance, region)
        await asyncio.sleep(CHECKPOINT_S)
        instance.buffered.discard(region)  # it has looked already, and does not look again
        return await super().wait_for_event(instance, region)


class DuplicateWaiters(OrchestrationEngine):
    """Registers the list of its waiters twice, and reads the second one."""

    async def wait_for_event(self, instance: Instance, region: str) -> None:
        if region in instance.buffered:
            instance.buffered.discard(region)  # the event goes to the waiter that is not read
        else:
            instance.waiters[region].append(asyncio.get_running_loop().create_future())
        await super().wait_for_event(instance, region)


class _CancelledWaiterConsumes(OrchestrationEngine):
    async def wait_for_event(self, instance: Instance, region: str) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.timeout_ms / 1_000 / SLICES):
                    return await super().wait_for_event(instance, region)
            except TimeoutError:
                continue

    def deliver_event(self, instance: Instance, region: str) -> None:
        if not instance.waiters[region]:
            instance.buffered.add(region)
        elif not (waiter := instance.waiters[region].popleft()).done():
            waiter.set_result(None)


class _ClearsAllWaits(OrchestrationEngine):
    """An event wakes the whole instance, which removes its waiters and registers those it still needs."""

    def deliver_event(self, instance: Instance, region: str) -> None:
        if instance.waiters[region] or not instance.state.arrived:
            super().deliver_event(instance, region)  # before its first event it has not been woken yet

    async def orchestrate(self, instance: Instance) -> None:
        deadline_ms = instance.state.deadline_ms
        while instance.state.missing and (left_ms := deadline_ms - self._clock.now_ms()) > 0:
            waits = [asyncio.create_task(self.wait_for_event(instance, it)) for it in instance.state.missing]
            await asyncio.wait(waits, timeout=left_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            for waiters in instance.waiters.values():
                waiters.clear()
            await asyncio.sleep(CHECKPOINT_S)
        self.decide(instance, Phase.TIMED_OUT if instance.state.missing else Phase.COMPLETED)


class _AwaitsLosingTimer(OrchestrationEngine):
    async def finish_waits(self, instance: Instance, timer: asyncio.Task[None]) -> None:  # noqa: ARG002 - it only waits
        await timer


class _ClosesWhenIdle(OrchestrationEngine):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._last_ms: dict[str, int] = {}  # by operation: when its last event came

    async def deliver(self, arrival: Arrival) -> Receipt:
        self._last_ms[arrival.operation_id] = self._clock.now_ms()
        return await super().deliver(arrival)

    async def finish_waits(self, instance: Instance, timer: asyncio.Task[None]) -> None:
        await super().finish_waits(instance, timer)
        id_ = instance.state.operation_id
        while (idle_ms := self._clock.now_ms() - self._last_ms[id_]) < IDLE_MS:  # noqa: ASYNC110 - silence is no event
            await asyncio.sleep((IDLE_MS - idle_ms) / 1000)


class _ContinueAsNewGap(OrchestrationEngine):
    """Continues as new now and then; events meanwhile go to the old execution."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._continuing: set[str] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.operation_id in self._continuing:
            return Receipt(self._instances[arrival.operation_id].state, ArrivalResult.COUNTED)
        receipt = await super().deliver(arrival)
        instance = self._instances[arrival.operation_id]
        instance.received += 1
        if instance.received % HISTORY_MAX == 0:
            self._continuing.add(arrival.operation_id)
            discard = self._continuing.discard
            asyncio.get_running_loop().call_later(CONTINUE_AS_NEW_S, discard, arrival.operation_id)
        return receipt


MUTANTS = (
    Mutant(
        "lost-wake-up",
        ("B06",),
        "Looks for buffered events first and registers its waiter a moment later, so an event that comes in"
        " between is buffered and never read.",
        "stampede-start",
        orchestrated(_LostWakeUp),
    ),
    Mutant(
        "duplicate-waiters",
        ("B10",),
        "Registers two waiters for each region and reads only the second, so events go to the first, and"
        " every operation times out although all regions have arrived.",
        "original-simple",
        orchestrated(DuplicateWaiters),
    ),
    Mutant(
        "cancelled-waiter-consumes",
        ("B09",),
        "Waits in four slices and leaves the waiter of an expired slice in the queue, so the next event goes"
        " to that one and is lost.",
        "slow-region",
        orchestrated(_CancelledWaiterConsumes),
    ),
    Mutant(
        "clears-all-waits",
        ("B13",),
        "Removes all waiters when one event wakes the instance and registers them again a moment later, so"
        " an event that comes together with another one is lost.",
        "stampede-finish",
        orchestrated(_ClearsAllWaits),
    ),
    Mutant(
        "awaits-losing-timer",
        ("B14",),
        "Does not cancel the timer that has lost, and ends only when it has fired, so the notification of a"
        " completion is sent at the deadline.",
        "original-simple",
        orchestrated(_AwaitsLosingTimer),
    ),
    Mutant(
        "closes-when-idle",
        ("B12",),
        "Ends an instance only after some time without events, so repeated deliveries keep a complete"
        " operation open.",
        "steady-copies",
        orchestrated(_ClosesWhenIdle),
    ),
    Mutant(
        "continue-as-new-gap",
        ("B08",),
        "Continues as new after every few events and delivers what comes meanwhile to the old execution, so"
        " a region that arrives at that moment never counts.",
        "steady-copies",
        orchestrated(_ContinueAsNewGap),
    ),
)
