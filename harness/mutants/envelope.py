"""Envelopes: one request carries several events, and each of them counts for itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import vary
from fanin.harness.world.asgi import AsgiApp
from fanin.simulator.wire import ENVELOPE_MEDIA_TYPE

ENVELOPES: frozenset[OptionalCapability] = frozenset({"envelopes"})
_BUSY, _ACCEPTED = 503, 202

type Answered = tuple[int, list[tuple[bytes, bytes]]]  # status and headers
type Ask = Callable[[bytes], Awaitable[Answered]]
# Asks for each event and says what to answer for all of them.
type Opening = Callable[[Sequence[bytes], Ask], Awaitable[Answered]]


async def each_for_itself(events: Sequence[bytes], ask: Ask) -> Answered:
    """Every event is handled; what is broken is left behind, or its sender would repeat it for ever."""
    answers = [await ask(event) for event in events]
    busy = [answer for answer in answers if answer[0] == _BUSY]
    return busy[0] if busy else (_ACCEPTED, [])


async def _only_the_first(events: Sequence[bytes], ask: Ask) -> Answered:
    return await ask(events[0])


async def _until_one_is_broken(events: Sequence[bytes], ask: Ask) -> Answered:
    for event in events:
        answer = await ask(event)
        if answer[0] >= 300:  # noqa: PLR2004 - no success
            return answer
    return _ACCEPTED, []


def opened(opening: Opening) -> Callable[[AsgiApp], AsgiApp]:
    """Takes envelopes to pieces in front of an application that knows nothing of them."""

    def around(app: AsgiApp) -> AsgiApp:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or _content_type(scope) != ENVELOPE_MEDIA_TYPE:
                await app(scope, receive, send)
                return
            body = await whole(receive)

            async def ask(event: bytes) -> Answered:
                return await asked(app, scope, event)

            events = msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]])["events"]
            status, headers = await opening([bytes(event) for event in events], ask)
            kept = [(name, value) for name, value in headers if name.lower() == b"retry-after"]
            await send({"type": "http.response.start", "status": status, "headers": kept})
            await send({"type": "http.response.body", "body": b""})

        return wrapped

    return around


def _content_type(scope: Mapping[str, Any]) -> str:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return headers.get(b"content-type", b"").decode("latin-1")


async def whole(receive: Any) -> bytes:
    """A request's body to its end."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def asked(app: AsgiApp, scope: Mapping[str, Any], body: bytes) -> Answered:
    """What an application answers to a request with this body."""
    given: list[Answered] = []
    length = (b"content-length", str(len(body)).encode())
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"content-length"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            given.append((message["status"], list(message["headers"])))

    await app({**scope, "headers": [*headers, length]}, receive, send)
    return given[0]


MUTANTS = (
    Mutant(
        "first-event-only",
        ("B63",),
        "Reads the first event of an envelope, so all others are lost although they were acknowledged.",
        "envelopes",
        vary(around=opened(_only_the_first)),
        capabilities=ENVELOPES,
    ),
    Mutant(
        "stops-at-invalid-event",
        ("B62", "B63"),
        "Refuses an envelope at its first broken event, so its sender repeats it for ever, and whatever comes"
        " behind it waits.",
        "envelopes",
        vary(around=opened(_until_one_is_broken)),
        capabilities=ENVELOPES,
    ),
)
HEALTHY = (
    Healthy(
        "unwraps-envelopes",
        "Handles each event of an envelope for itself, and answers 2xx even if one of them is broken.",
        vary(around=opened(each_for_itself)),
        capabilities=ENVELOPES,
    ),
)
