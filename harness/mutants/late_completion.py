"""It arrived after all: the message, where asked for, that the last missing region has reported."""

import msgspec

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
from fanin.harness.mutants.variation import vary

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
