"""A small design of another kind: orchestrations in memory, as Durable Functions has them.

An operation is an instance of a coroutine that waits for one external event per region, or for a timer. An
event is handed to the first waiter of its name that still waits; without one it is kept for the next.

Rules of this file: it is right as long as nothing crashes; what a bug does otherwise is a method of its own.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Capabilities, OutboxPage, Page, Receipt
from fanin.aggregator.engines.sqlite.dispatcher import AttemptResult, Dispatchers, Failed, OutboxRow
from fanin.aggregator.errors import UnknownRegionError
from fanin.aggregator.fanin import ArrivalResult, FanIn, Notification, Phase, notification_of
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

type Waiter = asyncio.Future[None]


class Instance:
    """One operation: what its webhooks have brought, and who waits for them."""

    def __init__(self, state: FanIn) -> None:
        self.state = state
        self.waiters: dict[str, deque[Waiter]] = {region: deque() for region in state.expected}
        self.kept: set[str] = set()  # events that came before anybody waited for them
        self.received = 0  # deliveries, repeated ones too

    def count(self, region: str, at_ms: int) -> None:
        """Remember that an event was received."""
        self.state = msgspec.structs.replace(self.state, arrived={**self.state.arrived, region: at_ms})


class MemoryOutbox:
    """What is still to be told, for `engines.sqlite.dispatcher.Dispatchers`. What is given up is gone."""

    def __init__(self) -> None:
        self._rows: dict[int, OutboxRow] = {}
        self._target: dict[int, str] = {}
        self._due_ms: dict[int, int] = {}
        self._last = 0

    def enqueue(self, notify: Notification, targets: Iterable[str]) -> None:
        for target in targets:
            self._last += 1
            self._rows[self._last] = OutboxRow(self._last, notify)
            self._target[self._last] = target

    def unattempted(self, *, target: str, after: int, limit: int) -> list[OutboxRow]:
        rows = [row for n, row in self._rows.items() if n > after and n not in self._due_ms]
        return [row for row in rows if self._target[row.n] == target][:limit]

    def newest_number(self) -> int:
        return self._last

    def due_retries(self, *, target: str, now_ms: int, limit: int) -> list[OutboxRow]:
        due = [n for n, due_ms in self._due_ms.items() if due_ms <= now_ms and self._target[n] == target]
        return [self._rows[n] for n in due][:limit]

    def next_retry_ms(self, *, target: str, now_ms: int) -> int | None:
        due = (due_ms for n, due_ms in self._due_ms.items() if self._target[n] == target)
        return min((due_ms for due_ms in due if due_ms > now_ms), default=None)

    async def record(self, result: AttemptResult) -> None:
        row = self._rows.pop(result.n)
        self._due_ms.pop(result.n, None)
        if isinstance(result, Failed) and result.record.due_ms is not None:
            self._rows[result.n] = row._replace(record=result.record)
            self._due_ms[result.n] = result.record.due_ms


class Orchestrations:
    """An engine (`fanin.aggregator.engine.Engine`) that keeps everything in memory."""

    capabilities = Capabilities(survives_kill=False, exclusive=False, has_retention=False)

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._settings, self._clock = settings, clock
        self._instances: dict[str, Instance] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._outbox = MemoryOutbox()
        self._notifier = notifier
        self._dispatchers = (
            Dispatchers(self._outbox, notifier, settings, clock=clock, metrics=metrics) if notifier else None
        )

    # --- the port ---

    async def open(self) -> None:
        if self._dispatchers:
            self._dispatchers.start()

    async def close(self) -> None:
        if self._dispatchers:
            await self._dispatchers.stop(0)
        for task in tuple(self._tasks):
            task.cancel()

    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.region not in self._settings.regions:
            raise UnknownRegionError(arrival.region, self._settings.regions)
        instance = self._instances.get(arrival.operation_id) or self.begin(arrival)
        return Receipt(instance.state, self.happen(instance, arrival.region))

    async def inspect(self, operation_id: str) -> FanIn | None:
        instance = self._instances.get(operation_id)
        return instance.state if instance else None

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:  # noqa: ARG002
        states = [it.state for it in self._instances.values()]
        return Page([it for it in states if phase in (None, it.phase)][:limit], None)

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:  # noqa: ARG002
        return OutboxPage([], None)

    async def retry(self, *, target: str | None, operation: str | None) -> int:  # noqa: ARG002
        return 0

    async def check(self) -> None:
        return

    # --- an instance's life ---

    def begin(self, arrival: Arrival) -> Instance:
        """Start an instance under the operation's id. One of the same id is replaced."""
        now_ms = self._clock.now_ms()
        state = FanIn(
            operation_id=arrival.operation_id,
            subject=arrival.subject,
            expected=tuple(sorted(self._settings.regions)),
            started_ms=now_ms,
            deadline_ms=now_ms + self._settings.timeout_ms,
        )
        instance = self._instances[arrival.operation_id] = Instance(state)
        self.spawn(self.orchestrate(instance))
        return instance

    def happen(self, instance: Instance, region: str) -> ArrivalResult:
        """Raise the external event of a region."""
        state = instance.state
        if state.phase is not Phase.WAITING or self._clock.now_ms() >= state.deadline_ms:
            return ArrivalResult.LATE
        if region in state.arrived:
            return ArrivalResult.DUPLICATE
        self.hand_over(instance, region)
        return ArrivalResult.COUNTED

    def hand_over(self, instance: Instance, region: str) -> None:
        """Give the event to the first that waits for it, or keep it."""
        waiters = instance.waiters[region]
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        instance.kept.add(region)

    async def orchestrate(self, instance: Instance) -> None:
        """Wait for all regions or for the timer, and tell what came of it."""
        timer = asyncio.create_task(self.sleep_until(instance.state.deadline_ms))
        everything = asyncio.create_task(self.wait_for_all(instance))
        await asyncio.wait([everything, timer], return_when=asyncio.FIRST_COMPLETED)
        complete = everything.done()
        everything.cancel()
        await self.wind_up(instance, timer)
        self.decide(instance, Phase.COMPLETED if complete else Phase.TIMED_OUT)

    async def wait_for_all(self, instance: Instance) -> None:
        """Wait for every region at once."""
        async with asyncio.TaskGroup() as group:
            for region in instance.state.expected:
                group.create_task(self.wait_for(instance, region))

    async def wait_for(self, instance: Instance, region: str) -> None:
        """Wait for the external event of a region."""
        if region not in instance.kept:
            waiter: Waiter = asyncio.get_running_loop().create_future()
            instance.waiters[region].append(waiter)
            await waiter
        instance.count(region, self._clock.now_ms())

    async def wind_up(self, instance: Instance, timer: asyncio.Task[None]) -> None:  # noqa: ARG002 - a bug needs it
        """End what still runs before the outcome is told."""
        timer.cancel()

    def decide(self, instance: Instance, outcome: Phase) -> None:
        """The outcome falls, and is told."""
        now_ms = self._clock.now_ms()
        instance.state = msgspec.structs.replace(instance.state, phase=outcome, decided_ms=now_ms)
        if self._notifier and self._dispatchers:
            targets = self._notifier.targets_for(outcome)
            self._outbox.enqueue(notification_of(instance.state, decided_ms=now_ms), targets)
            self._dispatchers.wake(targets)

    async def sleep_until(self, at_ms: int) -> None:
        """A durable timer."""
        await asyncio.sleep(max(0, at_ms - self._clock.now_ms()) / 1000)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as this process lives."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
