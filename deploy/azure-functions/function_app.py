"""The original's four functions, with the orchestration that ``fanin serve --engine durable-task`` runs.

``ImagePush`` takes the registry's webhooks and starts ``WaitForAllRegions`` or raises an event to it;
``FirePushNotification`` and ``FireTimeoutNotification`` tell whoever wants to hear of the outcome. The
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

from fanin.aggregator.clock import SYSTEM_CLOCK
from fanin.aggregator.engines.durable_task.activity import Telling
from fanin.aggregator.engines.durable_task.instance_id import instance_id
from fanin.aggregator.engines.durable_task.orchestration import Event, Order, Routine, wait_for_all_regions
from fanin.aggregator.engines.durable_task.outbox_entry import UNSAID
from fanin.aggregator.errors import AggregatorError, StoreBusyError, StoreFailedError, UnknownRegionError
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.notifier import HttpNotifier
from fanin.aggregator.notify.target import OUTCOMES
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import CORRELATIONS, PING, Arrival, decode, normalise_region, subject_of

# An instance that has just been started may take a moment to be found.
TRIES, PAUSE_S = 5, 0.2

LOGGER = logging.getLogger("fanin")
app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


class Steps:
    """`fanin.aggregator.engines.durable_task.orchestration.Steps` on Durable Functions' context."""

    def __init__(self, context: df.DurableOrchestrationContext) -> None:
        self._context = context

    def now_ms(self) -> int:
        return int(self._context.current_utc_datetime.timestamp() * 1000)

    def arrival(self, region: str) -> Any:
        return self._context.wait_for_external_event(region)

    def timer(self, at_ms: int) -> Any:
        return self._context.create_timer(datetime.fromtimestamp(at_ms / 1000, UTC))

    def tell(self, activity: str, order: dict[str, Any]) -> Any:
        return self._context.call_activity(activity, order)

    def all(self, tasks: list[Any]) -> Any:
        return self._context.task_all(tasks)

    def any(self, tasks: list[Any]) -> Any:
        return self._context.task_any(tasks)

    def ended(self, task: Any) -> bool:
        return bool(task.is_completed)

    def result(self, task: Any) -> Any:
        # An event that came while nobody waited is given to the next wait, and to every one after that.
        self._context.deferred_tasks.pop(task.id, None)
        return {"error": UNSAID} if isinstance(task.result, Exception) else task.result

    def decided(self, notify: Notification) -> None:
        if not self._context.is_replaying:
            LOGGER.info("decided operation=%s outcome=%s", notify.operation_id, notify.outcome)

    def show(self, status: dict[str, Any]) -> None:
        self._context.set_custom_status(status)

    def begin_anew(self, order: dict[str, Any]) -> None:
        self._context.continue_as_new(order)


@app.function_name("WaitForAllRegions")
@app.orchestration_trigger(context_name="context")
def wait(context: df.DurableOrchestrationContext) -> Routine:
    """One operation, from its first webhook to the end of its retention."""
    return (yield from wait_for_all_regions(Steps(context), msgspec.convert(context.get_input(), Order)))


@app.function_name("FirePushNotification")
@app.activity_trigger(input_name="order")
async def tell_completed(order: dict) -> Any:
    """One attempt to tell one target that every region has it."""
    return await telling().attempt(order)


@app.function_name("FireTimeoutNotification")
@app.activity_trigger(input_name="order")
async def tell_timed_out(order: dict) -> Any:
    """One attempt to tell one target that some region has not."""
    return await telling().attempt(order)


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
    return Settings.from_environment(os.environ)


@cache
def telling() -> Telling:
    """Attempts at notifications; their connections are kept from one to the next."""
    told = settings()
    notifier = HttpNotifier(told.targets, SYSTEM_CLOCK)
    return Telling(told, SYSTEM_CLOCK, Metrics(), notifier)


def read(req: func.HttpRequest, told: Settings) -> Arrival | None:
    """What a request says. None: nothing that anybody waits for.

    Raises:
        RequestError: it is no webhook, or of a region that nobody expects.
    """
    region = normalise_region(req.params.get("region", ""))
    event = decode(req.get_body())
    if region not in told.regions:
        raise UnknownRegionError(region, told.regions)
    if event.action == PING or event.action not in told.actions:
        return None
    subject = subject_of(event)
    return Arrival(CORRELATIONS[told.correlation](event.id, subject), region, subject)


async def deliver(client: df.DurableOrchestrationClient, arrival: Arrival) -> None:
    """Raise the event, to an orchestration that is started if there is none.

    Whether a start is refused while another one is under way depends on the storage behind. So the event
    follows every start, the loser's as well as the winner's, under a name by which the winner knows its own.

    Raises:
        StoreError: not taken, or perhaps; the sender should try again.
    """
    instance = instance_id(arrival.operation_id)
    event = Event(at_ms=SYSTEM_CLOCK.now_ms(), delivery=uuid.uuid4().hex)
    for nth in range(TRIES):
        if await _raised(client, instance, arrival.region, event):
            return
        try:
            order = msgspec.to_builtins(_order(arrival, event))
            await client.start_new("WaitForAllRegions", instance, order)
        except Exception as exc:  # noqa: BLE001 - the SDK raises nothing narrower
            LOGGER.info("not-started instance=%s reason=%s", instance, exc)
        if nth:
            await asyncio.sleep(PAUSE_S * nth)
    raise StoreBusyError("the orchestration could neither be started nor found")


async def _raised(client: df.DurableOrchestrationClient, instance: str, region: str, event: Event) -> bool:
    """Raise an event. False when there is no orchestration that could take it."""
    try:
        await client.raise_event(instance, region, msgspec.to_builtins(event))
    except Exception as exc:
        if str(exc).startswith("No instance with ID") or "is gone" in str(exc):
            return False
        raise StoreFailedError(f"the event could not be raised: {exc}") from exc
    return True


def _order(arrival: Arrival, event: Event) -> Order:
    told = settings()
    return Order(
        operation_id=arrival.operation_id,
        subject=arrival.subject,
        region=arrival.region,
        at_ms=event.at_ms,
        delivery=event.delivery,
        expected=told.regions,
        timeout_ms=told.timeout_ms,
        retention_ms=told.retention_ms,
        targets={it: tuple(each.name for each in told.targets if it in each.on) for it in OUTCOMES},
    )


def _json(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(body), status_code=status, headers=headers, mimetype="application/json"
    )
