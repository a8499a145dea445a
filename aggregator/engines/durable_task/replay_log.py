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

from fanin.aggregator.engines.durable_task.orchestration import Routine, Steps
from fanin.aggregator.fanin import Notification
from fanin.aggregator.wire import rfc3339


class Recorder:
    """One file. A replay is never interrupted by another one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()
        self._replay: dict[str, Any] = {}  # the one that runs

    @contextmanager
    def replay(self, request: protocol.OrchestratorRequest) -> Iterator[None]:
        """What happens in the block is one replay."""
        self._counts[request.instanceId] += 1
        self._replay = {
            "number": self._counts[request.instanceId],
            "instance": request.instanceId,
            "past": [_words(event) for event in request.pastEvents],
            "new": [_words(event) for event in request.newEvents],
            "awaits": [],
            "asked": [],
        }
        yield
        with self._path.open("a") as file:
            file.write(json.dumps(self._replay) + "\n")

    def routine(
        self, steps: "RecordedSteps", context: task.OrchestrationContext, routine: Routine
    ) -> Routine:
        """The same routine, with each of its awaits written down."""
        awaits = self._replay["awaits"]
        waiting = next(routine)
        while True:
            entry = {"await": steps.words(waiting), "satisfied": "not yet"}
            awaits.append(entry)
            result = yield waiting
            entry["satisfied"] = "by the history" if context.is_replaying else "by a new event"
            try:
                waiting = routine.send(result)
            except StopIteration as end:
                returned: dict[str, Any] | None = end.value
                return returned

    def ask(self, what: str, *, replaying: bool) -> None:
        """The code asks the runtime for something."""
        if not replaying:
            self._replay["asked"].append(what)


class RecordedSteps:
    """Steps that remember what each task stands for."""

    def __init__(self, steps: Steps, context: task.OrchestrationContext, recorder: Recorder) -> None:
        self._steps, self._context, self._recorder = steps, context, recorder
        self._words: dict[int, str] = {}  # by the task's identity; tasks live as long as the replay
        self._tasks: list[Any] = []

    def words(self, task_: Any) -> str:
        """What a task waits for."""
        return self._words.get(id(task_), "something")

    def now_ms(self) -> int:
        return self._steps.now_ms()

    def arrival(self, region: str) -> Any:
        return self._named(self._steps.arrival(region), f"event {region}")

    def timer(self, at_ms: int) -> Any:
        self._recorder.ask(f"a timer for {rfc3339(at_ms)}", replaying=self._context.is_replaying)
        return self._named(self._steps.timer(at_ms), "timer")

    def tell(self, activity: str, order: dict[str, Any]) -> Any:
        self._recorder.ask(f"the activity {activity}", replaying=self._context.is_replaying)
        return self._named(self._steps.tell(activity, order), f"activity {activity}")

    def all(self, tasks: list[Any]) -> Any:
        return self._named(self._steps.all(tasks), f"all of ({self._listed(tasks)})")

    def any(self, tasks: list[Any]) -> Any:
        return self._named(self._steps.any(tasks), f"any of ({self._listed(tasks)})")

    def ended(self, task: Any) -> bool:
        return self._steps.ended(task)

    def result(self, task: Any) -> Any:
        return self._steps.result(task)

    def decided(self, notify: Notification) -> None:
        self._steps.decided(notify)

    def show(self, status: dict[str, Any]) -> None:
        self._steps.show(status)

    def begin_anew(self, order: dict[str, Any]) -> None:
        self._recorder.ask("a new history", replaying=self._context.is_replaying)
        self._steps.begin_anew(order)

    def _named(self, task_: Any, words: str) -> Any:
        self._tasks.append(task_)  # so that no other one gets its identity
        self._words[id(task_)] = words
        return task_

    def _listed(self, tasks: list[Any]) -> str:
        return ", ".join(map(self.words, tasks))


def _words(event: protocol.HistoryEvent) -> str:
    """A history event for people: its kind, and what tells it from others of that kind."""
    kind = event.WhichOneof("eventType") or "event"
    about = getattr(event, kind)
    detail = ""
    if kind in ("executionStarted", "taskScheduled", "eventRaised"):
        detail = about.name
    elif kind in ("taskCompleted", "taskFailed"):
        detail = f"#{about.taskScheduledId}"
    elif kind == "timerFired":
        detail = f"#{about.timerId}"
    if kind in ("timerCreated", "taskScheduled"):
        detail = f"#{event.eventId} {detail}".strip()
    return f"{kind[0].upper()}{kind[1:]} {detail}".strip()
