"""Runs orchestrations and activities on the event loop: work comes in streams, and is brought back by calls.

The SDK's worker replays orchestrations, and we let it (`TaskHubGrpcWorker._execute_orchestrator`). Its own
way of getting work hands every piece through several threads, which costs more than the replay itself, and
takes the interpreter from webhooks; so here the streams are read, and the results are sent, by the loop that
serves webhooks (docs/decisions/0011).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from durabletask import task
from durabletask.internal import helpers
from durabletask.internal import orchestrator_service_pb2 as protocol

from fanin.aggregator import log
from fanin.aggregator.engines.durable_task.activity import ATTEMPTS_MAX, Telling
from fanin.aggregator.engines.durable_task.client import Hub, Line
from fanin.aggregator.engines.durable_task.orchestration import (
    ACTIVITIES,
    ORCHESTRATOR,
    Order,
    wait_for_all_regions,
)
from fanin.aggregator.engines.durable_task.outbox_entry import UNSAID
from fanin.aggregator.engines.durable_task.replay_log import RecordedSteps, Recorder
from fanin.aggregator.engines.work_queue import Pace
from fanin.aggregator.errors import StoreError
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics, record_outcome

# A stream brings one piece of work in a turn of the loop, and turns are long while webhooks crowd in.
LINES = 4
# How many orchestrations the backend gives us at once. What comes for one of the others meanwhile is added to
# its next replay, so a small number saves replays; a large one is no use, they are done one after the other.
REPLAYS_MAX = 16
# The stream breaks when the backend restarts. The Scheduler pings; a stream without a word is broken as well.
AGAIN_S, AGAIN_S_MAX = 0.2, 5.0
SILENCE_S = 120.0
# For what is in hand when we stop.
STOP_S = 3.0
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the SDK's instants have no zone, and mean UTC
_encode = msgspec.json.Encoder().encode


def from_ms(at_ms: int) -> datetime:
    """An instant as the SDK wants it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


class SdkSteps:
    """`fanin.aggregator.engines.durable_task.orchestration.Steps` on the SDK's context."""

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

    def decided(self, notify: Notification) -> None:
        if not self._context.is_replaying:
            log.lines(logging.INFO, [record_outcome(self._metrics, notify)])

    def show(self, status: dict[str, Any]) -> None:
        self._context.set_custom_status(status)

    def begin_anew(self, order: dict[str, Any]) -> None:
        self._context.continue_as_new(order, save_events=True)


class Worker:
    """Takes work of one hub, from `start` to `stop`.

    Args:
        hub: Where work comes from, and results go.
        telling: Makes attempts at notifications.
        metrics: Where outcomes are counted.
        pace: When replays have their turn.
        replays: Where to write down every replay, for people.
    """

    def __init__(
        self, hub: Hub, telling: Telling, metrics: Metrics, pace: Pace, replays: Path | None = None
    ) -> None:
        self._hub, self._telling, self._metrics, self._pace = hub, telling, metrics, pace
        self._recorder = None if replays is None else Recorder(replays)
        self._sdk = hub.replayer()
        self._sdk.add_orchestrator(_named(ORCHESTRATOR, self._orchestrate))
        self._attempts = asyncio.Semaphore(ATTEMPTS_MAX)
        self._in_hand: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to take work."""
        loop = asyncio.get_running_loop()
        self._readers = [loop.create_task(self._read(self._hub.line())) for _ in range(LINES)]

    async def stop(self) -> None:
        """Take no more, and bring back what is in hand; what is left, the backend gives to others."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._pace.flush()
        if self._in_hand:
            _, late = await asyncio.wait(self._in_hand, timeout=STOP_S)
            for each in late:
                each.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _read(self, line: Line) -> None:
        """Read a line's stream, again whenever it ends."""
        pause_s = AGAIN_S
        while True:
            try:
                async for item in line.work(REPLAYS_MAX // LINES, ATTEMPTS_MAX // LINES, SILENCE_S):
                    pause_s = AGAIN_S
                    self._take(line, item)
            except StoreError as exc:
                log.event(logging.WARNING, "no-work", reason=exc, retry_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_S_MAX)

    def _take(self, line: Line, item: protocol.WorkItem) -> None:
        if item.HasField("orchestratorRequest"):
            self._pace.add(partial(self._replay, line, item.orchestratorRequest, item.completionToken))
        elif item.HasField("activityRequest"):
            self._spawn(self._attempt(line, item.activityRequest, item.completionToken))

    # --- orchestrations ---

    def _replay(self, line: Line, request: protocol.OrchestratorRequest, token: str) -> None:
        results = _Results()
        if self._recorder is None:
            self._sdk._execute_orchestrator(request, results, token)  # noqa: SLF001 - decision 11
        else:
            with self._recorder.replay(request):
                self._sdk._execute_orchestrator(request, results, token)  # noqa: SLF001 - as above
        if results.replayed is not None:
            self._spawn(self._bring(line.replayed(results.replayed), request.instanceId))

    def _orchestrate(
        self, context: task.OrchestrationContext, order: Any
    ) -> Generator[task.Task[Any], Any, Any]:
        asked = msgspec.convert(order, Order)
        steps = SdkSteps(context, self._metrics)
        if self._recorder is None:
            return wait_for_all_regions(steps, asked)
        recorded = RecordedSteps(steps, context, self._recorder)
        return self._recorder.routine(recorded, context, wait_for_all_regions(recorded, asked))

    # --- activities ---

    async def _attempt(self, line: Line, request: protocol.ActivityRequest, token: str) -> None:
        instance = request.orchestrationInstance.instanceId
        response = protocol.ActivityResponse(
            instanceId=instance, taskId=request.taskId, completionToken=token
        )
        try:
            if request.name not in ACTIVITIES.values():
                raise LookupError(f"no activity {request.name!r} is known here")  # noqa: TRY301 - told below
            async with self._attempts:
                result = await self._telling.attempt(msgspec.json.decode(request.input.value))
            if result is not None:
                response.result.value = _encode(result).decode()
        except Exception as exc:  # noqa: BLE001 - whatever it was, the orchestration must hear of it
            log.LOGGER.exception("an activity crashed")
            response.failureDetails.CopyFrom(helpers.new_failure_details(exc))
        await self._bring(line.attempted(response), instance)

    # --- what they share ---

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task_ = asyncio.get_running_loop().create_task(work)
        self._in_hand.add(task_)
        task_.add_done_callback(self._in_hand.discard)

    async def _bring(self, call: Coroutine[Any, Any, None], instance: str) -> None:
        """Bring a result back. If that fails, the backend hands the work out again."""
        try:
            await call
        except StoreError as exc:
            log.event(logging.WARNING, "result-lost", instance=instance, reason=exc)


class _Results:
    """Stands where the SDK calls the backend, and keeps what it says."""

    def __init__(self) -> None:
        self.replayed: protocol.OrchestratorResponse | None = None

    def CompleteOrchestratorTask(self, response: protocol.OrchestratorResponse) -> None:  # noqa: N802 - the protocol's name
        self.replayed = response


def _named[F: Callable[..., Any]](name: str, function: F) -> F:
    """The SDK registers functions under their own names; ours are the original's."""

    def named(*arguments: Any) -> Any:
        return function(*arguments)

    named.__name__ = name
    return named  # type: ignore[return-value]
