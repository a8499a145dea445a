"""Envelopes: one request carries several events, and each of them counts by itself."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.middleware import AppResponse, Forward, Middleware, WebhookCall, intercept
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import vary
from fanin.simulator.wire import ENVELOPE_MEDIA_TYPE

ENVELOPES: frozenset[OptionalCapability] = frozenset({"envelopes"})
BUSY, ACCEPTED = 503, 202

# Has each event answered, and decides about the response to all of them.
type HandleEvents = Callable[[Sequence[WebhookCall], Forward], Awaitable[AppResponse]]


async def _each_event(calls: Sequence[WebhookCall], forward: Forward) -> AppResponse:
    """Handle every event. Invalid ones are answered 2xx, too, or the sender would repeat them for ever."""
    answers = [await forward(call) for call in calls]
    busy = [answer for answer in answers if answer.status == BUSY]
    return busy[0] if busy else AppResponse(ACCEPTED)


async def _first_event_only(calls: Sequence[WebhookCall], forward: Forward) -> AppResponse:
    return await forward(calls[0])


async def _until_invalid_event(calls: Sequence[WebhookCall], forward: Forward) -> AppResponse:
    for call in calls:
        answer = await forward(call)
        if answer.status >= 300:  # noqa: PLR2004 - no success
            return answer
    return AppResponse(ACCEPTED)


def _unwrap(handle_events: HandleEvents) -> Middleware:
    """Unwrap envelopes in front of an application that knows only single events."""

    async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
        if call.headers.get("content-type") != ENVELOPE_MEDIA_TYPE:
            return await forward(call)
        events = msgspec.json.decode(call.body, type=dict[str, list[msgspec.Raw]])["events"]
        answer = await handle_events([call.with_body(bytes(event)) for event in events], forward)
        kept = tuple(it for it in answer.headers if it[0].lower() == b"retry-after")
        return AppResponse(answer.status, kept)

    return intercept(handle)


MUTANTS = (
    Mutant(
        "first-event-only",
        ("B63",),
        "Reads the first event of an envelope, so all others are lost although they were acknowledged.",
        "envelopes",
        vary(middleware=_unwrap(_first_event_only)),
        capabilities=ENVELOPES,
    ),
    Mutant(
        "stops-at-invalid-event",
        ("B62", "B63"),
        "Refuses an envelope at its first invalid event, so its sender repeats it for ever, and the events"
        " behind that one are never read.",
        "envelopes",
        vary(middleware=_unwrap(_until_invalid_event)),
        capabilities=ENVELOPES,
    ),
)
HEALTHY = (
    Healthy(
        "unwraps-envelopes",
        "Handles each event of an envelope by itself, and answers 2xx even if one of them is invalid.",
        vary(middleware=_unwrap(_each_event)),
        capabilities=ENVELOPES,
    ),
)
