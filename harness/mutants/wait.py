"""Waiting for events: between the event and the one who waits for it there must be no gap."""

import asyncio
from collections.abc import Mapping

from fanin.aggregator.engine import Receipt
from fanin.aggregator.fanin import ArrivalResult, Phase
from fanin.aggregator.http.app import create_app
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.orchestration import Instance, Orchestrations
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory, LoopClock

# What it takes an orchestrator to write its state down.
CHECKPOINT_S = 0.005
# In so many pieces a long wait is cut, to look at the clock in between.
SLICES = 4
# After so many events an instance begins a new history, which takes it so long.
HISTORY_MAX, ROLL_OVER_S = 8, 0.02
# So long no event may come before an instance dares to end.
QUIET_MS = 300


def orchestrated(engine: type[Orchestrations]) -> AppFactory:
    """The real HTTP surface and notifier over orchestrations in memory."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        settings = Settings.from_environment(environment)
        return create_app(settings, clock=LoopClock(epoch_ms), engine=engine)

    return factory


class _LosesWakeUps(Orchestrations):
    async def wait_for(self, instance: Instance, region: str) -> None:
        if region in instance.kept:
            return await super().wait_for(instance, region)
        await asyncio.sleep(CHECKPOINT_S)
        instance.kept.discard(region)  # it has looked already, and does not look again
        return await super().wait_for(instance, region)


class WaitsTwice(Orchestrations):
    """Makes the list of its waits twice, and reads the second one."""

    async def wait_for(self, instance: Instance, region: str) -> None:
        if region in instance.kept:
            instance.kept.discard(region)  # the waiter that nobody reads was first
        else:
            instance.waiters[region].append(asyncio.get_running_loop().create_future())
        await super().wait_for(instance, region)


class _DeadWaitersEat(Orchestrations):
    async def wait_for(self, instance: Instance, region: str) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.timeout_ms / 1_000 / SLICES):
                    return await super().wait_for(instance, region)
            except TimeoutError:
                continue

    def hand_over(self, instance: Instance, region: str) -> None:
        if not instance.waiters[region]:
            instance.kept.add(region)
        elif not (waiter := instance.waiters[region].popleft()).done():
            waiter.set_result(None)


class _ClearsAllWaits(Orchestrations):
    """An event wakes the whole instance, which forgets its waits and registers anew for the rest."""

    def hand_over(self, instance: Instance, region: str) -> None:
        if instance.waiters[region] or not instance.state.arrived:
            super().hand_over(instance, region)  # nobody has woken it before its first event

    async def orchestrate(self, instance: Instance) -> None:
        deadline_ms = instance.state.deadline_ms
        while instance.state.missing and (left_ms := deadline_ms - self._clock.now_ms()) > 0:
            waits = [asyncio.create_task(self.wait_for(instance, it)) for it in instance.state.missing]
            await asyncio.wait(waits, timeout=left_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            for waiters in instance.waiters.values():
                waiters.clear()
            await asyncio.sleep(CHECKPOINT_S)
        self.decide(instance, Phase.TIMED_OUT if instance.state.missing else Phase.COMPLETED)


class _WaitsForTheLoser(Orchestrations):
    async def wind_up(self, instance: Instance, timer: asyncio.Task[None]) -> None:  # noqa: ARG002 - it only waits
        await timer


class _ClosesWhenQuiet(Orchestrations):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type] # the engine's own
        self._last_ms: dict[str, int] = {}  # by operation: when its last event came

    async def deliver(self, arrival: Arrival) -> Receipt:
        self._last_ms[arrival.operation_id] = self._clock.now_ms()
        return await super().deliver(arrival)

    async def wind_up(self, instance: Instance, timer: asyncio.Task[None]) -> None:
        await super().wind_up(instance, timer)
        id_ = instance.state.operation_id
        while (quiet_ms := self._clock.now_ms() - self._last_ms[id_]) < QUIET_MS:  # noqa: ASYNC110 - silence is no event
            await asyncio.sleep((QUIET_MS - quiet_ms) / 1000)


class _RollsOver(Orchestrations):
    """Begins a new history now and then; what comes while it does goes to the old one."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type] # the engine's own
        self._rolling: set[str] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.operation_id in self._rolling:
            return Receipt(self._instances[arrival.operation_id].state, ArrivalResult.COUNTED)
        receipt = await super().deliver(arrival)
        instance = self._instances[arrival.operation_id]
        instance.received += 1
        if instance.received % HISTORY_MAX == 0:
            self._rolling.add(arrival.operation_id)
            asyncio.get_running_loop().call_later(ROLL_OVER_S, self._rolling.discard, arrival.operation_id)
        return receipt


MUTANTS = (
    Mutant(
        "lost-wake-up",
        ("B06",),
        "Looks for kept events first and registers its waiter a moment later, so an event that comes in"
        " between finds nobody waiting, is kept, and never looked for again.",
        "stampede-start",
        orchestrated(_LosesWakeUps),
    ),
    Mutant(
        "duplicate-waiters",
        ("B10",),
        "Registers two waiters for each region and reads only the second, so the engine serves the first"
        " and every operation times out although all regions have reported.",
        "original-simple",
        orchestrated(WaitsTwice),
    ),
    Mutant(
        "cancelled-waiter-consumes",
        ("B09",),
        "Waits in four slices and leaves the waiter of a slice that is over in the queue, so"
        " the next event goes to the dead one.",
        "slow-region",
        orchestrated(_DeadWaitersEat),
    ),
    Mutant(
        "clears-all-waits",
        ("B13",),
        "Clears every wait when one event wakes the instance and registers anew a moment later, so an"
        " event that comes together with another wakes nobody.",
        "stampede-finish",
        orchestrated(_ClearsAllWaits),
    ),
    Mutant(
        "awaits-losing-timer",
        ("B14",),
        "Does not cancel the timer that has lost, and ends only when it has fired, so a completion is told"
        " when the deadline passes.",
        "original-simple",
        orchestrated(_WaitsForTheLoser),
    ),
    Mutant(
        "closes-when-idle",
        ("B12",),
        "Ends an instance only when no event has come for a while, so a sender that goes on repeating"
        " itself keeps a complete operation open.",
        "steady-copies",
        orchestrated(_ClosesWhenQuiet),
    ),
    Mutant(
        "continue-as-new-gap",
        ("B08",),
        "Begins a new history after every few events and hands what comes meanwhile to the old one,"
        " which nobody reads, so a region that reports in that moment is never counted.",
        "steady-copies",
        orchestrated(_RollsOver),
    ),
)
