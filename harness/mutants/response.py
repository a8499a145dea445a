"""What a webhook is answered: 2xx when it counted, 4xx when it never will, and always soon."""

import asyncio
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fanin.aggregator.engine import Receipt
from fanin.aggregator.errors import MalformedError, UnauthorizedError
from fanin.aggregator.http.app import _Surface as Surface
from fanin.aggregator.wire import ACTIONS, PING, Arrival, Event, decode
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.rewiring import rewired
from fanin.harness.mutants.variation import VariedEngine, vary

# Longer than any sender waits.
SLOW_S = 20
UPGRADE_S = 0.001
DOCUMENTED = {"id", "timestamp", "action", "target", "request"}


class _FailsUnderLoad(VariedEngine):
    """Begins to read and then wants to write, which fails at once if somebody else does."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._readers = 0

    async def deliver(self, arrival: Arrival) -> Receipt:
        self._readers += 1
        try:
            await asyncio.sleep(UPGRADE_S)
            if self._readers > 1:
                raise self.trouble()
            return await super().deliver(arrival)
        finally:
            self._readers -= 1

    def trouble(self) -> HTTPException:
        return HTTPException(500, "database is locked")


class _BusyWithoutHint(_FailsUnderLoad):
    def trouble(self) -> HTTPException:
        return HTTPException(503, "busy")


class _AnswersSlowly(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        await asyncio.sleep(SLOW_S)
        return receipt


class _ReadsBodies(Surface):
    """A surface with a way of its own to read a body."""

    async def push(self, request: Request) -> Response:
        return await rewired(Surface.push, decode=self.decode)(self, request)

    def decode(self, body: bytes) -> Event:
        return decode(body)


class _CrashesOnRubbish(_ReadsBodies):
    def decode(self, body: bytes) -> Event:
        try:
            return decode(body)
        except MalformedError as exc:
            raise HTTPException(500, "internal server error") from exc


class _SwallowsErrors(_ReadsBodies):
    def decode(self, body: bytes) -> Event:
        try:
            return decode(body)
        except MalformedError as exc:
            raise HTTPException(202, "accepted") from exc


class _HangsOnRubbish(Surface):
    async def push(self, request: Request) -> Response:
        try:
            return await super().push(request)
        except MalformedError:
            await asyncio.Event().wait()
            raise


class _RefusesNewFields(_ReadsBodies):
    def decode(self, body: bytes) -> Event:
        event = decode(body)
        if unknown := sorted(set(msgspec.json.decode(body)) - DOCUMENTED):
            raise MalformedError(f"unknown fields: {', '.join(unknown)}")
        return event


class _NeedsOptionalFields(_ReadsBodies):
    def decode(self, body: bytes) -> Event:
        event = decode(body)
        if event.action != PING and event.request is None:
            raise MalformedError("request is missing")
        return event


class _AnyKeyWillDo(Surface):
    def _authorise(self, request: Request) -> None:
        if self._auth.keys and not request.query_params.get("code"):
            raise UnauthorizedError


class _CountsAndRefuses(Surface):
    """Checks the key on the way out."""

    async def push(self, request: Request) -> Response:
        response = await super().push(request)
        super()._authorise(request)
        return response

    def _authorise(self, request: Request) -> None:
        if request.method != "POST":
            super()._authorise(request)


class _PingsFanIn(Surface):
    push = rewired(Surface.push, PING="")


MUTANTS = (
    Mutant(
        "fails-under-load",
        ("B55",),
        "Turns a read transaction into a write transaction, which fails at once when two do so together,"
        " so under load it answers 500 to webhooks that come only once.",
        "hot-op",
        vary(engine=_FailsUnderLoad),
    ),
    Mutant(
        "busy-without-retry-after",
        ("B55",),
        "Answers 503 when it is busy and does not say when to come back, so senders take it for broken.",
        "hot-op",
        vary(engine=_BusyWithoutHint),
    ),
    Mutant(
        "answers-slowly",
        ("B24",),
        "Works for longer than senders wait before it answers, so every webhook fails for its sender"
        " although it was counted.",
        "ack-lost",
        vary(engine=_AnswersSlowly),
    ),
    Mutant(
        "crashes-on-malformed-body",
        ("B69",),
        "Lets the error of a body that cannot be read through to the server, so anybody can make it answer"
        " 500.",
        "rude-traffic",
        vary(surface_type=_CrashesOnRubbish),
    ),
    Mutant(
        "swallows-errors",
        ("B69",),
        "Catches every error and answers 202, so a webhook that cannot be read is gone and nobody notices.",
        "rude-traffic",
        vary(surface_type=_SwallowsErrors),
    ),
    Mutant(
        "hangs-on-malformed-body",
        ("B69",),
        "Waits for ever for the rest of a body that is broken, so its sender gets no answer.",
        "rude-traffic",
        vary(surface_type=_HangsOnRubbish),
    ),
    Mutant(
        "refuses-unknown-fields",
        ("B62",),
        "Refuses payloads with fields that nobody documented, so the day on which the registry adds one is"
        " the day on which nothing completes any more.",
        "rude-traffic",
        vary(surface_type=_RefusesNewFields),
    ),
    Mutant(
        "requires-optional-fields",
        ("B62",),
        "Expects fields that not every payload has, so charts, which come without a request, are refused.",
        "every-action",
        vary(surface_type=_NeedsOptionalFields),
    ),
    Mutant(
        "accepts-any-key",
        (),
        "Asks whether there is a key and not which one, so anybody who knows that there must be one gets in.",
        "wrong-key",
        vary(surface_type=_AnyKeyWillDo),
    ),
    Mutant(
        "checks-key-too-late",
        (),
        "Checks the key when the work is done, so a webhook with a wrong one is answered 401 and counts"
        " all the same.",
        "wrong-key",
        vary(surface_type=_CountsAndRefuses),
    ),
    Mutant(
        "fans-in-pings",
        (),
        "Takes a ping for an event like any other, so trying out a webhook starts an operation that times"
        " out.",
        "ping-and-unwanted",
        vary(surface_type=_PingsFanIn, settings={"actions": frozenset({*ACTIONS, PING})}),
    ),
    Mutant(
        "fans-in-all-actions",
        (),
        "Ignores the list of actions that are wanted, so a delete that nobody asked about is told as well.",
        "ping-and-unwanted",
        vary(settings={"actions": frozenset(ACTIONS)}),
    ),
)
