"""Runs orchestrations and activities with the Durable Task SDK's worker, in threads of its own."""

import asyncio
import logging
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from durabletask import task
from durabletask.worker import ConcurrencyOptions, TaskHubGrpcWorker

from aggregator import log
from aggregator.accounts import decided
from aggregator.engines.durable_task.letters import UNSAID
from aggregator.engines.durable_task.orchestration import (
    ACTIVITIES,
    ORCHESTRATOR,
    Order,
    wait_for_all_regions,
)
from aggregator.engines.durable_task.replays import RecordedSteps, Recorder, record
from aggregator.engines.durable_task.telling import ATTEMPTS_MAX, Telling
from aggregator.fanin import Notify
from aggregator.metrics import Metrics

# Replays are short and hold the interpreter; attempts wait for somebody else's answer, in a thread each.
REPLAYS_MAX = 8
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the SDK's instants have no zone, and mean UTC


def from_ms(at_ms: int) -> datetime:
    """An instant as the SDK wants it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


class SdkSteps:
    """`aggregator.engines.durable_task.orchestration.Steps` on the SDK's context."""

    def __init__(self, context: task.OrchestrationContext, metrics: Metrics) -> None:
        self._context, self._metrics = context, metrics

    def now_ms(self) -> int:
        since = self._context.current_utc_datetime - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000

    def arrival(self, region: str) -> Any:
        return self._context.wait_for_external_event(region)

    def timer(self, at_ms: int) -> Any:
        return self._context.create_timer(from_ms(at_ms))

    def tell(self, activity: str, order: dict[str, Any]) -> Any:
        return self._context.call_activity(activity, input=order)

    def all(self, tasks: list[Any]) -> Any:
        return task.when_all(tasks)

    def any(self, tasks: list[Any]) -> Any:
        return task.when_any(tasks)

    def ended(self, task: Any) -> bool:
        ended: bool = task.is_complete
        return ended

    def result(self, task: Any) -> Any:
        return {"error": UNSAID} if task.is_failed else task.get_result()

    def decided(self, notify: Notify) -> None:
        if not self._context.is_replaying:
            log.lines(logging.INFO, [decided(self._metrics, notify)])

    def show(self, status: dict[str, Any]) -> None:
        self._context.set_custom_status(status)

    def begin_anew(self, order: dict[str, Any]) -> None:
        self._context.continue_as_new(order, save_events=True)


def start_worker(
    build: Callable[[ConcurrencyOptions], TaskHubGrpcWorker],
    telling: Telling,
    metrics: Metrics,
    loop: asyncio.AbstractEventLoop,
    replays: Path | None = None,
) -> TaskHubGrpcWorker:
    """Begin to take work from the backend. Attempts at notifications are made on ``loop``.

    Args:
        build: Makes the worker.
        telling: Makes the attempts.
        metrics: Where outcomes are counted.
        loop: Runs the attempts.
        replays: Where to write down every replay.
    """
    worker = build(
        ConcurrencyOptions(
            maximum_concurrent_activity_work_items=ATTEMPTS_MAX,
            maximum_concurrent_orchestration_work_items=REPLAYS_MAX,
            maximum_thread_pool_workers=ATTEMPTS_MAX + REPLAYS_MAX,
        )
    )
    recorder = None
    if replays is not None:
        recorder = Recorder(replays)
        record(worker, recorder)

    def orchestrate(context: task.OrchestrationContext, order: Any) -> Generator[task.Task[Any], Any, Any]:
        asked = msgspec.convert(order, Order)
        steps = SdkSteps(context, metrics)
        if recorder is None:
            return wait_for_all_regions(steps, asked)
        recorded = RecordedSteps(steps, context, recorder)
        return recorder.routine(recorded, context, wait_for_all_regions(recorded, asked))

    worker.add_orchestrator(_named(ORCHESTRATOR, orchestrate))
    for name in ACTIVITIES.values():

        def tell(_: task.ActivityContext, order: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(telling.attempt(order), loop).result()

        worker.add_activity(_named(name, tell))
    worker.start()  # type: ignore[no-untyped-call] # the SDK types its arguments, and this has none
    return worker


def _named[F: Callable[..., Any]](name: str, function: F) -> F:
    """The SDK registers functions under their own names; ours are the original's."""
    function.__name__ = name
    return function
