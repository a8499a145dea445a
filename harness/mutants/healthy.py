"""Healthy variants: unusual and right. A judge that accuses one of them misreads the contract."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engine import Receipt
from fanin.aggregator.engines.sqlite.outbox_port import AttemptResult, Delivered, Failed
from fanin.aggregator.engines.sqlite.store import StoredOperation
from fanin.aggregator.fanin import Arrived, DeadlineReached, FanIn, Notification, Step, step
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.formats.json import body_of
from fanin.aggregator.notify.notifier import HttpNotifier
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.mutants.middleware import AppResponse, Forward, WebhookCall, intercept, replace_status
from fanin.harness.mutants.mutant import Healthy
from fanin.harness.mutants.notification import sending
from fanin.harness.mutants.orchestration import OrchestrationEngine
from fanin.harness.mutants.variation import Send, VariedEngine, VariedStore, vary
from fanin.harness.mutants.wait import orchestrated
from fanin.harness.world.asgi import AsgiApp

# Both well within the second that a correct aggregator may be late by.
DELAY_S, POLL_MS = 0.7, 500
# Longer than that second, and shorter than senders wait.
WAKE_S, GROUP_S = 2.0, 1.5
IDLE_S = 60.0
# With fewer webhooks than this in a tenth of a second it is not busy.
IN_PROGRESS_MAX, SHED_S = 8, 0.1
# The longest pause between two attempts is ten minutes.
PAUSE_MS = 540_000


def _send_slowly(send: Send, _clock: Clock) -> Send:
    async def attempt(notification: Notification) -> None:
        await asyncio.sleep(DELAY_S)
        await send(notification)

    return attempt


class _PollingStore(VariedStore):
    """Finds deadlines when it looks, twice a second."""

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return super().due(now_ms - now_ms % POLL_MS, limit)

    def next_deadline_ms(self) -> int | None:
        at_ms = super().next_deadline_ms()
        return None if at_ms is None else -(-at_ms // POLL_MS) * POLL_MS


class _MarksLate(VariedEngine):
    async def record(self, results: Sequence[AttemptResult]) -> None:
        if any(isinstance(it, Delivered) for it in results):
            await asyncio.sleep(DELAY_S)
        await super().record(results)


class _AnswersAfterDelay(VariedEngine):
    async def deliver(self, arrival: Arrival) -> Receipt:
        receipt = await super().deliver(arrival)
        await asyncio.sleep(DELAY_S)
        return receipt


class _WakesUpSlowly(VariedEngine):
    _awake_until_s = 0.0

    async def deliver(self, arrival: Arrival) -> Receipt:
        loop = asyncio.get_running_loop()
        asleep, self._awake_until_s = loop.time() >= self._awake_until_s, loop.time() + IDLE_S
        receipt = await super().deliver(arrival)
        if asleep:
            await asyncio.sleep(WAKE_S)
        return receipt


class _GroupsCommits(VariedEngine):
    """Commits what has come in once in 1.5 s, and answers then."""

    async def deliver(self, arrival: Arrival) -> Receipt:
        now_s = asyncio.get_running_loop().time()
        await asyncio.sleep(GROUP_S - now_s % GROUP_S)
        return await super().deliver(arrival)


class _PausesForNineMinutes(VariedEngine):
    async def record(self, results: Sequence[AttemptResult]) -> None:
        await super().record([self._put_off(it) for it in results])

    def _put_off(self, result: AttemptResult) -> AttemptResult:
        if not isinstance(result, Failed) or result.record.due_ms is None:
            return result
        again_ms = self.clock.now_ms() + PAUSE_MS
        return result._replace(record=msgspec.structs.replace(result.record, due_ms=again_ms))


def _shed_load(app: AsgiApp) -> AsgiApp:
    """Answer 503 while more webhooks are in progress than there is room for."""
    room = IN_PROGRESS_MAX

    async def forward_or_refuse(call: WebhookCall, forward: Forward) -> AppResponse:
        nonlocal room
        if not room:
            return AppResponse(503, ((b"retry-after", b"1"),))
        room -= 1
        try:
            await asyncio.sleep(SHED_S)
            return await forward(call)
        finally:
            room += 1

    return intercept(forward_or_refuse)(app)


def _with_other_letter_case(notification: Notification) -> Notification:
    def change(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f" {name.title()} " for name in names)

    return msgspec.structs.replace(
        notification, arrived=change(notification.arrived), missing=change(notification.missing)
    )


class _ExtraFields(VariedEngine):
    """Has a notifier that writes other bodies."""

    def __init__(
        self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None, **kwargs: Any
    ) -> None:
        form = Format(render=self._render)
        self._http = HttpNotifier(settings.targets, clock, load=lambda _name: form)
        super().__init__(settings, clock, metrics, self._http if notifier else None, **kwargs)

    async def close(self) -> None:
        await super().close()
        self._http.close()

    def _render(self, notification: Notification) -> Message:
        body = msgspec.json.encode(self.body_of(notification))
        return Message({"content-type": "application/json"}, body)

    def body_of(self, notification: Notification) -> Mapping[str, Any]:
        body = msgspec.to_builtins(body_of(notification))
        links = {"self": f"/instances/{notification.operation_id}"}
        return {"version": 2, **body, "links": links, "tries": None}


class _OmitsNullFields(_ExtraFields):
    def body_of(self, notification: Notification) -> Mapping[str, Any]:
        body = {**msgspec.to_builtins(body_of(notification)), "deadline": notification.deadline_ms}
        return {name: value for name, value in body.items() if value is not None}


def _step_with_closed_window(state: FanIn, event: Arrived | DeadlineReached) -> Step:
    """Count an arrival at the very instant of the deadline; let the timer wait for the next one."""
    result = step(msgspec.structs.replace(state, deadline_ms=state.deadline_ms + 1), event)
    if result.state.generation != state.generation:
        return result  # another push has begun, with a deadline of its own
    same = msgspec.structs.replace(result.state, deadline_ms=state.deadline_ms)
    effects = tuple(
        msgspec.structs.replace(it, key=same.key, deadline_ms=same.deadline_ms) for it in result.effects
    )
    return result._replace(state=same, effects=effects)


class _StoreWithClosedWindow(VariedStore):
    """Finds a deadline when its instant is over."""

    def due(self, now_ms: int, limit: int) -> list[StoredOperation]:
        return super().due(now_ms - 1, limit)

    def next_deadline_ms(self) -> int | None:
        at_ms = super().next_deadline_ms()
        return None if at_ms is None else at_ms + 1


HEALTHY = (
    Healthy("unmodified", "The aggregator as it is, built like the mutants, with no part exchanged.", vary()),
    Healthy(
        "slow-notifier",
        "Waits 0.7 s before it sends a notification; the contract allows a second.",
        vary(send=_send_slowly),
    ),
    Healthy(
        "coarse-timer",
        "Looks for deadlines twice a second; a timer may be late, but never early.",
        vary(store=_PollingStore),
    ),
    Healthy(
        "marks-late",
        "Records 0.7 s late what the sink has accepted, so after a crash it sends that again; under the"
        " same key at-least-once delivery allows it.",
        vary(engine=_MarksLate),
    ),
    Healthy(
        "answers-after-delay",
        "Answers 0.7 s after it has stored a webhook; senders wait longer.",
        vary(engine=_AnswersAfterDelay),
    ),
    Healthy(
        "wakes-up-slowly",
        "Takes 2 s to answer after a minute without webhooks, as what is scaled to zero does; a sender that"
        " gives up before tries again.",
        vary(engine=_WakesUpSlowly),
    ),
    Healthy(
        "groups-commits",
        "Commits once in 1.5 s what has come in until then, and answers then; an arrival counts from its"
        " commit.",
        vary(engine=_GroupsCommits),
    ),
    Healthy(
        "pauses-nine-minutes",
        "Waits nine minutes after each attempt that the sink did not accept; the contract allows ten.",
        vary(engine=_PausesForNineMinutes),
    ),
    Healthy(
        "sheds-load",
        "Answers 503 with Retry-After while eight webhooks are in progress; an outcome is about those that"
        " counted.",
        vary(middleware=_shed_load),
    ),
    Healthy(
        "other-statuses",
        "Answers 200 instead of 202, and other 4xx than the real one; any 2xx means that it counted, any 4xx"
        " that it never will.",
        vary(middleware=replace_status({202: 200, 400: 422, 401: 403, 413: 400})),
    ),
    Healthy(
        "no-content",
        "Answers 204 instead of 202.",
        vary(middleware=replace_status({202: 204})),
    ),
    Healthy(
        "extra-fields",
        "Has more fields in its notifications than the contract requires.",
        vary(engine=_ExtraFields),
    ),
    Healthy(
        "omits-null-fields",
        "Omits fields that are null, and writes the deadline as Unix time.",
        vary(engine=_OmitsNullFields),
    ),
    Healthy(
        "other-letter-case",
        "Writes region names in other letter case and with spaces; names compare trimmed and case-folded.",
        vary(send=sending(_with_other_letter_case)),
    ),
    Healthy(
        "keyed-by-id",
        "Makes the key of a notification of the operation's id and its beginning; the contract requires one"
        " key per outcome, whatever it looks like.",
        vary(send=sending(lambda it: msgspec.structs.replace(it, key=f"{it.operation_id} {it.started_ms}"))),
    ),
    Healthy(
        "closed-window",
        "Counts an arrival at the very instant of the deadline; there, either outcome is right.",
        vary(store=_StoreWithClosedWindow, step=_step_with_closed_window),
    ),
    Healthy(
        "unlimited-retention",
        "Forgets no outcome, not even after the retention.",
        vary(settings={"retention_ms": 3_650 * 86_400_000}),
    ),
    Healthy(
        "in-memory",
        "Another design, orchestrations in memory; it loses everything in a crash, and is right until then.",
        orchestrated(OrchestrationEngine),
        survives_crash=False,
    ),
)
