"""The deadline: one timeout after the first commit, by one clock, and never moved."""

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import msgspec

from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.store import Store, StoredOperation
from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import Arrived, DeadlineReached, FanIn, Phase, Step, start, step
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.middleware import AppResponse, Forward, WebhookCall, intercept
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, VariedStore, vary

SECOND_MS = 1_000
TEN_YEARS_MS = 3_650 * 86_400_000
# When central Europe's clocks are put forward in the year in which scenarios play, and by how much.
SPRING_MS, HOUR_MS = 1_774_746_000_000, 3_600_000  # 2026-03-29T01:00Z


class _RearmsOnRestart(VariedEngine):
    """Starts the timeouts of all waiting operations again when it opens."""

    async def open(self) -> None:
        await super().open()
        deadline_ms = self.clock.now_ms() + self.settings.timeout_ms
        self.rewrite(
            (n, msgspec.structs.replace(state, deadline_ms=deadline_ms)) for n, state in self.store.waiting()
        )


class _StoreWithMovingDeadlines(VariedStore):
    """Updates deadlines, too."""

    def update(self, known: Iterable[StoredOperation]) -> None:
        known = list(known)
        self.rewrite(it for it in known if it[1].phase is Phase.WAITING)
        super().update(it for it in known if it[1].phase is not Phase.WAITING)


class _SlidingDeadline(VariedEngine):
    """Measures silence: every arrival starts the timeout again."""

    store_type = _StoreWithMovingDeadlines

    def new_transaction(
        self, store: Store, settings: Settings, at_ms: int, /, *, notifier: Notifier | None
    ) -> Transaction:
        return Transaction(store, settings, at_ms, notifier=notifier, step=self._slide)

    def _slide(self, state: FanIn, event: Arrived | DeadlineReached) -> Step:
        result = step(state, event)
        if isinstance(event, DeadlineReached) or result.state.phase is not Phase.WAITING:
            return result
        deadline_ms = event.at_ms + self.settings.timeout_ms
        return result._replace(state=msgspec.structs.replace(result.state, deadline_ms=deadline_ms))


# The time that the payload of the current request names, in Unix ms.
_payload_time_ms: ContextVar[int] = ContextVar("_payload_time_ms")


async def _read_timestamp(call: WebhookCall, forward: Forward) -> AppResponse:
    text = call.payload.get("timestamp")
    if isinstance(text, str):
        _payload_time_ms.set(round(datetime.fromisoformat(text).timestamp() * 1_000))
    return await forward(call)


class _TimestampedArrival(Arrival):
    """An arrival with the time that its payload names."""

    payload_time_ms: int


class _StartsAtPayloadTime(Transaction):
    def start_operation(self, arrival: Arrival, event: Arrived) -> Step:
        if isinstance(arrival, _TimestampedArrival):
            event = Arrived(event.region, arrival.payload_time_ms)
        return super().start_operation(arrival, event)


class _DeadlineFromPayloadTime(VariedEngine):
    transaction_type = _StartsAtPayloadTime

    async def deliver(self, arrival: Arrival) -> Receipt:
        timestamped = _TimestampedArrival(*arrival)
        timestamped.payload_time_ms = _payload_time_ms.get(self.clock.now_ms())
        return await super().deliver(timestamped)


def _start_with_31_bits(*args: Any, timeout_ms: int, **kwargs: Any) -> Step:
    """Store the delay as a signed number of 32 bits."""
    wrapped_ms = (timeout_ms + 2**31) % 2**32 - 2**31
    return start(*args, timeout_ms=max(wrapped_ms, 1), **kwargs)


def _start_in_whole_seconds(*args: Any, timeout_ms: int, **kwargs: Any) -> Step:
    """Keep the timeout as a whole number of seconds."""
    return start(*args, timeout_ms=max(timeout_ms // SECOND_MS * SECOND_MS, 1), **kwargs)


def _start_in_local_time(
    operation_id: str, subject: Any, event: Arrived, *, expected: tuple[str, ...], timeout_ms: int
) -> Step:
    """Add the timeout to local time in central Europe."""
    before_ms, after_ms = event.at_ms, event.at_ms + timeout_ms
    lost_ms = HOUR_MS if before_ms < SPRING_MS <= after_ms else 0
    return start(operation_id, subject, event, expected=expected, timeout_ms=timeout_ms - lost_ms)


MUTANTS = (
    Mutant(
        "no-timer",
        ("B33",),
        "Sets no deadline, so an operation with a lost webhook waits for ever, without a notification.",
        "dropped-region",
        vary(settings={"timeout_ms": TEN_YEARS_MS}),
    ),
    Mutant(
        "rearms-on-restart",
        ("B39",),
        "Starts the timeout again when it restarts instead of storing the deadline, so every restart delays"
        " the outcome.",
        "restart-every-30s",
        vary(engine=_RearmsOnRestart),
    ),
    Mutant(
        "sliding-deadline",
        ("B39",),
        "Starts the timeout again with every webhook, so the deadline moves with each region that arrives.",
        "dropped-region",
        vary(engine=_SlidingDeadline),
    ),
    Mutant(
        "deadline-from-payload-time",
        ("B42",),
        "Counts the timeout from the time in the payload, which may be long ago, so a push whose webhooks"
        " are late has timed out before they arrive.",
        "late-start",
        vary(engine=_DeadlineFromPayloadTime, middleware=intercept(_read_timestamp)),
    ),
    Mutant(
        "delay-overflows",
        ("B41",),
        "Keeps delays in 31 bits of milliseconds, which hold 24.8 days, so a longer timeout ends at once.",
        "thirty-days",
        vary(start=_start_with_31_bits),
    ),
    Mutant(
        "timeout-in-whole-seconds",
        ("B67", "B66"),
        "Reads the timeout as a whole number of seconds, so of half a second nothing is left.",
        "timeout-changed",
        vary(start=_start_in_whole_seconds),
    ),
    Mutant(
        "deadline-in-local-time",
        ("B42",),
        "Adds the timeout to local time, so a deadline after the change to summer time comes an hour early.",
        "thirty-days",
        vary(start=_start_in_local_time),
    ),
    Mutant(
        "setting-misspelt",
        ("B67",),
        "Reads the timeout under another name than the documented one, so the default of two minutes applies"
        " whatever is configured.",
        "original-timeout",
        vary(settings={"timeout_ms": 120_000}),
    ),
)
