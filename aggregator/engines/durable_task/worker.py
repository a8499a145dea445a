"""Runs orchestrations and activities on the event loop: work items come in streams, results go by calls.

The SDK's worker replays orchestrations (`TaskHubGrpcWorker._execute_orchestrator`). Its own way of getting
work hands every item through several threads, which costs more than the replay itself and takes the
interpreter from webhooks; so here the streams are read, and the results are sent, by the loop that serves
webhooks (docs/decisions/0011).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from durabletask import task
from durabletask.internal import helpers
from durabletask.internal import orchestrator_service_pb2 as protocol

from fanin.aggregator import log
from fanin.aggregator.engines.durable_task.activity import ACTIVITIES_MAX, SendActivity
from fanin.aggregator.engines.durable_task.client import TaskHubClient, WorkStream
from fanin.aggregator.engines.durable_task.options import DurableTaskOptions
from fanin.aggregator.engines.durable_task.orchestration import (
    ACTIVITIES,
    ACTIVITY_RAISED,
    ORCHESTRATOR,
    OrchestrationInput,
    wait_for_all_regions,
)
from fanin.aggregator.engines.durable_task.replay_log import RecordedContext, ReplayLog
from fanin.aggregator.engines.durable_task.sdk import make_replayer
from fanin.aggregator.engines.work_queue import WorkQueue
from fanin.aggregator.errors import StoreError
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics, record_outcome

# A stream brings one item in a turn of the loop, and turns are long while many webhooks are under way.
STREAMS = 4
# How many orchestrations the backend gives us at once. Events of the others are added to their next replay
# meanwhile, so a small number saves replays; a large one is no use, they are done one after the other.
REPLAYS_MAX = 16
# The stream breaks when the backend restarts. The Scheduler pings; a stream on which nothing comes is broken.
RECONNECT_S, RECONNECT_S_MAX = 0.2, 5.0
SILENCE_S = 120.0
# How long running work may take to end when the service stops.
STOP_S = 3.0
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the SDK's instants have no zone, and mean UTC
_encode = msgspec.json.Encoder().encode


def from_ms(at_ms: int) -> datetime:
    """An instant as the SDK wants it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


class SdkContext:
    """`fanin.aggregator.engines.durable_task.orchestration.DurableContext` on the SDK's context."""

    def __init__(self, context: task.OrchestrationContext, metrics: Metrics) -> None:
        self._context, self._metrics = context, metrics

    def now_ms(self) -> int:
        since = self._context.current_utc_datetime - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000

    def wait_for_event(self, name: str) -> Any:
        return self._context.wait_for_external_event(name)

    def create_timer(self, at_ms: int) -> Any:
        return self._context.create_timer(from_ms(at_ms))

    def call_activity(self, name: str, input_: dict[str, Any]) -> Any:
        return self._context.call_activity(name, input=input_)

    def when_all(self, tasks: list[Any]) -> Any:
        return task.when_all(tasks)

    def when_any(self, tasks: list[Any]) -> Any:
        return task.when_any(tasks)

    def is_complete(self, task: Any) -> bool:
        complete: bool = task.is_complete
        return complete

    def result(self, task: Any) -> Any:
        return ACTIVITY_RAISED if task.is_failed else task.get_result()

    def decided(self, notification: Notification) -> None:
        if not self._context.is_replaying:
            log.lines(logging.INFO, [record_outcome(self._metrics, notification)])

    def set_custom_status(self, status: dict[str, Any]) -> None:
        self._context.set_custom_status(status)

    def continue_as_new(self, input_: dict[str, Any]) -> None:
        self._context.continue_as_new(input_, save_events=True)


