"""Aggregators that are unusual and right. Whoever accuses one of them has misread the contract."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.dispatcher import AttemptResult, Delivered
from fanin.aggregator.engines.sqlite.store import StoredOperation
from fanin.aggregator.fanin import Arrived, DeadlineReached, FanIn, Notification, Step, step
from fanin.aggregator.notify.formats import Message
from fanin.aggregator.notify.formats.json import body_of
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.mutant import Healthy
from fanin.harness.mutants.orchestration import Orchestrations
from fanin.harness.mutants.variation import Tell, VariedEngine, VariedStore, stepping, vary
from fanin.harness.mutants.wait import orchestrated
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory

# Both well within the second that a correct aggregator may be late by.
SLOW_S, POLL_MS = 0.7, 500


def _slowly(tell: Tell, _clock: Clock) -> Tell:
    async def attempt(notify: Notification) -> None:
        await asyncio.sleep(SLOW_S)
        await tell(notify)

    return attempt


class _Polls(VariedStore):
    """Finds deadlines when it looks, twice a second."""

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return super().due(now_ms - now_ms % POLL_MS, limit)

    def next_deadline_ms(self) -> int | None:
        at_ms = super().next_deadline_ms()
        return None if at_ms is None else -(-at_ms // POLL_MS) * POLL_MS


class _MarksLate(VariedEngine):
    """Notes what the sink has accepted 0.7 s later, so a crash in between leads to a repetition."""

    async def record(self, mark: AttemptResult) -> None:
        if isinstance(mark, Delivered):
            await asyncio.sleep(SLOW_S)
        await super().record(mark)


class _AnswersLate(VariedEngine):
    """Answers 0.7 s after it has stored the webhook."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        await asyncio.sleep(SLOW_S)
        return receipt


def _answering(statuses: Mapping[int, int]) -> Callable[[AsgiApp], AsgiApp]:
    """Answers with other statuses."""

    def around(app: AsgiApp) -> AsgiApp:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "status": statuses.get(message["status"], message["status"])}
                await send(message)

            await app(scope, receive, sending)

        return wrapped

    return around


def _shouting(tell: Tell, _clock: Clock) -> Tell:
    def louder(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f" {name.title()} " for name in names)

    return lambda notify: tell(
        msgspec.structs.replace(notify, arrived=louder(notify.arrived), missing=louder(notify.missing))
    )


def _saying(body: Callable[[Notification], dict[str, Any]]) -> AppFactory:
    """Writes the notification's body in another way."""

    def render(notify: Notification) -> Message:
        return Message({"content-type": "application/json"}, msgspec.json.encode(body(notify)))

    return vary(render=render)


def _at_length(notify: Notification) -> dict[str, Any]:
    body = msgspec.to_builtins(body_of(notify))
    return {"version": 2, **body, "links": {"self": f"/instances/{notify.operation_id}"}, "tries": None}


def _briefly(notify: Notification) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(body_of(notify))
    body["deadline"] = notify.deadline_ms
    return {name: value for name, value in body.items() if value is not None}


def _keyed_by_id(tell: Tell, _clock: Clock) -> Tell:
    return lambda notify: tell(msgspec.structs.replace(notify, key=notify.operation_id))


def _closed_window(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """An arrival at the deadline's very instant is on time, so the timer waits for the next one."""
    later = msgspec.structs.replace(state, deadline_ms=state.deadline_ms + 1)
    result = step(later, event)
    same = msgspec.structs.replace(result.state, deadline_ms=state.deadline_ms)
    told = tuple(
        msgspec.structs.replace(it, key=same.key, deadline_ms=same.deadline_ms) for it in result.effects
    )
    return result._replace(state=same, effects=told)


class _TimerALittleLate(VariedStore):
    """Its deadlines are over when the instant is."""

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return super().due(now_ms - 1, limit)

    def next_deadline_ms(self) -> int | None:
        at_ms = super().next_deadline_ms()
        return None if at_ms is None else at_ms + 1


HEALTHY = (
    Healthy("unmodified", "The aggregator as it is, put together by the zoo: nothing is exchanged.", vary()),
    Healthy(
        "slow-notifier",
        "Takes 0.7 s before it sends a notification; in time is whatever comes within a second.",
        vary(telling=_slowly),
    ),
    Healthy(
        "coarse-timer",
        "Looks for deadlines twice a second; a timer may be late, it may only never be early.",
        vary(store=_Polls),
    ),
    Healthy(
        "marks-late",
        "Notes 0.7 s late what the sink has accepted, so after a crash it tells again; under the"
        " same key that is what at-least-once means.",
        vary(engine=_MarksLate),
    ),
    Healthy(
        "answers-after-delay",
        "Answers 0.7 s after it has stored a webhook; senders wait longer.",
        vary(engine=_AnswersLate),
    ),
    Healthy(
        "other-statuses",
        "Answers 200 instead of 202 and other 4xx than the real one; any 2xx says that it counted, any 4xx"
        " that it never will.",
        vary(around=_answering({202: 200, 400: 422, 401: 403, 413: 400})),
    ),
    Healthy(
        "no-content",
        "Answers 204 instead of 202.",
        vary(around=_answering({202: 204})),
    ),
    Healthy(
        "extra-fields",
        "Has more fields in its notifications than the contract asks for.",
        _saying(_at_length),
    ),
    Healthy(
        "omits-null-fields",
        "Leaves fields out that would be null, and writes the deadline as Unix time.",
        _saying(_briefly),
    ),
    Healthy(
        "other-letter-case",
        "Writes region names in other letter case and with spaces; names compare trimmed and case-folded.",
        vary(telling=_shouting),
    ),
    Healthy(
        "keyed-by-id",
        "Takes the operation's id for the key of its notification; one outcome has one key, whatever it"
        " looks like.",
        vary(telling=_keyed_by_id),
    ),
    Healthy(
        "closed-window",
        "Counts what arrives at the very instant of the deadline; there, either outcome is right.",
        vary(store=_TimerALittleLate, transaction=stepping(step=_closed_window)),
    ),
    Healthy(
        "unlimited-retention",
        "Forgets no outcome, not even after the retention.",
        vary(settings={"retention_ms": 3_650 * 86_400_000}),
    ),
    Healthy(
        "in-memory",
        "Another design, orchestrations in memory; it forgets everything in a crash, and is right until"
        " then.",
        orchestrated(Orchestrations),
        survives_crash=False,
    ),
)
