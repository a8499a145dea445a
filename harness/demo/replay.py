"""Replays the orchestration of the Durable Task engine in memory, and writes down what each replay does.

It is the generator that the engine runs (`fanin.aggregator.engines.durable_task.orchestration`), driven by a
history that is held here: no server, no clock, no SDK. What reaches it is what reached the aggregator in a
run: the webhooks that were stored, the deadline, the sink's answers. Each replay starts at the function's
first line, takes the events of its history in their order, and ends at the first await that none of them
satisfies. The facts are those of ``fanin run NAME --engine durable-task --show-replay``.
"""

import inspect
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from fanin.aggregator.engines.durable_task import orchestration
from fanin.aggregator.engines.durable_task.orchestration import (
    ACTIVITIES,
    ORCHESTRATOR,
    OrchestrationInput,
    wait_for_all_regions,
)
from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.wire import rfc3339
from fanin.harness.history import SUCCESS, History
from fanin.harness.report.analysis import AttemptOutcome, OperationAnalysis, RunAnalysis, analyse
from fanin.harness.verdict import Verdict
from fanin.simulator.wire import normalise_region

OPERATIONS_MAX = 3
REPLAYS_MAX = 24
RETENTION_MS = 7 * 86_400_000
TARGET = "default"
_FUNCTIONS = (wait_for_all_regions, orchestration._until_decided, orchestration._until_retention_ends)  # noqa: SLF001 - shown
_STORED = (AttemptOutcome.COUNTED, AttemptOutcome.AT_DEADLINE, AttemptOutcome.DUPLICATE, AttemptOutcome.LATE)


class Stimulus(msgspec.Struct, frozen=True, order=True):
    """What reaches an orchestration from outside, and when (Unix epoch)."""

    at_ms: int
    region: str


class CodeAwait(msgspec.Struct, frozen=True):
    """One await of the code in one replay."""

    what: str
    line: int  # of the module
    satisfied: str  # by the history, by a new event, or not yet


class CodeReplay(msgspec.Struct, frozen=True):
    """One run of the code from its first line."""

    number: int
    at: int  # from the scenario's start
    past: int  # so many events were in the history before
    length: int  # and so many are there with those that are new
    awaits: tuple[CodeAwait, ...]
    asked: tuple[str, ...]
    result: str = ""


class _Event(msgspec.Struct, frozen=True):
    kind: str
    at_ms: int
    name: str = ""
    value: Any = None
    of: int = 0  # the id of the timer or activity

    def __str__(self) -> str:
        detail = f"#{self.of} {self.name}" if self.of else self.name
        return f"{self.kind} {detail}".strip()


class _Task:
    """Something that the code waits for."""

    def __init__(self, what: str, *, parts: Sequence["_Task"] = (), needs_all: bool = False) -> None:
        self.what, self._parts, self._needs_all = what, parts, needs_all
        self._done, self.value = False, None

    @property
    def done(self) -> bool:
        if not self._parts:
            return self._done
        return (all if self._needs_all else any)(part.done for part in self._parts)

    def finish(self, value: Any) -> None:
        self._done, self.value = True, value


class _Context:
    """`DurableContext` on a list of events."""

    def __init__(self) -> None:
        self.at_ms, self.replaying = 0, True
        self.asked: list[str] = []
        self.actions: list[_Event] = []  # timers and activities, in the order in which the code asks for them
        self.ended = False
        self._tasks: dict[int, _Task] = {}
        self._waits: dict[str, deque[_Task]] = {}
        self._early: dict[str, deque[Any]] = {}

    def now_ms(self) -> int:
        return self.at_ms

    def wait_for_event(self, name: str) -> _Task:
        task = _Task(f"event {name}")
        early = self._early.get(name)
        if early:
            task.finish(early.popleft())
        else:
            self._waits.setdefault(name, deque()).append(task)
        return task

    def create_timer(self, at_ms: int) -> _Task:
        self._ask(f"a timer for {rfc3339(at_ms)}")
        return self._action(_Event("TimerCreated", at_ms), "timer")

    def call_activity(self, name: str, input_: dict[str, Any]) -> _Task:
        self._ask(f"the activity {name}")
        return self._action(_Event("TaskScheduled", self.at_ms, name, input_), f"activity {name}")

    def when_all(self, tasks: list[_Task]) -> _Task:
        return _Task(f"all of ({', '.join(it.what for it in tasks)})", parts=tasks, needs_all=True)

    def when_any(self, tasks: list[_Task]) -> _Task:
        return _Task(f"any of ({', '.join(it.what for it in tasks)})", parts=tasks)

    def is_complete(self, task: _Task) -> bool:
        return task.done

    def result(self, task: _Task) -> Any:
        return task.value

    def decided(self, notification: Notification) -> None:
        """An outcome was decided; the custom status shows it."""

    def set_custom_status(self, status: dict[str, Any]) -> None:
        """It is shown to clients, and there are none here."""

    def continue_as_new(self, input_: dict[str, Any]) -> None:  # noqa: ARG002 - the port's
        self._ask("a new history")
        self.ended = True

    def apply(self, event: _Event) -> None:
        """Let one event of the history happen."""
        if event.kind == "EventRaised":
            waits = self._waits.get(event.name)
            if waits:
                waits.popleft().finish(event.value)
            else:
                self._early.setdefault(event.name, deque()).append(event.value)
        elif event.kind in ("TimerFired", "TaskCompleted"):
            self._tasks[event.of].finish(event.value)

    def _ask(self, what: str) -> None:
        if not self.replaying:
            self.asked.append(what)

    def _action(self, event: _Event, what: str) -> _Task:
        self.actions.append(msgspec.structs.replace(event, of=len(self.actions) + 1))
        task = self._tasks[len(self.actions)] = _Task(what)
        return task


