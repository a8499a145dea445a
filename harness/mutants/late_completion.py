"""It arrived after all: the message, where asked for, that the last missing region has reported."""

from typing import Any

import msgspec

from fanin.aggregator.engines.sqlite.transaction import Transaction
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Phase,
    Step,
    notification_of,
    step,
)
from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import VariedEngine, VariedStore, vary

COMPLETED_LATE: frozenset[OptionalCapability] = frozenset({"completed-late"})


def _is_late(result: Step) -> bool:
    return any(it.outcome is Phase.COMPLETED_LATE for it in result.effects)


def _send_late(state: FanIn, key: str, at_ms: int) -> Step:
    """Send the message now that an operation was completed late."""
    message = msgspec.structs.replace(
        notification_of(state, decided_ms=at_ms),
        key=key,
        outcome=Phase.COMPLETED_LATE,
        arrived=state.expected,
        missing=(),
    )
    return Step(state, (message,), ArrivalResult.LATE)


def _at_the_first_late_region(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    result = step(state, event)
    if result.result is not ArrivalResult.LATE or state.late:
        return result._replace(effects=()) if _is_late(result) else result
    sent = _send_late(result.state, f"late-{state.key}", event.at_ms)
    return sent._replace(effects=(*(it for it in result.effects if not _is_late(result)), *sent.effects))


def _with_each_late_webhook(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    result = step(state, event)
    everything = not set(result.state.missing) - set(result.state.late)
    is_copy = result.result is ArrivalResult.DUPLICATE and result.state.phase is Phase.TIMED_OUT
    return _send_late(result.state, f"late-{event.at_ms}", event.at_ms) if is_copy and everything else result


def _under_the_outcomes_key(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    result = step(state, event)
    return _send_late(result.state, state.key, event.at_ms) if _is_late(result) else result


def _before_it_is_noted(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Look who is missing before the region that comes is noted, so that a copy of it finds none."""
    result = step(state, event)
    if _is_late(result):
        return result._replace(effects=())
    everything = not set(state.missing) - set(state.late)
    is_copy = result.result is ArrivalResult.DUPLICATE and state.phase is Phase.TIMED_OUT
    return _send_late(result.state, f"late-{state.key}", event.at_ms) if is_copy and everything else result


class _LateAfterAcceptance(Transaction):
    """Looks whether the outcome was accepted, and only then has something to add to it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, step=self._step_if_accepted)

    def _step_if_accepted(self, state: FanIn, event: Arrived | DeadlineReached) -> Step:
        result = step(state, event)
        if not _is_late(result):
            return result
        assert isinstance(self.store, VariedStore)  # noqa: S101 - every variation has one
        outcomes = tuple(it for it in result.effects if it.outcome is not Phase.COMPLETED_LATE)
        is_pending = any(row.notification.key == state.key for row in self.store.pending())
        return result._replace(effects=outcomes) if outcomes or is_pending else result


class _ResumesOutcomes(VariedEngine):
    """Looks for notifications of outcomes when it opens, and for no others."""

    async def open(self) -> None:
        await super().open()
        rows = self.store.pending()
        late = [it.n for it in rows if it.notification.outcome is Phase.COMPLETED_LATE]
        self.store.outbox.delete_delivered(late)


def _never(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    result = step(state, event)
    return result._replace(effects=()) if _is_late(result) else result


MUTANTS = (
    Mutant(
        "notifies-at-the-first-late-region",
        ("B25",),
        "Says that an operation was completed when the first of its missing regions is there, so the image"
        " is used where it is not yet.",
        "completed-late",
        vary(step=_at_the_first_late_region),
        capabilities=COMPLETED_LATE,
    ),
    Mutant(
        "notifies-with-each-late-webhook",
        ("B15",),
        "Sends it anew with each copy of a webhook, so the sink gets it again under keys that are new to it.",
        "completed-late",
        vary(step=_with_each_late_webhook),
        capabilities=COMPLETED_LATE,
    ),
    Mutant(
        "notifies-late-under-the-outcomes-key",
        ("B19",),
        "Sends it under the key of the timeout, so a sink that drops repeats never sees it.",
        "completed-late",
        vary(step=_under_the_outcomes_key),
        capabilities=COMPLETED_LATE,
    ),
    Mutant(
        "looks-before-the-last-is-noted",
        ("B46",),
        "Looks who is missing before it notes the region that comes, so only a copy of the last one brings"
        " the message.",
        "completed-late",
        vary(step=_before_it_is_noted),
        capabilities=COMPLETED_LATE,
    ),
    Mutant(
        "resumes-outcomes-alone",
        ("B51",),
        "Looks after a start for outcomes that were not notified yet, so a late completion that the sink had"
        " refused is never sent again.",
        "completed-late",
        vary(engine=_ResumesOutcomes),
        capabilities=COMPLETED_LATE,
    ),
    Mutant(
        "late-only-after-acceptance",
        ("B46", "B58"),
        "Notifies of a late completion only if the timeout was accepted before, so after an outage of the"
        " sink the image is missing for ever.",
        "completed-late",
        vary(transaction=_LateAfterAcceptance),
        capabilities=COMPLETED_LATE,
    ),
    Mutant(
        "never-notifies-late",
        ("B46",),
        "Notes the region that comes late and notifies no target, so what was asked for is never known.",
        "completed-late",
        vary(step=_never),
        capabilities=COMPLETED_LATE,
    ),
)
HEALTHY = (
    Healthy(
        "notifies-late",
        "Notifies of a late completion, as it was asked to: the real one, for mutants to be compared with.",
        vary(),
        capabilities=COMPLETED_LATE,
    ),
)
