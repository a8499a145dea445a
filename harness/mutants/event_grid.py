"""Event Grid: one request carries several events, and one response decides about all of them."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.middleware import AppResponse, Forward, Middleware, WebhookCall, intercept
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import vary

EVENT_GRID: frozenset[OptionalCapability] = frozenset({"event-grid"})
OK, ACCEPTED, BAD_REQUEST, BUSY = 200, 202, 400, 503

type Events = list[dict[str, Any]]
# Has the application respond to a request with these events.
type ForwardEvents = Callable[[Events], Awaitable[AppResponse]]
# Responds to a request with these events.
type HandleEvents = Callable[[Events, ForwardEvents], Awaitable[AppResponse]]


def _on_events(handle_events: HandleEvents) -> Middleware:
    async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
        if call.region:
            return await forward(call)  # a webhook; Event Grid has one address for all regions
        try:
            events = msgspec.json.decode(call.body, type=Events | dict[str, Any])
        except msgspec.MsgspecError:
            return await forward(call)

        async def forward_events(some: Events) -> AppResponse:
            return await forward(call.with_body(msgspec.json.encode(some)))

        return await handle_events(events if isinstance(events, list) else [events], forward_events)

    return intercept(handle)


async def _first_only(events: Events, forward: ForwardEvents) -> AppResponse:
    return await forward(events[:1])


async def _all_or_none(events: Events, forward: ForwardEvents) -> AppResponse:
    """Validate everything before anything is stored."""
    if all(event["data"].get("id") for event in events):
        return await forward(events)
    return AppResponse(BAD_REQUEST)


async def _own_ids(events: Events, forward: ForwardEvents) -> AppResponse:
    return await forward([{**event, "data": {**event["data"], "id": event["id"]}} for event in events])


async def _one_by_one(events: Events, forward: ForwardEvents) -> AppResponse:
    responses = [await forward([event]) for event in events]
    busy = [it for it in responses if it.status == BUSY]
    if busy:
        return busy[0]
    return next((it for it in responses if it.status in (OK, ACCEPTED)), responses[0])


MUTANTS = (
    Mutant(
        "grid-first-event-only",
        ("B63",),
        "Reads the first event of a batch, so all others are lost although they were acknowledged.",
        "event-grid-batch",
        vary(middleware=_on_events(_first_only)),
        capabilities=EVENT_GRID,
    ),
    Mutant(
        "grid-refuses-the-batch",
        ("B62",),
        "Refuses a batch with 400 if one event in it is broken, so Event Grid drops the sound ones with it.",
        "event-grid-batch",
        vary(middleware=_on_events(_all_or_none)),
        capabilities=EVENT_GRID,
    ),
    Mutant(
        "grid-correlates-by-event",
        ("B20",),
        "Correlates by the event's own id instead of the one in its data, so every region is an operation of"
        " its own, and all of them time out.",
        "event-grid",
        vary(middleware=_on_events(_own_ids)),
        capabilities=EVENT_GRID,
    ),
)
HEALTHY = (
    Healthy(
        "grid-one-by-one",
        "Stores the events of a batch one after the other, and refuses it only if all are refused.",
        vary(middleware=_on_events(_one_by_one)),
        capabilities=EVENT_GRID,
    ),
)
