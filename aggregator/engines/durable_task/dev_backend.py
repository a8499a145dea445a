"""A backend for one machine: the SDK's in-memory one, as a process of its own, with what a service needs.

For tests, trials and benchmarks: everything is in its memory, and gone when it ends. Four things differ from
the SDK's:

* Work items of a worker whose connection broke are handed out again, as after the end of a lease. The SDK's
  backend never does, so the work of a killed worker would never be completed.
* Timers are entries of one queue. The SDK's backend has a thread for each, until the timer's instant, even
  when no orchestration waits for it any more: ten thousand operations would be twenty thousand threads.
* A worker gets no more orchestrations at once than it has asked for, as the protocol requires. Events of the
  others are added to their next replay meanwhile. And activities do not wait until there is no orchestration
  left to replay, which under a steady load would be never.
* A timer of an earlier history of the same instance does not fire in the present one, where its number may
  be another timer's.
"""

import fcntl
import heapq
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import grpc
from durabletask.internal import helpers
from durabletask.internal import orchestrator_service_pb2 as protocol
from durabletask.internal import orchestrator_service_pb2_grpc as stubs
from durabletask.testing import InMemoryOrchestrationBackend
from durabletask.testing.in_memory_backend import ActivityWorkItem, OrchestrationInstance

from fanin.aggregator.engines.durable_task.options import PREFIX
from fanin.aggregator.errors import StoreUnusableError

FILE = "durable-task-backend.json"
# How long a worker whose connection broke may still report results.
LEASE_S = 0.5
# An idle stream is pinged, as the Scheduler's are: a worker takes a silent one for broken.
PING_S = 30.0
# A worker's stream occupies a thread, and so does each call while it runs.
THREADS = 64
START_S = 30.0
_POLL_S = 0.05
_GONE_S = 1.0


class DevBackend(InMemoryOrchestrationBackend):
    """The SDK's backend, on a port that the system chooses."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port=port)
        self._work_available = _WakeOne()  # type: ignore[assignment] # it has the methods of an event that are used
        self._timers = _Timers()
        self._leased: dict[_Key, tuple[object, protocol.WorkItem]] = {}  # with their workers
        self._replays: Counter[object] = Counter()  # leased orchestrations, by worker

    def start(self) -> str:
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS))
        self._server = server
        stubs.add_TaskHubSidecarServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        port = server.add_insecure_port(f"127.0.0.1:{self._port}")
        server.start()
        return f"127.0.0.1:{port}"

    # --- leases ---

    def GetWorkItems(  # noqa: N802 - the protocol's name
        self, request: protocol.GetWorkItemsRequest, context: grpc.ServicerContext
    ) -> Iterator[protocol.WorkItem]:
        worker = object()
        context.add_callback(lambda: self._timers.at(time.time() + LEASE_S, lambda: self._end_leases(worker)))
        sent_s = time.monotonic()
        while context.is_active():
            item = self._lease(worker, request.maxConcurrentOrchestrationWorkItems)
            if item is None and time.monotonic() > sent_s + PING_S:
                item = protocol.WorkItem(healthPing=protocol.HealthPing())
            if item is not None:
                sent_s = time.monotonic()
                yield item
            else:
                self._work_available.wait(_POLL_S)

    def CompleteOrchestratorTask(  # noqa: N802 - the protocol's name
        self, request: protocol.OrchestratorResponse, context: grpc.ServicerContext
    ) -> protocol.CompleteTaskResponse:
        with self._lock:
            if (leased := self._leased.pop((request.instanceId, None), None)) is not None:
                self._replays[leased[0]] -= 1
                self._work_available.set()
            return super().CompleteOrchestratorTask(request, context)

    def CompleteActivityTask(  # noqa: N802 - the protocol's name
        self, request: protocol.ActivityResponse, context: grpc.ServicerContext
    ) -> protocol.CompleteTaskResponse:
        with self._lock:
            self._leased.pop((request.instanceId, request.taskId), None)
            return super().CompleteActivityTask(request, context)

    def _lease(self, worker: object, replays_max: int) -> protocol.WorkItem | None:
        """The next work item: activities first, because they complete what orchestrations have begun."""
        with self._lock:
            item = self._activity()
            if item is None and not 0 < replays_max <= self._replays[worker]:
                item = self._orchestration()
                self._replays[worker] += item is not None
            if item is not None:
                self._leased[_key(item)] = (worker, item)
            return item

    def _activity(self) -> protocol.WorkItem | None:
        if not self._activity_queue:
            return None
        waiting = self._activity_queue.popleft()
        return protocol.WorkItem(
            completionToken=str(waiting.completion_token),
            activityRequest=protocol.ActivityRequest(
                name=waiting.name,
                taskId=waiting.task_id,
                input=helpers.get_string_value(waiting.input),
                orchestrationInstance=protocol.OrchestrationInstance(instanceId=waiting.instance_id),
            ),
        )

    def _orchestration(self) -> protocol.WorkItem | None:
        """An orchestration that has new events, and is not leased."""
        for _ in range(len(self._orchestration_queue)):
            instance_id = self._orchestration_queue.popleft()
            instance = self._instances.get(instance_id)
            if instance_id in self._orchestration_in_flight:
                self._orchestration_queue.append(instance_id)
                continue
            self._orchestration_queue_set.discard(instance_id)
            if instance is not None and instance.pending_events:
                break
        else:
            return None
        events, instance.pending_events = list(instance.pending_events), []
        if instance.history and not events[0].HasField("orchestratorStarted"):
            # So that the orchestration's time goes on.
            events.insert(0, helpers.new_orchestrator_started_event(datetime.now(UTC)))
        instance.dispatched_events = events
        self._orchestration_in_flight.add(instance_id)
        return protocol.WorkItem(
            completionToken=str(instance.completion_token),
            orchestratorRequest=protocol.OrchestratorRequest(
                instanceId=instance_id, pastEvents=instance.history, newEvents=events
            ),
        )

    def _end_leases(self, worker: object) -> None:
        """Queue again what a worker whose connection broke has not completed."""
        with self._lock:
            del self._replays[worker]
            for key, (holder, item) in tuple(self._leased.items()):
                if holder is not worker:
                    continue
                del self._leased[key]
                if item.HasField("activityRequest"):
                    request = item.activityRequest
                    instance_id = request.orchestrationInstance.instanceId
                    self._activity_queue.append(
                        ActivityWorkItem(
                            instance_id,
                            request.name,
                            request.taskId,
                            request.input.value,
                            int(item.completionToken),
                        )
                    )
                elif item.HasField("orchestratorRequest"):
                    self._queue_again(item)
            self._work_available.set()

    def _queue_again(self, item: protocol.WorkItem) -> None:
        instance = self._instances.get(item.orchestratorRequest.instanceId)
        if instance is None or str(instance.completion_token) != item.completionToken:
            return
        events = list(instance.dispatched_events)
        if instance.history and events and events[0].HasField("orchestratorStarted"):
            del events[0]  # it gets a new one, with the instant of its replay
        instance.pending_events = events + list(instance.pending_events)
        instance.dispatched_events.clear()
        self._orchestration_in_flight.discard(instance.instance_id)
        self._enqueue_orchestration(instance.instance_id)

    # --- timers ---

    def _process_create_timer_action(
        self, instance: OrchestrationInstance, action: protocol.OrchestratorAction
    ) -> None:
        fire_at = action.createTimer.fireAt.ToDatetime(tzinfo=UTC)
        created = helpers.new_timer_created_event(action.id, fire_at)
        instance.history.append(created)
        if instance.status == protocol.ORCHESTRATION_STATUS_PENDING:
            instance.status = protocol.ORCHESTRATION_STATUS_RUNNING

        def fire() -> None:
            with self._lock:
                now = self._instances.get(instance.instance_id)
                present = now is instance and any(event is created for event in instance.history)
                if not present or self._is_terminal_status(instance.status):
                    return
                instance.pending_events.append(helpers.new_timer_fired_event(action.id, fire_at))
                instance.last_updated_at = datetime.now(UTC)
                self._enqueue_orchestration(instance.instance_id)

        self._timers.at(fire_at.timestamp(), fire)


type _Key = tuple[str, int | None]


def _key(item: protocol.WorkItem) -> _Key:
    """The key of a work item: an activity of an instance, or the instance itself."""
    if item.HasField("activityRequest"):
        return item.activityRequest.orchestrationInstance.instanceId, item.activityRequest.taskId
    return item.orchestratorRequest.instanceId, None


class _WakeOne:
    """In the place of the SDK's event that there is work: wakes one worker's stream, not all of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_set = False

    def set(self) -> None:
        with self._changed:
            self._is_set = True
            self._changed.notify()

    def wait(self, timeout: float) -> None:
        with self._changed:
            if not self._is_set:
                self._changed.wait(timeout)
            self._is_set = False

    def clear(self) -> None:
        """No-op: `wait` clears it."""


