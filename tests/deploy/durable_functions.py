"""The part of Durable Functions that calls an orchestrator: it records a history and has it replayed.

What the extension writes into a history and hands to the Python SDK is fixed by its out-of-process protocol
(schema V3): events as objects with ``EventType``, and the actions that come back, in the order in which they
were taken. Every replay's actions must begin with all that earlier ones took, or the extension would fail the
orchestration as not deterministic.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

(EXECUTION_STARTED, TASK_SCHEDULED, TASK_COMPLETED, TASK_FAILED) = (0, 4, 5, 6)
(TIMER_CREATED, TIMER_FIRED, ORCHESTRATOR_STARTED, ORCHESTRATOR_COMPLETED, EVENT_RAISED) = (
    10,
    11,
    12,
    13,
    15,
)
(CALL_ACTIVITY, CREATE_TIMER) = (0, 5)
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


class Instance:
    """One orchestration instance, and every replay of it."""

    def __init__(self, orchestrator: Any, input_: dict[str, Any]) -> None:
        self._orchestrator, self._input = orchestrator, input_
        self.now = BEGAN
        self._history: list[dict[str, Any]] = []
        self._actions: list[dict[str, Any]] = []  # that were taken so far, nested ones too
        self.replays = 0
        self.last: dict[str, Any] = {}  # what the last replay returned
        self._replay(
            self._event(EXECUTION_STARTED, Name="WaitForAllRegions", Input=json.dumps(input_), Version=None)
        )

    # --- what happens to it ---

    def raise_event(self, name: str, data: Any, *, after_s: float = 0) -> None:
        self._pass(after_s)
        self._replay(self._event(EVENT_RAISED, Name=name, Input=json.dumps(data)))

    def fire_next_timer(self) -> None:
        """Let the earliest timer fire that has not."""
        fired = {event["TimerId"] for event in self._history if event["EventType"] == TIMER_FIRED}
        open_ = [it for it in self._of(TIMER_CREATED) if it["EventId"] not in fired]
        timer = min(open_, key=lambda it: str(it["FireAt"]))
        self.now = max(self.now, datetime.fromisoformat(timer["FireAt"]))
        self._replay(self._event(TIMER_FIRED, TimerId=timer["EventId"], FireAt=timer["FireAt"]))

    def complete(self, result: Any = None, *, fails: bool = False) -> None:
        """End the oldest activity that runs."""
        ended = {it["TaskScheduledId"] for it in self._of(TASK_COMPLETED) + self._of(TASK_FAILED)}
        task = next(it for it in self._of(TASK_SCHEDULED) if it["EventId"] not in ended)
        said: dict[str, Any] = {"Reason": "boom", "Details": ""} if fails else {"Result": json.dumps(result)}
        kind = TASK_FAILED if fails else TASK_COMPLETED
        self._replay(self._event(kind, TaskScheduledId=task["EventId"], **said))

    # --- what can be seen of it ---

    @property
    def is_done(self) -> bool:
        return bool(self.last["isDone"])

    @property
    def status(self) -> Any:
        return self.last.get("customStatus")

    def called(self) -> list[tuple[str, Any]]:
        """Activities, with their inputs, in order."""
        calls = [it for it in self._actions if it["actionType"] == CALL_ACTIVITY]
        return [(it["functionName"], json.loads(it["input"])) for it in calls]

    # --- the protocol ---

    def _pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def _of(self, kind: int) -> list[dict[str, Any]]:
        return [event for event in self._history if event["EventType"] == kind]

    def _event(self, kind: int, *, id_: int = -1, **rest: Any) -> dict[str, Any]:
        stamp = self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"EventType": kind, "EventId": id_, "IsPlayed": False, "Timestamp": stamp, **rest}

    def _replay(self, event: dict[str, Any]) -> None:
        for old in self._history:
            old["IsPlayed"] = True
        self._history += [self._event(ORCHESTRATOR_STARTED), event]
        context = {
            "history": self._history,
            "instanceId": "op-1",
            "isReplaying": False,
            "parentInstanceId": None,
            "input": json.dumps(self._input),
            "upperSchemaVersion": 0,
            "upperSchemaVersionNew": 2,
            "maximumShortTimerDuration": "6.00:00:00",
            "longRunningTimerIntervalDuration": "3.00:00:00",
        }
        self.replays += 1
        self.last = json.loads(self._orchestrator(json.dumps(context)))
        taken = _flat(self.last["actions"])
        assert taken[: len(self._actions)] == self._actions, "a replay took another way"
        new, self._actions = taken[len(self._actions) :], taken
        number = len([it for it in self._history if it["EventType"] in (TASK_SCHEDULED, TIMER_CREATED)])
        for action in new:
            if action["actionType"] == CALL_ACTIVITY:
                self._history.append(self._event(TASK_SCHEDULED, id_=number, Name=action["functionName"]))
            elif action["actionType"] == CREATE_TIMER:
                self._history.append(self._event(TIMER_CREATED, id_=number, FireAt=action["fireAt"]))
            else:
                continue
            number += 1
        self._history.append(self._event(ORCHESTRATOR_COMPLETED))


def _flat(actions: Any) -> list[dict[str, Any]]:
    """Compound actions taken apart; those of one turn stand in an array of their own."""
    found: list[dict[str, Any]] = []
    for action in actions:
        if isinstance(action, list):
            found += _flat(action)
        elif "compoundActions" in action:
            found += _flat(action["compoundActions"])
        else:
            found.append(action)
    return found