class InMemoryInstance:
    """One orchestration instance: its history, and one replay after the other."""

    def __init__(self, input_: OrchestrationInput, *, epoch_ms: int) -> None:
        self._input, self._epoch_ms = input_, epoch_ms
        self._history: list[_Event] = []
        self._known_actions = 0
        self.replays: list[CodeReplay] = []
        self.open: dict[int, _Event] = {}  # timers and activities that have not ended, by id
        self.over = False

    def replay(self, at_ms: int, *new: _Event) -> None:
        """Run the code again from its first line, with these new events at the end of the history."""
        past = len(self._history)
        self._history += [_Event("OrchestratorStarted", at_ms), *new]
        context = _Context()
        awaits: list[CodeAwait] = []
        generator = wait_for_all_regions(context, self._input)
        result = self._run(generator, context, awaits, past)
        created = context.actions[self._known_actions :]
        self._known_actions = len(context.actions)
        self.open |= {it.of: it for it in created}
        length = len(self._history)
        self._history += [*created, _Event("OrchestratorCompleted", at_ms)]
        self.over = self.over or context.ended or bool(result)
        self.replays.append(
            CodeReplay(
                len(self.replays) + 1,
                at_ms - self._epoch_ms,
                past,
                length,
                tuple(awaits),
                tuple(context.asked),
                result,
            )
        )

    def _run(self, generator: Any, context: _Context, awaits: list[CodeAwait], past: int) -> str:
        events = iter(enumerate(self._history))
        context.at_ms = self._history[0].at_ms
        context.replaying = past > 0
        try:
            waiting, line = next(generator), _line(generator)
            for nth, event in events:
                if event.kind == "OrchestratorStarted":
                    context.at_ms = event.at_ms
                context.replaying = nth < past
                context.apply(event)
                while waiting.done:
                    by = "by the history" if context.replaying else "by a new event"
                    awaits.append(CodeAwait(waiting.what, line, by))
                    waiting = generator.send(None)
                    line = _line(generator)
        except StopIteration as end:
            return str((end.value or {}).get("outcome", ""))
        awaits.append(CodeAwait(waiting.what, line, "not yet"))
        return ""

    @property
    def history(self) -> list[str]:
        """Every event so far, in words."""
        return [str(event) for event in self._history]

    def end(self, of: int, at_ms: int, value: Any = None) -> None:
        """A timer fires, or an activity ends, and the code is replayed."""
        asked = self.open.pop(of)
        kind = "TimerFired" if asked.kind == "TimerCreated" else "TaskCompleted"
        self.replay(at_ms, _Event(kind, at_ms, "", value, of))


def _line(generator: Any) -> int:
    """The line at which a generator stands, within the innermost one that it delegates to."""
    while inspect.isgenerator(generator.gi_yieldfrom):
        generator = generator.gi_yieldfrom
    return int(generator.gi_frame.f_lineno)


