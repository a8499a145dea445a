"""CloudEvents: specification 1.0.2, its JSON schema reduced to the attributes that we use."""

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from jsonschema import Draft202012Validator

from fanin.aggregator.fanin import Notification, Subject
from fanin.aggregator.notify.formats import load
from fanin.aggregator.notify.formats.text import image
from tests.aggregator.notify.formats.samples import body, huge, nasty, notify, written

EVENT = {
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": {"type": "string", "minLength": 1},
        "datacontenttype": {"type": "string", "minLength": 1},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
        "data": {"type": "object"},
    },
}


def test_a_structured_cloud_event_is_one_document() -> None:
    """Attributes beside the data, which is the plain notification; the key is the event's id."""
    message = written("cloudevents", notify())
    event = msgspec.json.decode(message.body)

    Draft202012Validator(EVENT).validate(event)
    assert message.headers == {"content-type": "application/cloudevents+json; charset=utf-8"}
    assert event["data"] == body("json", notify())
    assert {name: event[name] for name in ("id", "source", "type", "subject", "time")} == {
        "id": "c0ffee",
        "source": "/fanin",
        "type": "fanin.operation.timed_out",
        "subject": "team/app:1.4.2",
        "time": "2026-03-01T00:02:00.000Z",
    }


def test_a_binary_cloud_event_has_its_attributes_in_headers() -> None:
    """The body is the plain notification; what no header may hold is percent-encoded (binding, 3.1.3.2)."""
    notification = notify(subject=Subject(action="push", repository='Euro "€" 100%', tag="ü 😀"))
    message = written("cloudevents-binary", notification)

    assert message.body == written("json", notification).body
    assert message.headers == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "c0ffee",
        "ce-source": "/fanin",
        "ce-type": "fanin.operation.timed_out",
        # The binding's own example: Euro, a space, the sign in three bytes, the smile in four.
        "ce-subject": "Euro%20%22%E2%82%AC%22%20100%25:%C3%BC%20%F0%9F%98%80",
        "ce-time": "2026-03-01T00:02:00.000Z",
    }


@pytest.mark.parametrize("name", ["cloudevents", "cloudevents-binary"])
@pytest.mark.parametrize("notification", [notify(), nasty(), huge()], ids=["image", "nasty", "huge"])
def test_a_library_of_the_receivers_reads_the_event(name: str, notification: Notification) -> None:
    """The SDK of CloudEvents finds every attribute and the data as they were meant, in either mode."""
    message = written(name, notification)

    event = from_http_event(HTTPMessage(dict(message.headers), message.body))

    assert (event.get_id(), event.get_source(), event.get_specversion()) == ("c0ffee", "/fanin", "1.0")
    assert event.get_subject() == image(notification)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == body("json", notification)


def test_brigade_gets_a_structured_event() -> None:
    """Its gateway reads CloudEvents 1.0; source and type become qualifiers, the data the payload."""
    assert written("brigade", notify()) == written("cloudevents", notify())


def test_a_source_of_ones_own() -> None:
    """Receivers route by it."""
    event = msgspec.json.decode(load("cloudevents").render(notify(), source="/demo").body)

    assert event["source"] == "/demo"
