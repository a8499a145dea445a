"""Whether an operation is complete: which regions are expected, and which arrival counts for which."""

from collections.abc import Callable
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
    Step,
    Subject,
    start,
    step,
)
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.middleware import AppResponse, Forward, Middleware, WebhookCall, intercept
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import Send, VariedEngine, VariedNotifier, complete_anyway, vary
from fanin.harness.world.asgi import AsgiApp

UNPROCESSABLE = 422


class _ExpectsRegionsSeen(VariedEngine):
    """Expects the regions that it has seen so far."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: set[str] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        self._seen.add(arrival.region)
        return await super().deliver(arrival)

    def new_transaction(
        self, store: Store, settings: Settings, at_ms: int, /, *, notifier: Notifier | None
    ) -> Transaction:
        return Transaction(
            store,
            settings,
            at_ms,
            notifier=notifier,
            start=lambda *args, **kwargs: self._complete_if_seen(start(*args, **kwargs)),
            step=lambda state, event: self._complete_if_seen(step(state, event)),
        )

    def _complete_if_seen(self, result: Step) -> Step:
        state = result.state
        if state.phase is Phase.WAITING and state.arrived.keys() >= self._seen:
            return complete_anyway(state, max(state.arrived.values()))
        return result


def _start_unchecked(*args: Any, **kwargs: Any) -> Step:
    """Start without a look whether the first region is the only one."""
    started = start(*args, **kwargs).state
    waiting = msgspec.structs.replace(started, phase=Phase.WAITING, decided_ms=None)
    return Step(waiting, (), ArrivalResult.COUNTED)


def _step_in_region_order(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Ignore a region that arrives before its predecessor, as an old event that overtook a new one."""
    if isinstance(event, Arrived) and event.region in state.missing[1:]:
        return Step(state, (), ArrivalResult.DUPLICATE)
    return step(state, event)


class _AnyRegionCounts(VariedEngine):
    """Compares the number of region names with the number of those that are expected."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.region not in self.settings.regions:
            state = await self.inspect(arrival.operation_id)
            missing = state.missing if state else self.settings.regions
            arrival = arrival._replace(region=missing[0] if missing else self.settings.regions[0])
        return await super().deliver(arrival)


class _AcceptsUnknownRegions(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.region not in self.settings.regions:
            return self.receipt_without_storing(arrival)
        return await super().deliver(arrival)


def _refuse_unless_unchanged(normalise: Callable[[str], str]) -> Middleware:
    """Refuse a region that is not written as it is after this step, as if the step did not exist."""

    async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
        return await forward(call) if call.region == normalise(call.region) else AppResponse(UNPROCESSABLE)

    return intercept(handle)


def _correlate_by_tag(app: AsgiApp) -> AsgiApp:
    """Give webhooks about one tag one id: that of the first of them."""
    ids: dict[tuple[str, str], str] = {}

    async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
        payload = call.payload
        target = payload.get("target")
        if not (isinstance(target, dict) and isinstance(payload.get("id"), str)):
            return await forward(call)
        tag = str(target.get("repository")), str(target.get("tag"))
        return await forward(call.with_payload(id=ids.setdefault(tag, payload["id"])))

    return intercept(handle)(app)


class _SharedSubject(VariedEngine):
    """Keeps one subject for all notifications, that of the newest operation."""

    def __init__(
        self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None, **kwargs: Any
    ) -> None:
        varied = VariedNotifier(notifier, self._with_newest_subject, clock) if notifier else None
        super().__init__(settings, clock, metrics, varied, **kwargs)
        self._newest: Subject | None = None

    async def deliver(self, arrival: Arrival) -> Receipt:
        if not await self.inspect(arrival.operation_id):
            self._newest = arrival.subject
        return await super().deliver(arrival)

    def _with_newest_subject(self, send: Send, _clock: Clock) -> Send:
        def attempt(notification: Notification) -> Any:
            return send(msgspec.structs.replace(notification, subject=self._newest or notification.subject))

        return attempt


def _step_by_number(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Store every configured region that arrives, and count them."""
    is_stray = isinstance(event, Arrived) and event.region not in state.expected
    if not is_stray or state.phase is not Phase.WAITING or not isinstance(event, Arrived):
        return step(state, event)
    counted = msgspec.structs.replace(state, arrived={**state.arrived, event.region: event.at_ms})
    if len(counted.arrived) < len(counted.expected):
        return Step(counted, (), ArrivalResult.COUNTED)
    noted = msgspec.structs.replace(state, late={event.region: event.at_ms})
    return complete_anyway(noted, event.at_ms)


MUTANTS = (
    Mutant(
        "regions-seen-so-far",
        ("B25",),
        "Expects the regions that it has seen so far instead of those that are configured, so the first"
        " operation completes with its first webhook.",
        "slow-region",
        vary(engine=_ExpectsRegionsSeen),
    ),
    Mutant(
        "single-region-never-completes",
        ("B27",),
        "Looks whether the set is full when a further region arrives, and not when the operation starts, so"
        " with one region every operation times out.",
        "one-region",
        vary(start=_start_unchecked),
    ),
    Mutant(
        "requires-region-order",
        ("B31",),
        "Ignores a region that arrives before its predecessor as an old event, so only operations whose"
        " regions arrive in alphabetical order complete.",
        "out-of-order",
        vary(step=_step_in_region_order),
    ),
    Mutant(
        "correlates-by-tag",
        ("B31", "B19"),
        "Correlates webhooks by the tag that they are about, so two pushes of a tag are one operation, and"
        " there is no notification of the second push.",
        "delete-and-push",
        vary(middleware=_correlate_by_tag, settings={"correlation": "event-id"}),
    ),
    Mutant(
        "ignores-correlation-setting",
        ("B20",),
        "Correlates webhooks by the payload's id although it is configured to use the image, so regions that"
        " give their events ids of their own start an operation each.",
        "distinct-ids",
        vary(settings={"correlation": "event-id"}),
    ),
    Mutant(
        "any-region-counts",
        ("B32",),
        "Compares how many regions have arrived, not which, so an unknown region completes the operation in"
        " the place of one that is missing.",
        "odd-regions",
        vary(engine=_AnyRegionCounts),
    ),
    Mutant(
        "counts-regions-added-since",
        ("B29", "B22"),
        "Counts every configured region that reports, so one that was added while an operation waits"
        " completes it in the place of one that is missing.",
        "region-added",
        vary(step=_step_by_number),
    ),
    Mutant(
        "case-sensitive",
        ("B32",),
        "Compares region names letter by letter, so 'NorthEurope' is refused although 'northeurope' is"
        " expected, and the operation times out.",
        "odd-regions",
        vary(middleware=_refuse_unless_unchanged(str.casefold)),
    ),
    Mutant(
        "untrimmed",
        ("B32",),
        "Does not trim region names, so a name with a space around it is refused, and the operation times"
        " out.",
        "odd-regions",
        vary(middleware=_refuse_unless_unchanged(str.strip)),
    ),
    Mutant(
        "accepts-unknown-regions",
        ("B68",),
        "Answers 202 to an unknown region and ignores the webhook, so a misspelt region in a URL shows only"
        " in timeouts.",
        "odd-regions",
        vary(engine=_AcceptsUnknownRegions),
    ),
    Mutant(
        "shared-subject",
        ("B30",),
        "Keeps the subject of notifications in one shared place, so an outcome is reported with the image of"
        " the operation that started last.",
        "original-interleaved",
        vary(engine=_SharedSubject),
    ),
)
