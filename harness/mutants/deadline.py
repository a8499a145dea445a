"""When the deadline is: one timeout after the first commit, by one clock, whatever happens later."""

from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import Arrived, DeadlineReached, FanIn, Phase, Step, start, step
from fanin.aggregator.http.app import _Surface as Surface
from fanin.aggregator.wire import Arrival, Event, decode
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.rewiring import rewired
from fanin.harness.mutants.variation import VariedEngine, VariedStore, stepping, vary

TEN_YEARS_MS = 3_650 * 86_400_000
# When central Europe's clocks are put forward in the year in which scenarios play, and by how much.
SPRING_MS, HOUR_MS = 1_774_746_000_000, 3_600_000  # 2026-03-29T01:00Z


class _ArmsAnew(VariedEngine):
    """Starts the timers of all that wait when it starts."""

    async def open(self) -> None:
        await super().open()
        deadline_ms = self._clock.now_ms() + self._settings.timeout_ms
        self._store.rewrite(
            (n, msgspec.structs.replace(state, deadline_ms=deadline_ms)) for n, state in self._store.waiting()
        )
        self.recheck()


class _SlidingStore(VariedStore):
    """Writes deadlines, too, because they move."""

    def update(self, known: Any) -> None:
        self.rewrite(known)


class _SlidesOnArrival(VariedEngine):
    """Measures silence: every arrival starts the timeout over."""

    store_type = _SlidingStore

    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        return stepping(step=self._slide)(*args, **kwargs)

    def _slide(self, state: FanIn, event: Arrived | DeadlineReached) -> Step:
        result = step(state, event)
        if isinstance(event, DeadlineReached) or result.state.phase is not Phase.WAITING:
            return result
        deadline_ms = event.at_ms + self._settings.timeout_ms
        return result._replace(state=msgspec.structs.replace(result.state, deadline_ms=deadline_ms))


class _Dated(Arrival):
    """An arrival with the time that its payload names."""

    pushed_ms: int


class _ReadsTimestamps(Surface):
    async def push(self, request: Request) -> Response:
        dated = rewired(Surface.push, decode=self._decode, Arrival=self._arrival)
        return await dated(self, request)

    def _decode(self, body: bytes) -> Event:
        event = decode(body)
        self._timestamp = str(msgspec.json.decode(body).get("timestamp"))
        return event

    def _arrival(self, *args: Any) -> _Dated:
        arrival = _Dated(*args)
        arrival.pushed_ms = round(datetime.fromisoformat(self._timestamp).timestamp() * 1_000)
        return arrival


class _StartsAtThePush(Transaction):
    def start_operation(self, arrival: Arrival, event: Arrived) -> Step:
        if isinstance(arrival, _Dated):
            event = Arrived(event.region, arrival.pushed_ms)
        return super().start_operation(arrival, event)


def _start_31_bits(*args: Any, timeout_ms: int, **kwargs: Any) -> Step:
    """The delay is a signed number of 32 bits."""
    wrapped_ms = (timeout_ms + 2**31) % 2**32 - 2**31
    return start(*args, timeout_ms=max(wrapped_ms, 1), **kwargs)


def _start_by_the_wall(
    operation_id: str, subject: Any, event: Arrived, *, expected: tuple[str, ...], timeout_ms: int
) -> Step:
    """Adds the timeout to what the clock on a wall in central Europe shows."""
    before_ms, after_ms = event.at_ms, event.at_ms + timeout_ms
    lost_ms = HOUR_MS if before_ms < SPRING_MS <= after_ms else 0
    return start(operation_id, subject, event, expected=expected, timeout_ms=timeout_ms - lost_ms)


MUTANTS = (
    Mutant(
        "no-timer",
        ("B33",),
        "Sets no deadline that anybody will live to see, so an operation whose webhook is lost waits for"
        " ever, and nobody hears of it.",
        "dropped-region",
        vary(settings={"timeout_ms": TEN_YEARS_MS}),
    ),
    Mutant(
        "rearms-on-restart",
        ("B39",),
        "Starts the timeout over when it starts instead of storing the deadline, so every restart puts the"
        " outcome off.",
        "restart-every-30s",
        vary(engine=_ArmsAnew),
    ),
    Mutant(
        "sliding-deadline",
        ("B39",),
        "Starts the timeout over with every webhook, so it measures silence, and the deadline comes later"
        " the more regions report.",
        "dropped-region",
        vary(engine=_SlidesOnArrival),
    ),
    Mutant(
        "deadline-from-payload-time",
        ("B42",),
        "Counts the timeout from the time that the payload names, which is another clock's and may be long"
        " ago, so a push whose webhooks come late has timed out before they do.",
        "late-start",
        vary(surface_type=_ReadsTimestamps, transaction=_StartsAtThePush),
    ),
    Mutant(
        "delay-overflows",
        ("B41",),
        "Keeps delays in 31 bits of milliseconds, which hold 24.8 days, so a deadline beyond that has"
        " passed at once.",
        "thirty-days",
        vary(transaction=stepping(start=_start_31_bits)),
    ),
    Mutant(
        "deadline-in-local-time",
        ("B42",),
        "Adds the timeout to local time, so a deadline beyond the change to summer time comes an hour early.",
        "thirty-days",
        vary(transaction=stepping(start=_start_by_the_wall)),
    ),
    Mutant(
        "setting-misspelt",
        ("B67",),
        "Reads the timeout under another name than the one that is documented, so the default of two"
        " minutes holds whatever was configured.",
        "original-timeout",
        vary(settings={"timeout_ms": 120_000}),
    ),
)