def replays(history: History, verdict: Verdict) -> dict[str, Any]:
    """The replays of the first operations of a run.

    JSON: ``{file, functions: [{first, lines}], operations: [{op, history, replays}]}``.
    """
    analysis = analyse(history, verdict)
    epoch = history.run.epoch or 0
    shown: list[dict[str, Any]] = []
    for operation in analysis.operations:
        stimuli = _stimuli(analysis, operation, epoch)
        if stimuli and len(shown) < OPERATIONS_MAX:
            instance = _played(analysis, operation, stimuli, epoch)
            replayed = msgspec.to_builtins(instance.replays)
            shown.append({"op": operation.name, "history": instance.history, "replays": replayed})
    functions = []
    for function in _FUNCTIONS:
        lines, first = inspect.getsourcelines(function)
        functions.append({"first": first, "lines": [line.rstrip("\n") for line in lines]})
    return {
        "file": "aggregator/engines/durable_task/orchestration.py",
        "functions": functions,
        "operations": shown,
    }


def _stimuli(analysis: RunAnalysis, operation: OperationAnalysis, epoch: int) -> list[Stimulus]:
    """The webhooks that were certainly stored, at the instant by which they were."""
    return sorted(
        Stimulus(epoch + it.ended_at, normalise_region(it.region))
        for it in operation.records.attempts
        if it.region is not None and analysis.outcome_of(it) in _STORED
    )


def _played(
    analysis: RunAnalysis, operation: OperationAnalysis, stimuli: Sequence[Stimulus], epoch: int
) -> InMemoryInstance:
    first, *rest = stimuli
    end_ms = epoch + (analysis.evidence.end.at if analysis.evidence.end else 0)
    instance = InMemoryInstance(_input(operation, first), epoch_ms=epoch)
    instance.replay(first.at_ms, _Event("ExecutionStarted", first.at_ms, ORCHESTRATOR))
    waiting = deque(rest)
    sink_results = deque(operation.records.notifications)
    ends: dict[int, tuple[int, Any]] = {}  # by timer or activity: when it ends, and its result
    while not instance.over and len(instance.replays) < REPLAYS_MAX:
        for of, asked in instance.open.items():
            if of not in ends:
                ends[of] = _end(asked, sink_results)
        due = min(instance.open, key=lambda of: ends[of][0], default=None)
        if waiting and (due is None or waiting[0].at_ms <= ends[due][0]):
            stimulus = waiting.popleft()
            value = {"at_ms": stimulus.at_ms}
            instance.replay(stimulus.at_ms, _Event("EventRaised", stimulus.at_ms, stimulus.region, value))
        elif due is None or ends[due][0] > end_ms:
            break
        else:
            at_ms, result = ends[due]
            instance.end(due, _up_again(analysis, at_ms - epoch) + epoch, result)
    return instance


def _end(asked: _Event, sink_results: deque[Any]) -> tuple[int, Any]:
    """When a timer or an activity ends, and with what."""
    if asked.kind == "TimerCreated":
        return asked.at_ms, None
    took, error = _sink_result(sink_results)
    return asked.at_ms + took, None if error is None else {"error": error}


def _input(operation: OperationAnalysis, first: Stimulus) -> OrchestrationInput:
    event = operation.records.events[0]
    return OrchestrationInput(
        operation_id=operation.records.key,
        subject=Subject(action=event.action, host=event.host or None, repository=event.repository or None),
        region=first.region,
        at_ms=first.at_ms,
        expected=tuple(sorted(map(normalise_region, operation.scenario.regions))),
        timeout_ms=operation.scenario.timeout,
        retention_ms=RETENTION_MS,
        targets=dict.fromkeys((Phase.COMPLETED, Phase.TIMED_OUT), (TARGET,)),
    )


def _sink_result(answers: deque[Any]) -> tuple[int, str | None]:
    """How long the sink took for the next attempt, and why it did not accept it; as it was in the run."""
    if not answers:
        return 1, None
    received = answers.popleft()
    response = received.response
    if response is None:
        return 1, "no response"
    took = max(1, response.at - received.at)
    accepted = not response.error and response.status in SUCCESS
    return took, None if accepted else response.error or f"status {response.status}"


def _up_again(analysis: RunAnalysis, at: int) -> int:
    """The instant itself, or when the aggregator is up again."""
    down = None
    for _, entry in analysis.evidence.lifecycle:
        if entry.state == "down" and entry.at <= at and down is None:
            down = entry.at
        elif entry.state == "up" and down is not None:
            if entry.at > at:
                return entry.at
            down = None
    return at


__all__ = ["ACTIVITIES", "CodeAwait", "CodeReplay", "InMemoryInstance", "replays"]
