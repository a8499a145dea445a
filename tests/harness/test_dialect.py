"""How other people's notifications and answers are read."""

import json
from typing import Any

import pytest

from fanin.harness.dialect import CONTRACT, Dialect, NotificationDialect, ResponseDialect, resolve_pointer

REGIONS = ("eastus", "westus", "northeurope")
ELSEWHERE = NotificationDialect(
    id="/data/operation/id",
    outcome="/type",
    completed=("image.replicated", "image.ready"),
    timed_out=("image.stuck",),
    key="header X-Event-Id",
    arrived="/data/regions/done",
    missing="/data/regions/open",
    action="nothing",
    repository="/data/image/0",
    tag="/data/image/1",
    digest="header x-digest",
    deadline="nothing",
    registry="/data/host",
    media_type="header x-kind",
)
BODY = {
    "type": "image.ready",
    "data": {
        "operation": {"id": 17},
        "regions": {"done": "eastus, westus", "open": {"northeurope": "pending"}},
        "image": ["team/app", "1.4.2"],
        "host": "demo.azurecr.io",
    },
}


def read(dialect: Dialect, body: Any, **headers: str) -> tuple[str | None, dict[str, Any] | None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dialect.notification(named, json.dumps(body).encode(), REGIONS)


def test_without_a_dialect_the_body_stays_as_it_is() -> None:
    """The contract's own words need no translation, and unknown fields are kept."""
    assert read(CONTRACT, {"id": "a", "more": [1]}, webhook_id="k") == ("k", {"id": "a", "more": [1]})
    assert CONTRACT.unobservable == ()


@pytest.mark.parametrize("content", [b"", b"[1]", b"nonsense", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_belongs_to_no_operation(content: bytes) -> None:
    """It is written down as such, and found wrong by the judge."""
    assert CONTRACT.notification({}, content, REGIONS) == (None, None)


def test_every_part_is_found_where_the_dialect_says() -> None:
    """Pointers, headers in any letter case, names in a text or as an object's keys, numbers as ids."""
    key, body = read(Dialect(ELSEWHERE), BODY, x_event_id="e-1", x_digest="sha256:11", x_kind="application/x")

    assert key == "e-1"
    assert body == {
        "id": "17",
        "outcome": "completed",
        "arrived": ["eastus", "westus"],
        "missing": ["northeurope"],
        "repository": "team/app",
        "tag": "1.4.2",
        "digest": "sha256:11",
        "registry": "demo.azurecr.io",
        "mediaType": "application/x",
    }


@pytest.mark.parametrize(
    ("said", "read_as"),
    [("image.stuck", "timed_out"), ("image.replicated", "completed"), ("completed", "completed"), ("x", "x")],
)
def test_outcomes_are_spelled_as_the_target_spells_them(said: str, read_as: str) -> None:
    """What it does not spell stays as it is, to be quoted."""
    _, body = read(Dialect(ELSEWHERE), BODY | {"type": said})

    assert body is not None
    assert body["outcome"] == read_as


def test_an_outcome_may_be_a_truth() -> None:
    """``{"ok": false}`` is an outcome as well."""
    dialect = Dialect(NotificationDialect(outcome="/ok", completed=("true",), timed_out=("false",)))

    assert read(dialect, {"id": "a", "ok": False})[1] == {"id": "a", "outcome": "timed_out"}


@pytest.mark.parametrize("absent", ["arrived", "missing"])
def test_of_two_lists_that_make_a_whole_one_says_the_other(absent: str) -> None:
    """A notification that names only the missing regions has named those that arrived."""
    present = "missing" if absent == "arrived" else "arrived"
    dialect = Dialect(NotificationDialect(**{absent: "nothing"}))  # type: ignore[arg-type]

    _, body = read(dialect, {"id": "a", "outcome": "timed_out", present: ["WestUS "]})

    assert body is not None
    assert body[absent] == ["eastus", "northeurope"]
    assert dialect.unobservable == (absent,)


def test_what_is_not_said_is_named_and_not_made_up() -> None:
    """An optional deadline is no lack."""
    assert Dialect(ELSEWHERE).unobservable == ("action",)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/a/b", 1),
        ("/list/1", "y"),
        ("/list/01", None),
        ("/list/7", None),
        ("/list/-", None),
        ("/a~1b", 2),
        ("/m~0n", 3),
        ("/", 4),
        ("/a/b/c", None),
        ("/missing", None),
    ],
)
def test_json_pointers(pointer: str, value: Any) -> None:
    """RFC 6901; what leads nowhere is nothing."""
    document = {"a": {"b": 1}, "list": ["x", "y"], "a/b": 2, "m~n": 3, "": 4}

    assert resolve_pointer(document, pointer) == value


RESPONSES = ResponseDialect(accepted=(201, 409), ignored=(204,), refused=(200, 401, 500), busy=(429,))


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (201, 201),  # HTTP says the same
        (409, 202),
        (204, 200),
        (200, 400),
        (401, 401),  # a refusal already, and its number matters
        (500, 400),
        (429, 503),
        (404, 404),
        (503, 503),
    ],
)
def test_statuses_mean_what_the_target_means_by_them(status: int, meaning: int) -> None:
    """Only where HTTP would say something else is anything changed."""
    assert Dialect(responses=RESPONSES).status(status) == meaning
    assert CONTRACT.status(status) == status
