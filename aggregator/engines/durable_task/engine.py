"""The engine on Durable Task: a webhook is one call to the backend, and the backend remembers everything.

Rules of this file: what is acknowledged, the backend has taken; nothing is kept here for an operation that
waits, but for a bounded memory of which ids are known to exist, which saves a call and is never relied upon.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec
from durabletask.client import OrchestrationStatus
from durabletask.internal import orchestrator_service_pb2 as protocol

from fanin.aggregator import log
from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Capabilities, OutboxEntry, OutboxPage, Page
from fanin.aggregator.engines.durable_task.activity import SendActivity
from fanin.aggregator.engines.durable_task.client import InstancePage, TaskHubClient
from fanin.aggregator.engines.durable_task.options import DurableTaskOptions
from fanin.aggregator.engines.durable_task.orchestration import (
    ORCHESTRATOR,
    RETRY,
    ArrivalEvent,
    CustomStatus,
    OrchestrationInput,
    apply_arrivals,
    event_of,
    first_step,
    instance_id,
)
from fanin.aggregator.engines.durable_task.worker import Worker
from fanin.aggregator.engines.work_queue import WorkQueue
from fanin.aggregator.errors import (
    MalformedError,
    StoreBusyError,
    StoreError,
    StoreUnusableError,
    UnexpectedRegionError,
    UnknownRegionError,
)
from fanin.aggregator.fanin import FanIn, OperationId, Phase, Subject
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.notify.target import MESSAGES
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival

# How many instance ids are remembered as existing. One that is not costs one more call.
KNOWN_MAX = 20_000
# A start that finds an instance, and an event that then finds none: it was forgotten in between.
TRIES = 3
# How often orchestrations that have finished, because their retention is over, are purged.
PURGE_S, PURGE_S_MIN, PURGE_PAGE = 60.0, 0.5, 100
# To find the latest outcomes: how long ago an operation may have begun, period by period, and how many of
# each period are read.
LATEST_MS, LATEST_PAGE = (60_000, 600_000, 3_600_000, 86_400_000, 7 * 86_400_000), 100
# How many orchestrations are read at once to find dead letters.
RETRY_PAGE = 100
STOP_S = 3.0
START_S = 20.0
# Begins a page's token where dead letters are listed after what is pending.
_DEAD = "d"
_ORPHANED = (OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED)
# An instance that does not exist: to ask for it proves that calls work.
_PROBE = "fanin-readiness-check"


class DurableTaskEngine:
    """See `fanin.aggregator.engine.Engine`, whose promises it keeps."""

    capabilities = Capabilities(survives_kill=True, exclusive=False, has_retention=True, lists_outbox=True)

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._notifier = notifier
        self._options = DurableTaskOptions.read(settings.engine_options)
        self._activity = SendActivity(settings, clock, metrics, notifier)
        self._known: OrderedDict[str, None] = OrderedDict()  # instance ids, the last used last
        self._orphans: set[str] = set()  # instances whose failure was logged
        self._queue = WorkQueue()
        self._worker: Worker | None = None
        self._purger: asyncio.Task[None] | None = None
        self._open = False

    # --- the port ---

    async def open(self) -> None:
        self._hub = TaskHubClient(self._options)
        try:
            await self._until_it_answers()
        except StoreError:
            await self._hub.close()
            raise
        self._open = True
        if self._options.worker:
            self._worker = Worker(self._hub, self._activity, self._metrics, self._queue, self._options)
            self._worker.start()
            self._purger = asyncio.get_running_loop().create_task(self._purge())

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._purger is not None:
            self._purger.cancel()
            await asyncio.gather(self._purger, return_exceptions=True)
        if self._worker is not None:
            # It may still take activities while attempts end; those are answered as not attempted.
            await self._activity.close(STOP_S)
            await self._worker.stop()
        await self._hub.close()

    async def deliver(self, arrival: Arrival) -> None:
        if not self._open:
            raise StoreBusyError("the service is stopping")
        instance = instance_id(arrival.operation_id)
        expected = arrival.region in self._settings.regions
        if not expected:
            await self._refuse_unexpected(arrival)
        with self._queue.webhook():
            await self._hand_over(arrival, instance, expected=expected)
        self._remember(instance)
        self._metrics.arrivals[arrival.region, "accepted"] += 1
        log.event(logging.DEBUG, "accepted", operation=arrival.operation_id, region=arrival.region)

    async def inspect(self, operation_id: OperationId) -> FanIn | None:
        self._must_be_open()
        state = await self._hub.get(instance_id(operation_id))
        return None if state is None else await self._read(state)

    async def instances(self, *, phase: Phase | None, after: str | None, limit: int) -> Page:
        listed = await self._list(after, limit)
        states = await asyncio.gather(*map(self._read, listed.states))
        shown = [it for it in states if it is not None and phase in (None, it.phase)]
        return Page(shown, listed.next)

    async def latest(self, *, limit: int) -> list[FanIn]:
        # The hub lists the oldest first, so that only an instant to begin at keeps a list short.
        now_ms = self._clock.now_ms()
        found: list[FanIn] = []
        for period_ms in LATEST_MS:
            began_ms = now_ms - period_ms
            listed = await self._hub.page(after=None, limit=LATEST_PAGE, created_ms=began_ms)
            page = await self._decided(listed)
            if listed.next is not None and found:
                break  # too many to see the newest of them; those of the shorter period are newer
            found = page
            if len(found) >= limit or listed.next is not None:
                break
        return found[:limit]

    async def _decided(self, listed: InstancePage) -> list[FanIn]:
        """The operations with an outcome on a page, those decided last first."""
        decided = [it for it in listed.states if it.customStatus.value]
        states = [it for it in await asyncio.gather(*map(self._read, decided)) if it is not None]
        states = [it for it in states if it.decided_ms is not None]  # a later generation may wait
        return sorted(states, key=lambda it: (it.decided_ms or 0, it.operation_id), reverse=True)

    async def outbox(self, *, dead: bool | None, after: str | None, limit: int) -> OutboxPage:
        if dead is not None:
            return await self._outbox(dead=dead, after=after, limit=limit)
        # The hub lists operations, of which one may have both: it is read for what is pending first, and then
        # once more for dead letters.
        if after is None or not after.startswith(_DEAD):
            page = await self._outbox(dead=False, after=after, limit=limit)
            if page.entries or page.next is not None:
                return OutboxPage(page.entries, page.next or _DEAD)
            after = _DEAD
        page = await self._outbox(dead=True, after=after.removeprefix(_DEAD) or None, limit=limit)
        return OutboxPage(page.entries, page.next and _DEAD + page.next)

    async def retry(self, *, target: str | None, operation: OperationId | None) -> int:
        ours = {it.name for it in self._settings.targets}
        count, after = 0, None
        while True:
            page = await self._outbox(dead=True, after=after, limit=RETRY_PAGE)
            for entry in page.entries:
                wanted = target in (None, entry.target) and operation in (None, entry.operation_id)
                if wanted and entry.target in ours:
                    instance = instance_id(entry.operation_id)
                    count += await self._hub.raise_event(instance, RETRY, entry.target)
            after = page.next
            if after is None:
                return count

    async def check(self) -> None:
        self._must_be_open()
        # Takes the way of a webhook.
        await self._hub.raise_event(_PROBE, _PROBE, 0)

    # --- calls ---

    async def _outbox(self, *, dead: bool, after: str | None, limit: int) -> OutboxPage:
        """A page of dead letters, or of what is pending. It has the entries of up to ``limit`` operations."""
        listed = await self._list(after, limit, OrchestrationStatus.RUNNING)
        entries = [entry for state in listed.states for entry in _entries(state)]
        return OutboxPage([it for it in entries if dead is (it.dead_ms is not None)], listed.next)

    async def _list(self, after: str | None, limit: int, *statuses: OrchestrationStatus) -> InstancePage:
        """A page of the hub's orchestrations, with a token of ours.

        Raises:
            MalformedError: ``after`` is none.
        """
        self._must_be_open()
        if after is not None and not (after.isascii() and after.isprintable() and after.startswith("p")):
            raise MalformedError(f"after={after[:40]!r} is not what a page gave as its next")
        listed = await self._hub.page(after=after and after.removeprefix("p"), limit=limit, statuses=statuses)
        return InstancePage(listed.states, None if listed.next is None else f"p{listed.next}")

    def _must_be_open(self) -> None:
        if not self._open:
            raise StoreBusyError("the service is stopping")

    async def _until_it_answers(self) -> None:
        """Wait for the backend, which may be starting as well.

        Raises:
            StoreUnusableError: it does not answer.
        """
        loop = asyncio.get_running_loop()
        end_s, pause_s = loop.time() + START_S, 0.2
        while True:
            try:
                await self._hub.get(_PROBE)
            except StoreError as exc:
                if loop.time() > end_s:
                    raise StoreUnusableError(f"no Durable Task backend: {exc}") from exc
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, 2.0)  # an identity's token may take a while
            else:
                return

    async def _hand_over(self, arrival: Arrival, instance: str, *, expected: bool) -> None:
        """Start the orchestration with the arrival, or raise it as an event, whichever is needed."""
        at_ms = self._clock.now_ms()
        for _ in range(TRIES):
            if instance in self._known or not expected:
                if await self._hub.raise_event(instance, arrival.region, self._event(arrival, at_ms)):
                    return
                self._known.pop(instance, None)
            if not expected:
                raise UnknownRegionError(arrival.region, self._settings.regions)
            if await self._hub.start(instance, self._input(arrival, at_ms)):
                return
            self._remember(instance)
        raise StoreBusyError("the operation ends and starts again just now")

    def _targets(self, subject: Subject) -> dict[Phase, tuple[str, ...]]:
        notifier = self._notifier
        return {it: notifier.targets_for(it, subject) for it in MESSAGES} if notifier else {}

    def _event(self, arrival: Arrival, at_ms: int) -> Any:
        """An arrival as an event: its instant alone, unless it may begin a generation."""
        if not arrival.event_id:
            return at_ms
        event = ArrivalEvent(
            at_ms=at_ms,
            event_id=arrival.event_id,
            renewal=self._settings.renewal(arrival.subject),
            targets=self._targets(arrival.subject),
        )
        return msgspec.to_builtins(event)

    def _input(self, arrival: Arrival, at_ms: int) -> OrchestrationInput:
        settings = self._settings
        return OrchestrationInput(
            operation_id=arrival.operation_id,
            subject=arrival.subject,
            region=arrival.region,
            at_ms=at_ms,
            expected=tuple(settings.regions),
            timeout_ms=settings.timeout_ms,
            retention_ms=settings.retention_ms,
            event_id=arrival.event_id,
            targets=self._targets(arrival.subject),
        )

    def _remember(self, instance: str) -> None:
        self._known[instance] = None
        self._known.move_to_end(instance)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)

    async def _refuse_unexpected(self, arrival: Arrival) -> None:
        """A region that the settings do not name may still be one that its operation froze.

        Raises:
            UnknownRegionError: there is no such operation.
            UnexpectedRegionError: it does not wait for that region.
        """
        state = await self.inspect(arrival.operation_id)
        if state is None:
            raise UnknownRegionError(arrival.region, self._settings.regions)
        if arrival.region not in state.expected:
            raise UnexpectedRegionError(arrival.operation_id, arrival.region, state.expected)

    async def _read(self, state: protocol.OrchestrationState) -> FanIn | None:
        """An operation's state. None for an orchestration of another program, or one that has finished."""
        if state.name != ORCHESTRATOR or state.orchestrationStatus == OrchestrationStatus.COMPLETED.value:
            return None
        if state.customStatus.value:
            return msgspec.json.decode(state.customStatus.value, type=CustomStatus).state
        first = first_step(msgspec.json.decode(state.input.value, type=OrchestrationInput)).state
        # While it waits, it has no custom status: its history holds the arrivals.
        events = await self._hub.raised_events(state.instanceId)
        values = [(region, event_of(value)) for region, value in events if region in first.expected]
        return apply_arrivals(first, [it.arrived(region) for region, it in values if it]).state

    # --- retention ---

    async def _purge(self) -> None:
        """Purge finished orchestrations; log failed ones. Ends when it is cancelled."""
        rest_s = max(PURGE_S_MIN, min(PURGE_S, self._settings.retention_ms / 4000))
        while True:
            await asyncio.sleep(rest_s)
            try:
                for each in await self._listed(OrchestrationStatus.COMPLETED):
                    await self._hub.purge(each)
                    self._known.pop(each, None)
                for each in await self._listed(*_ORPHANED):
                    if each not in self._orphans:
                        self._orphans.add(each)
                        log.event(logging.ERROR, "orchestration-failed", instance=each)
            except StoreError as exc:
                log.event(logging.WARNING, "not-purged", reason=exc)

    async def _listed(self, *statuses: OrchestrationStatus) -> Iterable[str]:
        """The ids of our own orchestrations of some statuses."""
        found: list[str] = []
        after = None
        while True:
            listed = await self._hub.page(after=after, limit=PURGE_PAGE, statuses=statuses)
            found += [it.instanceId for it in listed.states if it.name == ORCHESTRATOR]
            after = listed.next
            if after is None:
                return found


def _entries(state: protocol.OrchestrationState) -> list[OutboxEntry]:
    """An operation's pending notifications and dead letters; none of other programs' orchestrations."""
    if state.name != ORCHESTRATOR or not state.customStatus.value:
        return []
    status = msgspec.json.decode(state.customStatus.value, type=CustomStatus)
    return [
        OutboxEntry.of(record.target, record.notification or status.notification, record)
        for record in status.outbox
    ]
