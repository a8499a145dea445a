"""An engine of another design: orchestrations in memory, modelled on Durable Functions.

An operation is an instance of a coroutine that waits for one external event per region, or for a timer. An
event is delivered to the first waiter of its name that still waits; without one it is buffered for the next.

Rules of this file: it is right as long as nothing crashes; what a mutant changes is a method of its own.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Capabilities, OutboxPage, Page, Receipt
from fanin.aggregator.engines.sqlite.dispatchers import Dispatchers
from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, Failed, OutboxRow
from fanin.aggregator.errors import UnknownRegionError
from fanin.aggregator.fanin import ArrivalResult, FanIn, Notification, Phase, notification_of
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

type Waiter = asyncio.Future[None]


class Instance:
    """One operation: its state, and its waiters for external events."""

    def __init__(self, state: FanIn) -> None:
        self.state = state
        self.waiters: dict[str, deque[Waiter]] = {region: deque() for region in state.expected}
        self.buffered: set[str] = set()  # regions whose event came while there was no waiter
        self.received = 0  # deliveries, including repeated ones

    def count(self, region: str, at_ms: int) -> None:
        """Add a region to those that have arrived."""
        self.state = msgspec.structs.replace(self.state, arrived={**self.state.arrived, region: at_ms})


class MemoryOutbox:
    """Pending notifications in memory, for `engines.sqlite.dispatchers.Dispatchers`; without dead letters."""

    def __init__(self) -> None:
        self._rows: dict[int, OutboxRow] = {}
        self._target: dict[int, str] = {}
        self._due_ms: dict[int, int] = {}
        self._last = 0

    def enqueue(self, notification: Notification, targets: Iterable[str]) -> None:
        for target in targets:
            self._last += 1
            self._rows[self._last] = OutboxRow(self._last, notification)
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

    async def record(self, results: Sequence[AttemptResult]) -> None:
        for result in results:
            self._record(result)

    def _record(self, result: AttemptResult) -> None:
        row = self._rows.pop(result.n)
        self._due_ms.pop(result.n, None)
        if isinstance(result, Failed) and result.record.due_ms is not None:
            self._rows[result.n] = row._replace(record=result.record)
            self._due_ms[result.n] = result.record.due_ms


class OrchestrationEngine:
    """An engine (`fanin.aggregator.engine.Engine`) that keeps everything in memory."""

    capabilities = Capabilities(survives_kill=False, exclusive=False, has_retention=False)

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._settings, self._clock = settings, clock
        self._instances: dict[str, Instance] = {}
        # The payloads' ids by operation and region, and which regions have reported the latest push.
        self._ids: dict[tuple[str, str], set[str]] = {}
        self._reported: dict[str, set[str]] = {}
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
        instance = self._instances.get(arrival.operation_id)
        if instance is None or (self._is_another_push(arrival) and instance.state.phase is not Phase.WAITING):
            instance = self.start_instance(arrival)
            self._reported[arrival.operation_id] = set()
        self._reported.setdefault(arrival.operation_id, set()).add(arrival.region)
        self._ids.setdefault((arrival.operation_id, arrival.region), set()).add(arrival.event_id)
        return Receipt(instance.state, self.raise_event(instance, arrival.region))

    def _is_another_push(self, arrival: Arrival) -> bool:
        """Whether this region has reported the latest push, and reports one by another id now."""
        known = self._ids.get((arrival.operation_id, arrival.region), set())
        has_reported = arrival.region in self._reported.get(arrival.operation_id, ())
        return has_reported and bool(arrival.event_id) and arrival.event_id not in known

    async def inspect(self, operation_id: str) -> FanIn | None:
        instance = self._instances.get(operation_id)
        return instance.state if instance else None

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:  # noqa: ARG002
        states = [it.state for it in self._instances.values()]
        return Page([it for it in states if phase in (None, it.phase)][:limit], None)

    async def latest(self, *, limit: int) -> list[FanIn]:  # noqa: ARG002
        return []

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:  # noqa: ARG002
        return OutboxPage([], None)

    async def retry(self, *, target: str | None, operation: str | None) -> int:  # noqa: ARG002
        return 0

    async def check(self) -> None:
        return

    # --- instances ---

    def start_instance(self, arrival: Arrival) -> Instance:
        """Start an instance under the operation's id, in the place of one with the same id."""
        now_ms = self._clock.now_ms()
        state = FanIn(
            operation_id=arrival.operation_id,
            subject=arrival.subject,
            expected=tuple(sorted(self._settings.regions)),
            started_ms=now_ms,
            deadline_ms=now_ms + self._settings.timeout_ms,
        )
        instance = self._instances[arrival.operation_id] = Instance(state)
        self.run_in_background(self.orchestrate(instance))
        return instance

    def raise_event(self, instance: Instance, region: str) -> ArrivalResult:
        """Raise the external event of a region."""
        state = instance.state
        if state.phase is not Phase.WAITING or self._clock.now_ms() >= state.deadline_ms:
            return ArrivalResult.LATE
        if region in state.arrived:
            return ArrivalResult.DUPLICATE
        self.deliver_event(instance, region)
        return ArrivalResult.COUNTED

    def deliver_event(self, instance: Instance, region: str) -> None:
        """Give the event to the first waiter that still waits, or buffer it."""
        waiters = instance.waiters[region]
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        instance.buffered.add(region)

    async def orchestrate(self, instance: Instance) -> None:
        """Wait for all regions or for the timer, and decide."""
        timer = asyncio.create_task(self.sleep_until(instance.state.deadline_ms))
        everything = asyncio.create_task(self.wait_for_all_events(instance))
        await asyncio.wait([everything, timer], return_when=asyncio.FIRST_COMPLETED)
        complete = everything.done()
        everything.cancel()
        await self.finish_waits(instance, timer)
        self.decide(instance, Phase.COMPLETED if complete else Phase.TIMED_OUT)

    async def wait_for_all_events(self, instance: Instance) -> None:
        """Wait for the events of all regions at once."""
        async with asyncio.TaskGroup() as group:
            for region in instance.state.expected:
                group.create_task(self.wait_for_event(instance, region))

    async def wait_for_event(self, instance: Instance, region: str) -> None:
        """Wait for the external event of a region."""
        if region not in instance.buffered:
            waiter: Waiter = asyncio.get_running_loop().create_future()
            instance.waiters[region].append(waiter)
            await waiter
        instance.count(region, self._clock.now_ms())

    async def finish_waits(self, instance: Instance, timer: asyncio.Task[None]) -> None:  # noqa: ARG002 - subclasses need it
        """Called before the outcome is decided."""
        timer.cancel()

    def decide(self, instance: Instance, outcome: Phase) -> None:
        """Decide the outcome, and notify."""
        now_ms = self._clock.now_ms()
        instance.state = msgspec.structs.replace(instance.state, phase=outcome, decided_ms=now_ms)
        if self._notifier and self._dispatchers:
            targets = self._notifier.targets_for(outcome)
            self._outbox.enqueue(notification_of(instance.state, decided_ms=now_ms), targets)
            self._dispatchers.wake(targets)

    async def sleep_until(self, at_ms: int) -> None:
        """A durable timer."""
        await asyncio.sleep(max(0, at_ms - self._clock.now_ms()) / 1000)

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it ends or the process does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
