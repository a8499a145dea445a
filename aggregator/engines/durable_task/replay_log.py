"""Writes down how orchestrations are replayed, for people who want to see it.

With FANIN_DURABLE_TASK_REPLAYS set to a file, every replay becomes a line of JSON in it: the events that the
history held already, those that are new, each await with what satisfied it, and what the code asked for that
it had not asked for before. What is written is what the SDK's worker was given and did.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from durabletask import task
from durabletask.internal import orchestrator_service_pb2 as protocol

from fanin.aggregator.engines.durable_task.orchestration import DurableContext, Orchestration
from fanin.aggregator.fanin import Notification
from fanin.aggregator.wire import rfc3339


class ReplayLog:
    """One file. Replays do not overlap."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()  # replays, by instance
        self._replay: dict[str, Any] = {}  # the one that runs

    @contextmanager
    def replay(self, request: protocol.OrchestratorRequest) -> Iterator[None]:
        """The block is one replay."""
        self._counts[request.instanceId] += 1
        self._replay = {
            "number": self._counts[request.instanceId],
            "instance": request.instanceId,
            "past": [_description(event) for event in request.pastEvents],
            "new": [_description(event) for event in request.newEvents],
            "awaits": [],
            "asked": [],
        }
        yield
        with self._path.open("a") as file:
            file.write(json.dumps(self._replay) + "\n")

    def recorded(
        self, recorded: "RecordedContext", context: task.OrchestrationContext, orchestration: Orchestration
    ) -> Orchestration:
        """The same orchestration, with each of its awaits written down."""
        awaits = self._replay["awaits"]
        waiting = next(orchestration)
        while True:
            entry = {"await": recorded.description(waiting), "satisfied": "not yet"}
            awaits.append(entry)
            result = yield waiting
            entry["satisfied"] = "by the history" if context.is_replaying else "by a new event"
            try:
                waiting = orchestration.send(result)
            except StopIteration as end:
                returned: dict[str, Any] | None = end.value
                return returned

    def asked(self, what: str, *, replaying: bool) -> None:
        """The code asks the runtime for something."""
        if not replaying:
            self._replay["asked"].append(what)


class RecordedContext:
    """A context that knows for each task what it stands for."""

    def __init__(self, durable: DurableContext, context: task.OrchestrationContext, log: ReplayLog) -> None:
        self._durable, self._context, self._log = durable, context, log
        self._descriptions: dict[int, str] = {}  # by the task's identity; tasks live as long as the replay
        self._tasks: list[Any] = []

    def description(self, task_: Any) -> str:
        """What a task waits for."""
        return self._descriptions.get(id(task_), "something")

    def now_ms(self) -> int:
        return self._durable.now_ms()

    def wait_for_event(self, name: str) -> Any:
        return self._described(self._durable.wait_for_event(name), f"event {name}")

    def create_timer(self, at_ms: int) -> Any:
        self._log.asked(f"a timer for {rfc3339(at_ms)}", replaying=self._context.is_replaying)
        return self._described(self._durable.create_timer(at_ms), "timer")

    def call_activity(self, name: str, input_: dict[str, Any]) -> Any:
        self._log.asked(f"the activity {name}", replaying=self._context.is_replaying)
        return self._described(self._durable.call_activity(name, input_), f"activity {name}")

    def when_all(self, tasks: list[Any]) -> Any:
        return self._described(self._durable.when_all(tasks), f"all of ({self._listed(tasks)})")

    def when_any(self, tasks: list[Any]) -> Any:
        return self._described(self._durable.when_any(tasks), f"any of ({self._listed(tasks)})")

    def is_complete(self, task: Any) -> bool:
        return self._durable.is_complete(task)

    def result(self, task: Any) -> Any:
        return self._durable.result(task)

    def decided(self, notification: Notification) -> None:
        self._durable.decided(notification)

    def set_custom_status(self, status: dict[str, Any]) -> None:
        self._durable.set_custom_status(status)

    def continue_as_new(self, input_: dict[str, Any]) -> None:
        self._log.asked("a new history", replaying=self._context.is_replaying)
        self._durable.continue_as_new(input_)

    def _described(self, task_: Any, description: str) -> Any:
        self._tasks.append(task_)  # so that no other one gets its identity
        self._descriptions[id(task_)] = description
        return task_

    def _listed(self, tasks: list[Any]) -> str:
        return ", ".join(map(self.description, tasks))


def _description(event: protocol.HistoryEvent) -> str:
    """A history event for people: its kind, and what distinguishes it from others of that kind."""
    kind = event.WhichOneof("eventType") or "event"
    fields = getattr(event, kind)
    detail = ""
    if kind in ("executionStarted", "taskScheduled", "eventRaised"):
        detail = fields.name
    elif kind in ("taskCompleted", "taskFailed"):
        detail = f"#{fields.taskScheduledId}"
    elif kind == "timerFired":
        detail = f"#{fields.timerId}"
    if kind in ("timerCreated", "taskScheduled"):
        detail = f"#{event.eventId} {detail}".strip()
    return f"{kind[0].upper()}{kind[1:]} {detail}".strip()