class _Timers:
    """Calls functions at instants, one after the other, in one thread."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True, name="timers").start()

    def at(self, instant_s: float, call: Callable[[], None]) -> None:
        """Call a function at an instant, Unix epoch."""
        with self._changed:
            heapq.heappush(self._due, (instant_s, next(self._numbers), call))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.time():
                    rest_s = self._due[0][0] - time.time() if self._due else None
                    self._changed.wait(
                        None if rest_s is None else max(0.0, min(rest_s, threading.TIMEOUT_MAX))
                    )
                _, _, call = heapq.heappop(self._due)
            call()


# --- as a process ---


@dataclass(frozen=True, slots=True)
class RunningBackend:
    """A backend that runs, and the settings that lead to it."""

    pid: int
    options: Mapping[str, str]

    def stop(self) -> None:
        """End it. Everything in it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        if (process := _children.pop(self.pid, None)) is not None:
            process.wait()


_children: dict[int, subprocess.Popen[bytes]] = {}  # that this process has started, by pid


def start_backend(folder: Path) -> RunningBackend:
    """The backend of a folder, started if it does not run yet; see `fanin.aggregator.engines.start_backend`.

    Raises:
        StoreUnusableError: it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{FILE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # replicas that start together share one backend
        return _find(folder) or _start(folder)


def _start(folder: Path) -> RunningBackend:
    (folder / FILE).unlink(missing_ok=True)
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", __name__, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _children[process.pid] = process
    end_s = time.monotonic() + START_S
    while (known := _find(folder)) is None:
        if process.poll() is not None or time.monotonic() > end_s:
            raise StoreUnusableError(f"the Durable Task backend in {folder} did not start")
        time.sleep(_POLL_S)
    return known


def _find(folder: Path) -> RunningBackend | None:
    """The backend that a folder's file names, if it accepts connections."""
    try:
        found = json.loads((folder / FILE).read_text())
        host, _, port = found["address"].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=1):
            return RunningBackend(found["pid"], {PREFIX + "ADDRESS": found["address"]})
    except (OSError, ValueError, KeyError):
        return None


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Run a backend until FOLDER is gone; a file in it says where it listens."""
    address = DevBackend().start()
    new = folder / (FILE + ".new")
    new.write_text(json.dumps({"address": address, "pid": os.getpid()}))
    new.replace(folder / FILE)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while (folder / FILE).exists():
        time.sleep(_GONE_S)
    os._exit(0)  # its threads wait for calls that will not come


if __name__ == "__main__":
    main()
