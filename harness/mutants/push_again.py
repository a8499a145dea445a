"""An image that is pushed again: where the image is the key, each push has an outcome of its own."""

from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.transaction import Transaction
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
from fanin.aggregator.generations import Pushes
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import Send, VariedEngine, VariedStore, vary


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


def _expect_the_same_again(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Begin the next generation with the regions of the one before."""
    if isinstance(event, Arrived) and event.renewal is not None:
        renewal = msgspec.structs.replace(event.renewal, expected=state.expected)
        event = msgspec.structs.replace(event, renewal=renewal)
    return step(state, event)


def _with_latest_ids(state: FanIn) -> FanIn:
    """Without the ids of all pushes but the latest."""
    latest = state.pushes.current
    ids = {
        region: {latest[region]: known[latest[region]]}
        for region, known in state.pushes.ids.items()
        if latest.get(region) in known
    }
    return msgspec.structs.replace(state, pushes=msgspec.structs.replace(state.pushes, ids=ids))


def _remember_the_latest(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    return step(_with_latest_ids(state), event)


class _WaitsForAcceptance(Transaction):
    """Takes a webhook of a later push for a copy while the notification of the one before is pending."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, step=self._step_if_accepted)

    def _step_if_accepted(self, state: FanIn, event: Arrived | DeadlineReached) -> Step:
        result = step(state, event)
        assert isinstance(self.store, VariedStore)  # noqa: S101 - every variation has one
        if result.state.generation == state.generation or not any(
            row.notification.operation_id == state.operation_id for row in self.store.pending()
        ):
            return result
        again = msgspec.structs.replace(state, duplicates=state.duplicates + 1)
        return Step(again, (), ArrivalResult.DUPLICATE)


def _count_copies(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Count any webhook of a region that an operation waits for, even a copy of an earlier push."""
    if (
        isinstance(event, Arrived)
        and state.phase is Phase.WAITING
        and event.region in state.missing
        and event.event_id in state.pushes.ids.get(event.region, ())
    ):
        event = msgspec.structs.replace(event, event_id="")
    return step(state, event)


def _do_not_note_late_ids(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Note the ids of webhooks that count, so that a copy of a late one is of another push."""
    if not isinstance(event, Arrived) or not event.event_id:
        return step(state, event)
    pushes, region, id_ = state.pushes, event.region, event.event_id
    known = pushes.ids.get(region, {})
    if state.phase is Phase.TIMED_OUT and pushes.current.get(region) == id_ and id_ not in known:
        as_new = Pushes({}, {region: ""}, pushes.ahead, {region: state.generation})
        result = step(msgspec.structs.replace(state, pushes=as_new), event)
        noted = {**pushes.ids, region: {**known, id_: event.at_ms}}
        return _with_pushes(result, ids=noted, sent={**pushes.sent, region: pushes.sent.get(region, 0) + 1})
    result = step(state, event)
    return _with_pushes(result, ids=pushes.ids) if result.result is ArrivalResult.LATE else result


def _with_pushes(result: Step, **fields: Any) -> Step:
    pushes = msgspec.structs.replace(result.state.pushes, **fields)
    return result._replace(state=msgspec.structs.replace(result.state, pushes=pushes))


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
        "remembers-the-latest-push",
        ("B18", "B31"),
        "Remembers of each region the id that it sent last, so a copy of an earlier push begins a wait.",
        "same-image-again",
        vary(step=_remember_the_latest),
    ),
    Mutant(
        "waits-for-acceptance",
        ("B48", "B62"),
        "Begins no new wait before the sink has accepted the outcome of the push before, so one that comes"
        " while the sink is down is never reported.",
        "same-image-again",
        vary(transaction=_WaitsForAcceptance),
    ),
    Mutant(
        "copies-count-for-the-next-push",
        ("B19", "B20"),
        "Counts a copy of an earlier push's webhook for the push that waits, so it completes without that"
        " region.",
        "same-image-again",
        vary(step=_count_copies),
    ),
    Mutant(
        "copies-of-late-webhooks",
        ("B44", "B18"),
        "Does not note the id of a webhook that comes late, so a copy of it begins a wait.",
        "same-image-again",
        vary(step=_do_not_note_late_ids),
    ),
    Mutant(
        "expects-the-regions-of-before",
        ("B29", "B19"),
        "Waits for the regions of the first push when an image is pushed again, so it misses one that was"
        " taken away since.",
        "same-image-again",
        vary(step=_expect_the_same_again),
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
