"""What a Durable Functions instance has told, read off its status and history.

Rules of this file: pure. The status body is that of the Durable Functions HTTP API (extension 2.x) asked with
``showHistory=true&showHistoryOutput=true``: ``{name, instanceId, runtimeStatus, input, customStatus, output,
createdTime, lastUpdatedTime, historyEvents}``. In ``historyEvents`` an activity that has run is one entry,
``{EventType: TaskCompleted | TaskFailed, FunctionName, ScheduledTime, Timestamp, Result}``; the first entry
is ``{EventType: ExecutionStarted, FunctionName, Timestamp}``. All of it is read with suspicion.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from fanin.harness.dialect import Dialect
from fanin.simulator.shapes import Strict

DONE = ("Completed", "Failed", "Terminated", "Canceled")
FunctionName = Annotated[str, Meta(min_length=1, max_length=256, description="an activity function's name")]


class Activities(Strict, frozen=True):
    """Which activities of an orchestration tell its outcome.

    Attributes:
        completed: Those that tell that every region reported.
        timed_out: Those that tell that some did not.
    """

    completed: Annotated[tuple[FunctionName, ...], Meta(min_length=1)] = ("FirePushNotification",)
    timed_out: Annotated[tuple[FunctionName, ...], Meta(min_length=1)] = ("FireTimeoutNotification",)


class Telling(NamedTuple):
    """One outcome that an instance has told, or has tried to."""

    outcome: str  # completed or timed_out
    execution: str  # of the instance; one that is started again has another
    succeeded: bool
    after_ms: int | None  # from the execution's start, by the target's clock; None when nobody says


class Reading(NamedTuple):
    """What one look at an instance shows."""

    done: bool
    tellings: tuple[Telling, ...]
    started_ms: int | None  # Unix milliseconds of the target's clock
    unreadable: bool = False  # it is done, and nothing says what came of it


def read_status(status: Any, activities: Activities, dialect: Dialect) -> Reading:
    """Read a status body of any shape."""
    if not isinstance(status, dict):
        return Reading(False, (), None)
    state = status.get("runtimeStatus")
    events = [event for event in _list(status.get("historyEvents")) if isinstance(event, dict)]
    started = next(
        (event.get("Timestamp") for event in events if event.get("EventType") == "ExecutionStarted"),
        status.get("createdTime"),
    )
    started_ms = instant_ms(started)
    execution = str(started)
    told = tuple(_from_history(events, activities, execution, started_ms))
    if not told and state == "Completed":
        told = tuple(_from_output(status, dialect, execution))
    done = state in DONE
    return Reading(done, told, started_ms, unreadable=state == "Completed" and not told)


def _from_history(
    events: Sequence[Mapping[str, Any]], activities: Activities, execution: str, started_ms: int | None
) -> list[Telling]:
    outcomes = dict.fromkeys(activities.completed, "completed") | dict.fromkeys(
        activities.timed_out, "timed_out"
    )
    told = []
    for event in events:
        name = event.get("FunctionName") or event.get("Name")
        if event.get("EventType") in ("TaskCompleted", "TaskFailed") and name in outcomes:
            at_ms = instant_ms(event.get("Timestamp"))
            after_ms = None if at_ms is None or started_ms is None else at_ms - started_ms
            succeeded = event["EventType"] == "TaskCompleted"
            told.append(Telling(outcomes[str(name)], execution, succeeded, after_ms))
    return told


def _from_output(status: Mapping[str, Any], dialect: Dialect, execution: str) -> list[Telling]:
    """An orchestration that returns its outcome, or leaves it as its custom status."""
    for field in ("output", "customStatus"):
        _, body = dialect.notification({}, msgspec.json.encode(status.get(field)), ())
        outcome = (body or {}).get("outcome")
        if outcome in ("completed", "timed_out"):
            return [Telling(outcome, execution, True, None)]
    return []


def instant_ms(text: Any) -> int | None:
    """A timestamp as .NET writes it, with up to seven fractional digits; None when it is none."""
    if not isinstance(text, str):
        return None
    head, dot, tail = text.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    try:
        at = datetime.fromisoformat(head + (f".{tail[: min(digits, 6)]}{tail[digits:]}" if dot else ""))
    except ValueError:
        return None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
