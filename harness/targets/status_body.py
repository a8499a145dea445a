"""The outcomes that a Durable Functions instance has reported, read from its status and history.

Rules of this file: pure. The status body is that of the Durable Functions HTTP API (extension 2.x) for
``showHistory=true&showHistoryOutput=true``: ``{name, instanceId, runtimeStatus, input, customStatus, output,
createdTime, lastUpdatedTime, historyEvents}``. In ``historyEvents`` an activity that has run is one entry,
``{EventType: TaskCompleted | TaskFailed, FunctionName, ScheduledTime, Timestamp, Result}``; the first entry
is ``{EventType: ExecutionStarted, FunctionName, Timestamp}``. Any part of it may be missing or malformed.
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
    """The activities of an orchestration that report its outcome.

    Attributes:
        completed: Activities that report that every region has arrived.
        timed_out: Activities that report that some region has not.
    """

    completed: Annotated[tuple[FunctionName, ...], Meta(min_length=1)] = ("FirePushNotification",)
    timed_out: Annotated[tuple[FunctionName, ...], Meta(min_length=1)] = ("FireTimeoutNotification",)


class ReportedOutcome(NamedTuple):
    """One outcome that an instance has reported, or has tried to."""

    outcome: str  # completed or timed_out
    execution: str  # of the instance; when it is started again, there is another one
    succeeded: bool
    after_ms: int | None  # from the execution's start, by the target's clock; None where it is unknown


class InstanceStatus(NamedTuple):
    """What one poll of an instance shows."""

    done: bool
    outcomes: tuple[ReportedOutcome, ...]
    started_ms: int | None  # Unix milliseconds of the target's clock
    no_outcome: bool = False  # it is Completed, but nothing in it is an outcome


def read_status(body: Any, activities: Activities, dialect: Dialect) -> InstanceStatus:
    """Read a status body of any shape."""
    if not isinstance(body, dict):
        return InstanceStatus(False, (), None)
    state = body.get("runtimeStatus")
    events = [event for event in _list(body.get("historyEvents")) if isinstance(event, dict)]
    started = next(
        (event.get("Timestamp") for event in events if event.get("EventType") == "ExecutionStarted"),
        body.get("createdTime"),
    )
    started_ms = parse_timestamp(started)
    execution = str(started)
    outcomes = tuple(_from_history(events, activities, execution, started_ms))
    if not outcomes and state == "Completed":
        outcomes = tuple(_from_output(body, dialect, execution))
    no_outcome = state == "Completed" and not outcomes
    return InstanceStatus(state in DONE, outcomes, started_ms, no_outcome=no_outcome)


def _from_history(
    events: Sequence[Mapping[str, Any]], activities: Activities, execution: str, started_ms: int | None
) -> list[ReportedOutcome]:
    outcome_of = dict.fromkeys(activities.completed, "completed") | dict.fromkeys(
        activities.timed_out, "timed_out"
    )
    outcomes = []
    for event in events:
        name = event.get("FunctionName") or event.get("Name")
        if event.get("EventType") in ("TaskCompleted", "TaskFailed") and name in outcome_of:
            at_ms = parse_timestamp(event.get("Timestamp"))
            after_ms = None if at_ms is None or started_ms is None else at_ms - started_ms
            succeeded = event["EventType"] == "TaskCompleted"
            outcomes.append(ReportedOutcome(outcome_of[str(name)], execution, succeeded, after_ms))
    return outcomes


def _from_output(body: Mapping[str, Any], dialect: Dialect, execution: str) -> list[ReportedOutcome]:
    """The outcome of an orchestration that returns it, or leaves it as its custom status."""
    for field in ("output", "customStatus"):
        _, notification = dialect.notification({}, msgspec.json.encode(body.get(field)), ())
        outcome = (notification or {}).get("outcome")
        if outcome in ("completed", "timed_out"):
            return [ReportedOutcome(outcome, execution, True, None)]
    return []


def parse_timestamp(text: Any) -> int | None:
    """Unix milliseconds of a .NET timestamp, which has up to seven decimals; None for anything else."""
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
