"""The original's four functions, with the orchestration that ``fanin serve --engine durable-task`` runs.

``ImagePush`` takes the registry's webhooks and starts ``WaitForAllRegions`` or raises an event to it;
``FirePushNotification`` and ``FireTimeoutNotification`` notify a target of the outcome. The
settings are those of ``fanin serve``: see docs/azure-functions.md.
"""

import asyncio
import json
import logging
import os
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import msgspec

from fanin.aggregator.advice import advice
from fanin.aggregator.clock import SYSTEM_CLOCK
from fanin.aggregator.engines.durable_task.activity import SendActivity
from fanin.aggregator.engines.durable_task.orchestration import (
    ACTIVITY_RAISED,
    ArrivalEvent,
    Orchestration,
    OrchestrationInput,
    instance_id,
    wait_for_all_regions,
)
from fanin.aggregator.errors import AggregatorError, StoreBusyError, StoreFailedError, UnknownRegionError
from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.intake import Ignored, Intake
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.notifier import HttpNotifier
from fanin.aggregator.notify.target import MESSAGES
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival, decode, normalise_region

# An instance that has just been started may take a moment to be found.
TRIES, PAUSE_S = 5, 0.2

LOGGER = logging.getLogger("fanin")
app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


class FunctionsContext:
    """`fanin.aggregator.engines.durable_task.orchestration.DurableContext` on Durable Functions' context."""

    def __init__(self, context: df.DurableOrchestrationContext) -> None:
        self._context = context

    def now_ms(self) -> int:
        return int(self._context.current_utc_datetime.timestamp() * 1000)

    def wait_for_event(self, name: str) -> Any:
        return self._context.wait_for_external_event(name)

    def create_timer(self, at_ms: int) -> Any:
        return self._context.create_timer(datetime.fromtimestamp(at_ms / 1000, UTC))

    def call_activity(self, name: str, input_: dict[str, Any]) -> Any:
        return self._context.call_activity(name, input_)

    def when_all(self, tasks: list[Any]) -> Any:
        return self._context.task_all(tasks)

    def when_any(self, tasks: list[Any]) -> Any:
        return self._context.task_any(tasks)

    def is_complete(self, task: Any) -> bool:
        return bool(task.is_completed)

    def result(self, task: Any) -> Any:
        # The SDK gives an event that came before its wait to the next wait, and to every one after that.
        self._context.deferred_tasks.pop(task.id, None)
        return ACTIVITY_RAISED if isinstance(task.result, Exception) else task.result

    def decided(self, notification: Notification) -> None:
        if not self._context.is_replaying:
            LOGGER.info("decided operation=%s outcome=%s", notification.operation_id, notification.outcome)

    def set_custom_status(self, status: dict[str, Any]) -> None:
        self._context.set_custom_status(status)

    def continue_as_new(self, input_: dict[str, Any]) -> None:
        self._context.continue_as_new(input_)


@app.function_name("WaitForAllRegions")
@app.orchestration_trigger(context_name="context")
def wait(context: df.DurableOrchestrationContext) -> Orchestration:
    """One operation, from its first webhook to the end of its retention."""
    input_ = msgspec.convert(context.get_input(), OrchestrationInput)
    return (yield from wait_for_all_regions(FunctionsContext(context), input_))


@app.function_name("FirePushNotification")
@app.activity_trigger(input_name="payload")
async def notify_completed(payload: dict) -> Any:
    """Make one attempt to notify one target that every region has reported."""
    return await activity().run(payload)


@app.function_name("FireTimeoutNotification")
@app.activity_trigger(input_name="payload")
async def notify_timed_out(payload: dict) -> Any:
    """Make one attempt to notify one target that the deadline has passed."""
    return await activity().run(payload)


