"""Event Grid's two schemas: every event of a request is read by itself."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator.errors import MalformedError
from fanin.aggregator.event_grid import (
    EVENTS_MAX,
    VALIDATION,
    GridEvent,
    RegistryEvent,
    SubscriptionDeleted,
    SubscriptionValidation,
    decode_events,
)
from tests.paths import ROOT

DATA: dict[str, Any] = {
    "id": "5b7c", "action": "push", "location": "westeurope",
    "target": {"repository": "team/app", "tag": "1.0", "digest": "sha256:11"},
    "request": {"host": "demo.azurecr.io"},
}  # fmt: skip
EVENT: dict[str, Any] = {"id": "e1", "eventType": "Microsoft.ContainerRegistry.ImagePushed", "data": DATA}
CLOUD: dict[str, Any] = {
    "id": "e1", "specversion": "1.0", "type": "Microsoft.ContainerRegistry.ImagePushed", "data": DATA
}  # fmt: skip
EXAMPLES: Path = ROOT / "tests" / "contract" / "event_grid"


def _read(body: Any, **headers: str) -> list[GridEvent | MalformedError]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_events(content, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param([EVENT], {}, id="event-grid"),
        pytest.param(EVENT, {}, id="event-grid-without-its-array"),
        pytest.param(CLOUD, {}, id="cloudevents-structured"),
        pytest.param([CLOUD], {}, id="cloudevents-batch"),
        pytest.param(
            DATA, {"ce_type": CLOUD["type"], "ce_specversion": "1.0", "ce_id": "e1"}, id="cloudevents-binary"
        ),
        pytest.param([EVENT | {"eventType": "ImagePushed"}], {}, id="as-first-published"),
        pytest.param([EVENT | {"eventType": "microsoft.containerregistry.imagepushed"}], {}, id="small"),
        pytest.param(
            {k: v for k, v in CLOUD.items() if k != "data"}
            | {"data_base64": base64.b64encode(json.dumps(DATA).encode()).decode()},
            {},
            id="cloudevents-base64",
        ),
        pytest.param(b"\xef\xbb\xbf" + json.dumps([EVENT]).encode(), {}, id="byte-order-mark"),
    ],
)
def test_each_form_carries_the_same_event(body: Any, headers: dict[str, str]) -> None:
    """What correlates is the id in the data, which is the webhook's; that of the envelope is each event's."""
    (event,) = _read(body, **headers)

    assert isinstance(event, RegistryEvent)
    assert (event.event.id, event.event.action, event.location) == ("5b7c", "push", "westeurope")
    assert event.event.target is not None
    assert event.event.target.repository == "team/app"


def test_the_examples_are_understood() -> None:
    """Both schemas as the vendor's page has them."""
    (pushed,) = _read((EXAMPLES / "push.json").read_bytes())
    (deleted,) = _read((EXAMPLES / "cloudevent.json").read_bytes())

    assert isinstance(pushed, RegistryEvent)
    assert isinstance(deleted, RegistryEvent)
    assert (pushed.event.action, pushed.location) == ("push", "westeurope")
    assert (deleted.event.action, deleted.location) == ("delete", "westeurope")


def test_a_bad_event_takes_no_other_with_it() -> None:
    """The second of three has no id."""
    bad = EVENT | {"data": {k: v for k, v in DATA.items() if k != "id"}}

    first, second, third = _read([EVENT, bad, EVENT])

    assert isinstance(first, RegistryEvent)
    assert isinstance(third, RegistryEvent)
    assert isinstance(second, MalformedError)
    assert str(second) == "id is missing or empty"


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (17, "not an event of Event Grid"),
        ({"eventType": 17}, "not an event of Event Grid"),
        (DATA, "the registry's own webhooks go to /api/ImagePush?region=NAME"),
        (
            EVENT | {"eventType": "Microsoft.Storage.BlobCreated"},
            "Storage.BlobCreated' is none of",
        ),
        (EVENT | {"eventType": "Microsoft.ContainerRegistry.Tagged"}, "ImagePushed, ImageDeleted"),
        (EVENT | {"data": "no object"}, "data is not a registry webhook"),
        ({k: v for k, v in EVENT.items() if k != "data"}, "data is empty"),
        (EVENT | {"data": DATA | {"location": "x" * 600}}, "data.location has 600 characters"),
        (EVENT | {"data": DATA | {"location": 17}}, "data: "),
        (CLOUD | {"specversion": "0.3"}, "specversion '0.3' is not 1.0"),
        (CLOUD | {"data_base64": "%"}, "data_base64 is not base64"),
        (EVENT | {"eventType": VALIDATION, "data": {"validationCode": ""}}, "validationCode is not of 1 to"),
        (EVENT | {"eventType": VALIDATION, "data": {}}, "data: "),
        (EVENT | {"eventType": VALIDATION, "data": 1}, "data: "),
    ],
)
def test_an_event_that_is_not_expected_says_why(event: Any, problem: str) -> None:
    """Every one of them is an error of its own, and no exception."""
    (error,) = _read([event])

    assert isinstance(error, MalformedError)
    assert problem in str(error)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"[]", "the body has no event"),
        (b"[1, 2", "the body is not JSON"),
        (b'["\xff"]', "the body is not UTF-8 at byte 2"),
        (b"[" * 65 + b"]" * 65, "nested more than 64 levels"),
        (b"[" + b"1," * EVENTS_MAX + b"1]", "the body has 5001 events; at most 5000"),
    ],
)
def test_a_body_that_is_no_list_of_events_is_refused_as_a_whole(body: bytes, problem: str) -> None:
    """There is nothing in it to save."""
    with pytest.raises(MalformedError, match=problem):
        _read(body)


def test_an_object_that_is_no_json_is_an_error_of_its_own() -> None:
    """A body that begins as an object is one event."""
    (error,) = _read(b'{"eventType": ')

    assert isinstance(error, MalformedError)
    assert str(error).startswith("the body is not JSON")


def test_what_event_grid_says_itself_is_quoted_apart() -> None:
    """The handshake, and the end of the subscription."""
    validation = EVENT | {
        "eventType": VALIDATION,
        "data": {"validationCode": "512d38b6", "validationUrl": "x"},
    }
    deleted = EVENT | {"eventType": "Microsoft.EventGrid.SubscriptionDeletedEvent", "data": {}}

    assert _read([validation, deleted]) == [SubscriptionValidation("512d38b6"), SubscriptionDeleted()]


def test_a_connected_registry_is_named() -> None:
    """It reports through its cloud registry, and is not the replica of the location."""
    (event,) = _read([EVENT | {"data": DATA | {"connectedRegistry": {"name": "edge1"}}}])

    assert isinstance(event, RegistryEvent)
    assert event.connected_registry == "edge1"
