"""An image that is pushed again: where the image is the key, each push has an outcome of its own."""

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
    Step,
    step,
)
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import Send, VariedEngine, vary


class _OncePerImage(VariedEngine):
    """Keeps one outcome per key, whatever the payload's id."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        return await super().deliver(arrival._replace(event_id=""))


def _begin_when_late(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Take the region that was missing for one that reports another push."""
    if isinstance(event, Arrived) and state.phase is Phase.TIMED_OUT and event.region in state.missing:
        known = {region: ids for region, ids in state.pushes.ids.items() if region == event.region}
        sent = {event.region: state.generation}
        pushes = msgspec.structs.replace(state.pushes, current={event.region: ""}, ids=known, sent=sent)
        state = msgspec.structs.replace(state, pushes=pushes)
    return step(state, event)


def _forget_who_was_late(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Take every webhook of a region that was missing for one that is late."""
    if isinstance(event, Arrived) and state.phase is Phase.TIMED_OUT and event.region in state.late:
        again = msgspec.structs.replace(state, duplicates=state.duplicates + 1)
        return Step(again, (), ArrivalResult.DUPLICATE)
    return step(state, event)


def _one_key_per_image(send: Send, _: Clock) -> Send:
    async def send_under_it(notification: Notification) -> None:
        await send(msgspec.structs.replace(notification, key=notification.operation_id))

    return send_under_it


MUTANTS = (
    Mutant(
        "push-again-ignored",
        ("B48",),
        "Remembers that an image had its outcome, so nothing is reported when it is pushed again.",
        "same-image-again",
        vary(engine=_OncePerImage),
    ),
    Mutant(
        "late-region-begins-anew",
        ("B44",),
        "Takes a region that is late for a push for one that reports another push, so a wait begins that can"
        " only time out.",
        "same-image-again",
        vary(step=_begin_when_late),
    ),
    Mutant(
        "late-report-is-forgotten",
        ("B48", "B19"),
        "Does not note that a region which came late has reported the push, so it is missing from the next"
        " one if it reports that first.",
        "same-image-again",
        vary(step=_forget_who_was_late),
    ),
    Mutant(
        "one-key-per-image",
        ("B19",),
        "Derives the notification's key from the image, so a sink that drops repeats is never told of a push"
        " that comes again.",
        "same-image-again",
        vary(send=_one_key_per_image),
    ),
)
