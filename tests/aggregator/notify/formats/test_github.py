"""GitHub: repository dispatches, held to the limits that its documentation states."""

import msgspec
import pytest

from fanin.aggregator.fanin import Notification
from tests.aggregator.notify.formats.samples import body, huge, notify, written


def test_github_gets_a_dispatch() -> None:
    """The outcome is the event's type, which a workflow chooses by; the payload is the plain notification."""
    message = written("github", notify())

    plain = body("json", notify())
    assert msgspec.json.decode(message.body) == {
        "event_type": "fanin-timed-out",
        "client_payload": plain | {"details": {"registry": plain.pop("registry")}},
    }
    assert message.headers["accept"] == "application/vnd.github+json"
    assert message.headers["x-github-api-version"] == "2022-11-28"


@pytest.mark.parametrize("notification", [notify(), huge()], ids=["short", "huge"])
def test_github_takes_it_even_at_its_longest(notification: Notification) -> None:
    """A type of at most 100 characters, at most ten properties, less than 64 KB; what was cut says so."""
    dispatch = body("github", notification)
    payload = dispatch["client_payload"]

    assert len(dispatch["event_type"]) <= 100
    assert len(payload) <= 10
    assert len(msgspec.json.encode(payload)) < 64_000
    cut = len(payload["missing"]) < len(notification.missing)
    assert payload.get("details", {}).get("truncated", False) is cut
    assert payload["missing"] == list(notification.missing[: len(payload["missing"])])
    assert payload["missing"]