@app.function_name("ImagePush")
@app.route(route="ImagePush", methods=["POST"])
@app.durable_client_input(client_name="client")
async def image_push(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Take one webhook, and answer with the URIs of its orchestration's status."""
    try:
        arrival = read(req, settings())
        if arrival is None:
            return _json({"status": "ignored"}, 200)
        await deliver(client, arrival)
    except AggregatorError as exc:
        LOGGER.warning("refused status=%d reason=%s", exc.status, exc)
        retry = {"Retry-After": str(exc.retry_after_s)} if exc.retry_after_s else {}
        return _json({"error": exc.code, "message": str(exc)}, exc.status, retry)
    return client.create_check_status_response(req, instance_id(arrival.operation_id))


@cache
def settings() -> Settings:
    """The app settings, read once; one that is not understood fails every webhook with its name."""
    found = Settings.from_environment(os.environ)
    for sentence in (*found.warnings(), *advice(found)):
        LOGGER.warning("doubtful-setting reason=%s", sentence)
    return found


@cache
def activity() -> SendActivity:
    """Attempts at notifications; their connections are kept from one to the next."""
    notifier = HttpNotifier(settings().targets, SYSTEM_CLOCK)
    return SendActivity(settings(), SYSTEM_CLOCK, Metrics(), notifier)


def read(req: func.HttpRequest, settings: Settings) -> Arrival | None:
    """The arrival in a request. None: it is one that the settings ignore.

    Raises:
        RequestError: it is no webhook, or of a region that the settings do not expect.
    """
    region = normalise_region(req.params.get("region", ""))
    event = decode(req.get_body())
    if region not in settings.regions:
        raise UnknownRegionError(region, settings.regions)
    arrival = Intake(settings).read(event, region)
    return None if isinstance(arrival, Ignored) else arrival


async def deliver(client: df.DurableOrchestrationClient, arrival: Arrival) -> None:
    """Raise the event, to an orchestration that is started if there is none.

    Whether a start is refused while another one is under way depends on the storage. So the event follows
    every start, the loser's as well as the winner's, with an id by which the winner recognises its own.

    Raises:
        StoreError: not taken, or perhaps; the sender should try again.
    """
    instance = instance_id(arrival.operation_id)
    event = ArrivalEvent(at_ms=SYSTEM_CLOCK.now_ms(), delivery=uuid.uuid4().hex)
    if arrival.event_id:
        renewal = settings().renewal(arrival.subject)
        event = msgspec.structs.replace(
            event, event_id=arrival.event_id, renewal=renewal, targets=_targets(arrival.subject)
        )
    for nth in range(TRIES):
        if await _raised(client, instance, arrival.region, event):
            return
        try:
            input_ = msgspec.to_builtins(_input(arrival, event))
            await client.start_new("WaitForAllRegions", instance, input_)
        except Exception as exc:  # noqa: BLE001 - the SDK raises nothing narrower
            LOGGER.info("not-started instance=%s reason=%s", instance, exc)
        if nth:
            await asyncio.sleep(PAUSE_S * nth)
    raise StoreBusyError("the orchestration could neither be started nor found")


async def _raised(
    client: df.DurableOrchestrationClient, instance: str, region: str, event: ArrivalEvent
) -> bool:
    """Raise an event. False when there is no orchestration that could take it."""
    try:
        await client.raise_event(instance, region, msgspec.to_builtins(event))
    except Exception as exc:
        if str(exc).startswith("No instance with ID") or "is gone" in str(exc):
            return False
        raise StoreFailedError(f"the event could not be raised: {exc}") from exc
    return True


def _input(arrival: Arrival, event: ArrivalEvent) -> OrchestrationInput:
    config = settings()
    return OrchestrationInput(
        operation_id=arrival.operation_id,
        subject=arrival.subject,
        region=arrival.region,
        at_ms=event.at_ms,
        delivery=event.delivery,
        expected=config.regions,
        timeout_ms=config.timeout_ms,
        retention_ms=config.retention_ms,
        event_id=event.event_id,
        targets=_targets(arrival.subject),
    )


def _targets(subject: Subject) -> dict[Phase, tuple[str, ...]]:
    wanted = [it for it in settings().targets if it.only.admits(subject)]
    return {outcome: tuple(it.name for it in wanted if outcome in it.on) for outcome in MESSAGES}


def _json(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(body), status_code=status, headers=headers, mimetype="application/json"
    )
