"""The outcomes of a Durable Functions instance, read from a status body of any shape."""

from typing import Any

import pytest

from fanin.harness.dialect import CONTRACT
from fanin.harness.targets.status_body import Activities, ReportedOutcome, parse_timestamp, read_status

STARTED = {
    "EventType": "ExecutionStarted",
    "FunctionName": "WaitForAllRegions",
    "Timestamp": "2026-03-01T10:00:00.1234567Z",
}
PUSHED = {
    "EventType": "TaskCompleted",
    "FunctionName": "FirePushNotification",
    "ScheduledTime": "2026-03-01T10:00:20.1Z",
    "Timestamp": "2026-03-01T10:00:21.1234567Z",
    "Result": "All regions are sync'd!",
}


def status(*events: dict[str, Any], state: str = "Completed", **fields: Any) -> dict[str, Any]:
    return {"runtimeStatus": state, "historyEvents": [STARTED, *events], **fields}


def test_an_activity_that_ran_has_reported_an_outcome() -> None:
    """When it ended, after its execution began, by the target's own clock."""
    found = read_status(status(PUSHED), Activities(), CONTRACT)

    assert found.done
    assert found.outcomes == (ReportedOutcome("completed", str(STARTED["Timestamp"]), True, 21_000),)


@pytest.mark.parametrize(
    "events",
    [
        (),
        ({"EventType": "TaskScheduled", "Name": "FirePushNotification"},),
        ({"EventType": "EventRaised", "Name": "FirePushNotification"},),
        (PUSHED | {"FunctionName": "SomethingElse"},),
    ],
)
def test_nothing_else_has_reported_one(events: tuple[dict[str, Any], ...]) -> None:
    """An activity that is only scheduled, an event of the same name, another activity."""
    assert read_status(status(*events, state="Running"), Activities(), CONTRACT).outcomes == ()


def test_other_names_can_be_given() -> None:
    """For other functions than those of the sample."""
    event = PUSHED | {"FunctionName": "NotifySlack"}

    found = read_status(status(event), Activities(timed_out=("NotifySlack",)), CONTRACT)

    assert [it.outcome for it in found.outcomes] == ["timed_out"]


@pytest.mark.parametrize(
    "rubbish", [None, [], "Completed", {}, {"historyEvents": 7}, {"historyEvents": [None]}]
)
def test_rubbish_says_nothing(rubbish: Any) -> None:
    """Whatever a proxy in between answers."""
    found = read_status(rubbish, Activities(), CONTRACT)

    assert (found.done, found.outcomes) == (False, ())


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-03-01T10:00:00.1234567Z", 1_772_359_200_123),
        ("2026-03-01T10:00:00Z", 1_772_359_200_000),
        ("2026-03-01T11:00:00.5+01:00", 1_772_359_200_500),
        ("2026-03-01T10:00:00", 1_772_359_200_000),
        ("yesterday", None),
        (17, None),
    ],
)
def test_timestamps_are_read_as_dotnet_writes_them(text: Any, ms: int | None) -> None:
    """Seven fractional digits are one more than Python takes."""
    assert parse_timestamp(text) == ms


@pytest.mark.parametrize("field", ["output", "customStatus"])
def test_an_outcome_may_be_the_output_or_the_custom_status(field: str) -> None:
    """Of an orchestration without activities; then it is not known when it was decided."""
    body = status() | {field: {"outcome": "timed_out"}}

    found = read_status(body, Activities(), CONTRACT)

    assert found.outcomes == (ReportedOutcome("timed_out", str(STARTED["Timestamp"]), True, None),)


def test_an_instance_that_is_completed_without_an_outcome_says_so() -> None:
    """One that has failed does not: there the outcome is what is missing."""
    assert read_status(status(), Activities(), CONTRACT).no_outcome
    assert not read_status(status(state="Failed"), Activities(), CONTRACT).no_outcome
