"""A notification's body of any shape is read, and says no more than it says."""

from typing import Any

import pytest

from fanin.harness.oracle.notification_body import NotificationBody, instant_ms, read_body
from fanin.simulator.wire import normalise_region

FULL = {
    "id": "x", "outcome": "timed_out", "arrived": ["EastUS"], "missing": ["westus", " NorthEurope "],
    "action": "push", "repository": "team/app", "tag": "1.0", "digest": "sha256:11", "deadline": 5,
}  # fmt: skip
SHAPES: tuple[Any, ...] = (None, True, 7, 1.5, "", "word", [], {}, [1], ["a", None], {"a": 1})


def test_a_whole_body_is_read_field_by_field() -> None:
    """Regions are normalised and sorted."""
    assert read_body(FULL) == NotificationBody(
        id="x",
        outcome="timed_out",
        arrived=("eastus",),
        missing=("northeurope", "westus"),
        action="push",
        repository="team/app",
        tag="1.0",
        digest="sha256:11",
        deadline=5,
        raw_outcome="timed_out",
    )


def test_without_a_body_nothing_is_said() -> None:
    """As with an empty one."""
    assert read_body(None) == read_body({}) == NotificationBody()


READ: dict[tuple[str, str], tuple[Any, Any]] = {
    ("outcome", "completed"): ("completed", "completed"),
    ("outcome", "another word"): ("done", None),
    ("outcome", "a list of words"): (["completed"], None),
    ("id", "a number"): (7, None),
    ("id", "empty"): ("", None),
    ("tag", "empty"): ("", None),
    ("tag", "null"): (None, None),
    ("tag", "a number"): (1.4, "(float) 1.4"),
    ("digest", "an object"): ({}, "(dict) {}"),
    ("arrived", "repeated"): (["a", "A"], ("a", "a")),
    ("arrived", "empty"): ([], ()),
    ("arrived", "no list"): ("eastus", None),
    ("missing", "a list of numbers"): ([1, 2], None),
    ("deadline", "text"): ("soon", "soon"),
    ("deadline", "a fraction"): (1.5, 1.5),
    ("deadline", "an object"): ({"at": 1}, {"at": 1}),
}


@pytest.mark.parametrize("case", READ, ids=" ".join)
def test_a_field_of_another_shape_says_nothing_that_is_right(case: tuple[str, str]) -> None:
    """So that it is wrong in one place, and harmless in all others."""
    raw, read = READ[case]

    body = read_body({case[0]: raw})

    assert getattr(body, case[0]) == read
    assert body.raw_outcome == (raw if case[0] == "outcome" else None)


@pytest.mark.parametrize("field", FULL)
def test_no_shape_of_a_field_is_an_error(field: str) -> None:
    """Nothing in a body is trusted."""
    for shape in SHAPES:
        assert isinstance(read_body(FULL | {field: shape}), NotificationBody)


def test_content_is_what_identifies_an_operation_without_its_id() -> None:
    """Action, repository, tag and digest."""
    assert read_body(FULL).content == ("push", "team/app", "1.0", "sha256:11")


@pytest.mark.parametrize("region", ["eastus", " eastus\t", "EastUS", "EASTUS"])
def test_regions_compare_trimmed_and_folded(region: str) -> None:
    """Contract, clause 2."""
    assert normalise_region(region) == "eastus"


NOON_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z
INSTANTS: dict[str, tuple[Any, int | None]] = {
    "ISO 8601 in UTC": ("2026-03-01T12:00:00Z", NOON_MS),
    "ISO 8601 with an offset": ("2026-03-01T13:00:00.002+01:00", NOON_MS + 2),
    "ISO 8601 without an offset": ("2026-03-01T12:00:00", None),
    "a word": ("soon", None),
    "a truth value": (True, None),
    "an object": ({"at": 1}, None),
    "seconds": (NOON_MS // 1000, NOON_MS),
    "seconds with a fraction": (NOON_MS / 1000 + 0.002, NOON_MS + 2),
    "milliseconds": (NOON_MS, NOON_MS),
    "negative milliseconds": (-NOON_MS, -NOON_MS),
    "infinite": (float("inf"), None),
    "not a number": (float("nan"), None),
}


@pytest.mark.parametrize("name", INSTANTS)
def test_a_deadline_is_an_instant_or_nothing(name: str) -> None:
    """ISO 8601 with an offset, or Unix time in seconds or milliseconds."""
    deadline, instant = INSTANTS[name]

    assert instant_ms(deadline) == instant
