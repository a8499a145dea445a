"""503 with Retry-After: for load alone, and with a time that a sender can wait for."""

import asyncio
from collections.abc import Mapping

from fanin.aggregator.engine import Receipt
from fanin.aggregator.errors import RequestError
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.middleware import AppResponse, Forward, WebhookCall, intercept
from fanin.harness.mutants.mutant import Mutant
from fanin.harness.mutants.variation import VariedEngine, vary
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory

BUSY, OK, CONFLICT, ACCEPTED = 503, 200, 409, 202
HANDLES_FOR_S = 0.001
LATER = ((b"retry-after", b"30"),)


class _PutOffError(RequestError):
    """It says that it is too busy."""

    status = BUSY
    retry_after_s = 30


class _PutsOffAllButTheFirst(VariedEngine):
    """Says that it is too busy for every region but the first of an operation."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        state = await self.inspect(arrival.operation_id)
        if state is not None and arrival.region not in state.arrived:
            raise _PutOffError("busy")
        return await super().deliver(arrival)


class _PutsOffWhileNotificationsWait(VariedEngine):
    """Takes no more while a notification has not been accepted."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        if self.store.outbox.counts()[0]:
            raise _PutOffError("notifications wait")
        return await super().deliver(arrival)


def _one_at_a_time() -> AppFactory:
    """Handle one webhook at a time, and refuse the others with a time that means nothing."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        handling = asyncio.Lock()

        async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
            if handling.locked():
                return AppResponse(BUSY, ((b"retry-after", b"soon"),))
            async with handling:
                await asyncio.sleep(HANDLES_FOR_S)
                return await forward(call)

        return vary(middleware=intercept(handle))(environment, epoch_ms)

    return factory


def _putting_off(status: int) -> AppFactory:
    """Answer 503 with Retry-After where a right aggregator answers this status."""

    async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
        answer = await forward(call)
        return AppResponse(BUSY, LATER) if answer.status == status else answer

    return vary(middleware=intercept(handle))


def _known_ids() -> AppFactory:
    """Refuse what was delivered before."""

    def factory(environment: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        seen: set[tuple[object, str]] = set()

        async def handle(call: WebhookCall, forward: Forward) -> AppResponse:
            delivery = (str(call.payload.get("id")), call.region.strip().casefold())
            if delivery in seen:
                return AppResponse(CONFLICT)
            answer = await forward(call)
            if answer.status == ACCEPTED:
                seen.add(delivery)
            return answer

        return vary(middleware=intercept(handle))(environment, epoch_ms)

    return factory


async def _take_pings_for_events(call: WebhookCall, forward: Forward) -> AppResponse:
    answer = await forward(call)
    return AppResponse(ACCEPTED) if answer.status == OK else answer


MUTANTS = (
    Mutant(
        "puts-off-all-but-the-first",
        (),
        "Answers 503 with Retry-After to every region but the first, so each operation of a sender that tries"
        " once times out.",
        "slow-region",
        vary(engine=_PutsOffAllButTheFirst),
    ),
    Mutant(
        "puts-off-while-the-sink-fails",
        (),
        "Answers 503 with Retry-After while a notification waits, so when the sink is down, webhooks are"
        " lost.",
        "poisoned-sink",
        vary(engine=_PutsOffWhileNotificationsWait),
    ),
    Mutant(
        "retry-after-soon",
        ("B55",),
        'Says "soon" in Retry-After when it is busy, so senders do not know when to try again.',
        "hot-op",
        _one_at_a_time(),
    ),
    Mutant(
        "puts-off-what-is-malformed",
        (),
        "Answers 503 with Retry-After to a body that cannot be read, so its sender repeats it for days.",
        "rude-traffic",
        _putting_off(400),
    ),
    Mutant(
        "refuses-duplicates",
        ("B62",),
        "Answers 409 to a webhook that it has counted, so a sender that repeats itself believes that it"
        " failed.",
        "duplicate-after-done",
        _known_ids(),
    ),
    Mutant(
        "takes-pings-for-events",
        (),
        "Answers 202 to what starts nothing, so a ping looks like an event that was taken.",
        "ping-and-unwanted",
        vary(middleware=intercept(_take_pings_for_events)),
    ),
)