class Worker:
    """Takes work from one task hub, from `start` to `stop`.

    Args:
        hub: Where work comes from, and results go.
        activity: Makes attempts at notifications.
        metrics: Where outcomes are counted.
        queue: Says when replays have their turn.
        options: The backend's, and where to write down every replay.
    """

    def __init__(
        self,
        hub: TaskHubClient,
        activity: SendActivity,
        metrics: Metrics,
        queue: WorkQueue,
        options: DurableTaskOptions,
    ) -> None:
        self._hub, self._activity, self._metrics, self._queue = hub, activity, metrics, queue
        self._replay_log = None if options.replays is None else ReplayLog(options.replays)
        self._sdk = make_replayer(options)
        self._sdk.add_orchestrator(_named(ORCHESTRATOR, self._orchestrate))
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to take work."""
        loop = asyncio.get_running_loop()
        self._readers = [loop.create_task(self._read(self._hub.open_stream())) for _ in range(STREAMS)]

    async def stop(self) -> None:
        """Take no more work, and report what is done; the backend gives the rest to other workers."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._queue.flush()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_S)
            for task_ in late:
                task_.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _read(self, stream: WorkStream) -> None:
        """Read a stream, again whenever it ends."""
        pause_s = RECONNECT_S
        while True:
            try:
                items = stream.items(REPLAYS_MAX // STREAMS, ACTIVITIES_MAX // STREAMS, SILENCE_S)
                async for item in items:
                    pause_s = RECONNECT_S
                    self._take(stream, item)
            except StoreError as exc:
                log.event(logging.WARNING, "no-work", reason=exc, retry_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RECONNECT_S_MAX)

    def _take(self, stream: WorkStream, item: protocol.WorkItem) -> None:
        if item.HasField("orchestratorRequest"):
            replay = partial(self._replay, stream, item.orchestratorRequest, item.completionToken)
            self._queue.add(replay)
        elif item.HasField("activityRequest"):
            self._spawn(self._run_activity(stream, item.activityRequest, item.completionToken))

    # --- orchestrations ---

    def _replay(self, stream: WorkStream, request: protocol.OrchestratorRequest, token: str) -> None:
        results = _ResponseCapture()
        if self._replay_log is None:
            self._sdk._execute_orchestrator(request, results, token)  # noqa: SLF001 - decision 11
        else:
            with self._replay_log.replay(request):
                self._sdk._execute_orchestrator(request, results, token)  # noqa: SLF001 - as above
        if results.response is not None:
            self._spawn(self._report(stream.complete_orchestration(results.response), request.instanceId))

    def _orchestrate(
        self, context: task.OrchestrationContext, value: Any
    ) -> Generator[task.Task[Any], Any, Any]:
        input_ = msgspec.convert(value, OrchestrationInput)
        durable = SdkContext(context, self._metrics)
        if self._replay_log is None:
            return wait_for_all_regions(durable, input_)
        recorded = RecordedContext(durable, context, self._replay_log)
        return self._replay_log.recorded(recorded, context, wait_for_all_regions(recorded, input_))

    # --- activities ---

    async def _run_activity(self, stream: WorkStream, request: protocol.ActivityRequest, token: str) -> None:
        instance = request.orchestrationInstance.instanceId
        response = protocol.ActivityResponse(
            instanceId=instance, taskId=request.taskId, completionToken=token
        )
        try:
            if request.name not in ACTIVITIES.values():
                raise LookupError(f"no activity {request.name!r} is known here")  # noqa: TRY301 - reported below
            result = await self._activity.run(msgspec.json.decode(request.input.value))
            if result is not None:
                response.result.value = _encode(result).decode()
        except Exception as exc:  # noqa: BLE001 - whatever it was, the orchestration must get it
            log.LOGGER.exception("an activity crashed")
            response.failureDetails.CopyFrom(helpers.new_failure_details(exc))
        await self._report(stream.complete_activity(response), instance)

    # --- both ---

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task_ = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task_)
        task_.add_done_callback(self._tasks.discard)

    async def _report(self, call: Coroutine[Any, Any, None], instance: str) -> None:
        """Send a result. If that fails, the backend hands the item out again."""
        try:
            await call
        except StoreError as exc:
            log.event(logging.WARNING, "result-lost", instance=instance, reason=exc)


class _ResponseCapture:
    """Stands where the SDK calls the backend, and keeps the response that it sends."""

    def __init__(self) -> None:
        self.response: protocol.OrchestratorResponse | None = None

    def CompleteOrchestratorTask(self, response: protocol.OrchestratorResponse) -> None:  # noqa: N802 - the protocol's name
        self.response = response


def _named[F: Callable[..., Any]](name: str, function: F) -> F:
    """The SDK registers functions under their own names; ours are the original's."""

    def named(*arguments: Any) -> Any:
        return function(*arguments)

    named.__name__ = name
    return named  # type: ignore[return-value]
