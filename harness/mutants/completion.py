"""Whether everything is there: which regions are waited for, and which arrival counts for which."""

from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Phase,
    Step,
    Subject,
    start,
    step,
)
from fanin.aggregator.http.app import _Surface as Surface
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import CORRELATIONS, Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.rewiring import rewired
from fanin.harness.mutants.variation import Retold, Tell, VariedEngine, believed_complete, stepping, vary


class _LearnsRegions(VariedEngine):
    """Waits for the regions that it has heard of."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._heard_of: set[str] = set()

    async def deliver(self, arrival: Arrival) -> Receipt:
        self._heard_of.add(arrival.region)
        return await super().deliver(arrival)

    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        return stepping(step=self._step, start=self._start)(*args, **kwargs)

    def _start(self, *args: Any, **kwargs: Any) -> Step:
        return self._settled(start(*args, **kwargs))

    def _step(self, state: FanIn, event: Arrived | DeadlineReached) -> Step:
        return self._settled(step(state, event))

    def _settled(self, result: Step) -> Step:
        state = result.state
        if state.phase is Phase.WAITING and state.arrived.keys() >= self._heard_of:
            return believed_complete(state, max(state.arrived.values()))
        return result


def _start_unchecked(*args: Any, **kwargs: Any) -> Step:
    """Looks whether the set is full when a region is added, and not when the operation starts."""
    begun = start(*args, **kwargs).state
    waiting = msgspec.structs.replace(begun, phase=Phase.WAITING, decided_ms=None)
    return Step(waiting, (), ArrivalResult.COUNTED)


def _in_order(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Takes a region that comes before its predecessor for an old event that overtook a new one."""
    if isinstance(event, Arrived) and event.region in state.missing[1:]:
        return Step(state, (), ArrivalResult.DUPLICATE)
    return step(state, event)


class _AnyRegionCounts(VariedEngine):
    """Counts names, and compares their number with the number of those expected."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.region not in self._settings.regions:
            state = await self.inspect(arrival.operation_id)
            missing = state.missing if state else self._settings.regions
            arrival = arrival._replace(region=missing[0] if missing else self._settings.regions[0])
        return await super().deliver(arrival)


class _AcceptsTypos(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        if arrival.region not in self._settings.regions:
            return self.pretend(arrival)
        return await super().deliver(arrival)


class _CaseSensitive(Surface):
    push = rewired(Surface.push, normalise_region=str.strip)


class _Untrimmed(Surface):
    push = rewired(Surface.push, normalise_region=str.casefold)


class _TagIsTheKey(Surface):
    """Whatever happens to one tag is one operation: that of the first event that named it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._correlate = self._by_tag
        self._owners: dict[tuple[str | None, str | None], str] = {}

    def _by_tag(self, event_id: str, subject: Subject) -> str:
        return self._owners.setdefault((subject.repository, subject.tag), event_id)


class _IdWhateverIsConfigured(Surface):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._correlate = CORRELATIONS["event-id"]


class _SharedCallback(VariedEngine):
    """Has one place for what a notification is about, and the newest operation puts its own there."""

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        retold = Retold(notifier, self._about_the_newest, clock) if notifier else None
        super().__init__(settings, clock, metrics, retold)
        self._newest: Subject | None = None

    async def deliver(self, arrival: Arrival) -> Receipt:
        if not await self.inspect(arrival.operation_id):
            self._newest = arrival.subject
        return await super().deliver(arrival)

    def _about_the_newest(self, tell: Tell, _clock: Clock) -> Tell:
        return lambda notify: tell(msgspec.structs.replace(notify, subject=self._newest or notify.subject))


MUTANTS = (
    Mutant(
        "regions-seen-so-far",
        ("B25",),
        "Waits for the regions that it has heard of so far instead of those that are configured, so the"
        " first operation completes with its first webhook.",
        "slow-region",
        vary(engine=_LearnsRegions),
    ),
    Mutant(
        "single-region-never-completes",
        ("B27",),
        "Looks whether the set is full when a region joins it and not when the operation starts, so a"
        " registry with one region times out for ever.",
        "one-region",
        vary(transaction=stepping(start=_start_unchecked)),
    ),
    Mutant(
        "requires-region-order",
        ("B31",),
        "Takes a region that reports before its predecessor for an old event that was overtaken, and drops"
        " it, so it completes only what arrives in alphabetical order.",
        "out-of-order",
        vary(transaction=stepping(step=_in_order)),
    ),
    Mutant(
        "correlates-by-tag",
        ("B31", "B19"),
        "Ties webhooks together by the tag that they are about, so a tag that is pushed twice has one"
        " operation, and nobody ever hears of the second push.",
        "delete-and-push",
        vary(surface_type=_TagIsTheKey),
    ),
    Mutant(
        "ignores-correlation-setting",
        ("B20",),
        "Ties webhooks together by the payload's id although it is told to go by the image, so a registry"
        " whose regions number their events themselves has as many operations as regions.",
        "distinct-ids",
        vary(surface_type=_IdWhateverIsConfigured),
    ),
    Mutant(
        "any-region-counts",
        ("B32",),
        "Compares how many regions have reported, not which, so a region that nobody expects completes the"
        " operation in the place of one that is missing.",
        "odd-regions",
        vary(engine=_AnyRegionCounts),
    ),
    Mutant(
        "case-sensitive",
        ("B32",),
        "Compares region names letter by letter, so 'NorthEurope' is refused although 'northeurope' is"
        " expected, and the operation times out.",
        "odd-regions",
        vary(surface_type=_CaseSensitive),
    ),
    Mutant(
        "untrimmed",
        ("B32",),
        "Does not trim region names, so one that was typed with a space around it is refused, and the"
        " operation times out.",
        "odd-regions",
        vary(surface_type=_Untrimmed),
    ),
    Mutant(
        "accepts-unknown-regions",
        ("B68",),
        "Answers 202 to a region that nobody expects and does nothing with it, so whoever misspelt it in a"
        " URL learns of it from timeouts.",
        "odd-regions",
        vary(engine=_AcceptsTypos),
    ),
    Mutant(
        "shared-subject",
        ("B30",),
        "Keeps what a notification is about in one shared place, so an outcome is told with the image of"
        " whichever operation began last.",
        "original-interleaved",
        vary(engine=_SharedCallback),
    ),
)
