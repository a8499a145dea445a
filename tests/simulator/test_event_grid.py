"""Event Grid's requests: the registry's payload in an envelope, with its location."""

import json
from pathlib import Path
from typing import Any

import pytest

from fanin.simulator.event_grid import TYPES, event_grid_request, in_envelope
from fanin.simulator.wire import (
    DELETER,
    PUSHER,
    Event,
    WebhookRequest,
    address,
    encode,
    payload,
    webhook_request,
    with_address,
    with_body,
)
from tests.paths import ROOT
from tests.simulator.registries import PUSH, played

EXAMPLES: Path = ROOT / "tests" / "contract" / "event_grid"
TO = address("/api/EventGrid?region={region}", "westeurope", "k3y")
DIGEST = "sha256:1f2e3d4c5b6a79880716253443526170f1e2d3c4b5a69788796a5b4c3d2e1f00"
PUSHED = Event(
    action="push", id="5b7c1f0e-2f7a-4a53-9a37-0d4c0a1b2c3d", timestamp="2026-03-04T05:06:07.0958813Z",
    repository="team/app", tag="1.4.2", digest=DIGEST, size=856, host="demo.azurecr.io", useragent=PUSHER,
    request_id="9f0d6c55-7a53-4f0e-8f4e-aa55bb66cc77",
)  # fmt: skip
DELETED = Event(
    action="delete", id="0c2d1f0e-2f7a-4a53-9a37-0d4c0a1b2c3d", timestamp="2026-03-04T06:00:00.1234567Z",
    repository="team/app", tag="1.4.2", digest=DIGEST, host="demo.azurecr.io", useragent=DELETER,
    request_id="6a1b6c55-7a53-4f0e-8f4e-aa55bb66cc77",
)  # fmt: skip


def _request(event: Event = PUSHED, region: str = "westeurope", body: bytes | None = None) -> WebhookRequest:
    plain = webhook_request(TO.with_region(region), {}, encode(payload(event)) if body is None else body)
    return in_envelope(plain, event, registry="demo.azurecr.io", region=region)


def _without_id(text: bytes | str) -> Any:
    """An event's own id is drawn; everything else is as in the example."""
    found = json.loads(text)
    for event in found if isinstance(found, list) else [found]:
        assert len(event.pop("id")) == 36
    return found


def test_an_event_with_another_body_still_goes_into_its_envelope() -> None:
    """A fault that breaks the payload leaves the envelope sound."""
    broken = with_body(
        in_envelope(webhook_request(TO, {}, b"{}"), PUSHED, registry="demo", region="westeurope"), b"[]"
    )

    (event,) = json.loads(event_grid_request([broken], schema="event-grid").body)

    assert event["data"] == []
    assert event["eventType"] == TYPES["push"]


def test_the_examples_are_what_is_sent() -> None:
    """Both schemas, in the vendor's order of fields, and the array of the one."""
    own = event_grid_request([_request()], "event-grid")
    cloud = event_grid_request([_request(DELETED)], "cloudevents")

    for sent, example in ((own, "push"), (cloud, "cloudevent")):
        expected = _without_id((EXAMPLES / f"{example}.json").read_text(encoding="utf-8"))
        assert _without_id(sent.body) == expected
        assert json.dumps(_without_id(sent.body)) == json.dumps(expected)


def test_the_region_leaves_the_url_and_the_key_stays() -> None:
    """One address for all regions."""
    sent = event_grid_request([_request()], "event-grid")

    assert (sent.target, sent.url_region) == ("/api/EventGrid?code=k3y", "westeurope")


@pytest.mark.parametrize(
    ("schema", "count", "content_type"),
    [
        ("event-grid", 1, "application/json; charset=utf-8"),
        ("cloudevents", 1, "application/cloudevents+json; charset=utf-8"),
        ("cloudevents", 2, "application/cloudevents-batch+json; charset=utf-8"),
    ],
)
def test_headers_are_event_grids(schema: Any, count: int, content_type: str) -> None:
    """Its type and length, and the names of the subscription and the kind of event."""
    sent = event_grid_request([_request()] * count, schema)

    headers = {name.lower(): value for name, value in sent.headers}
    assert headers == {
        "content-type": content_type,
        "content-length": str(len(sent.body)),
        "aeg-event-type": "Notification",
        "aeg-subscription-name": "FANIN",
    }


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b'{"id":"\xff'])
def test_a_broken_payload_stays_as_it_is(body: bytes) -> None:
    """Inside of its envelope, whatever that makes of the whole."""
    sent = event_grid_request([with_body(_request(), body)], "event-grid")

    assert b'"data":' + body + b',"dataVersion"' in sent.body


def test_a_region_that_is_not_named_has_no_location() -> None:
    """What a fault takes out of the URL of a webhook, it takes out of the data here."""
    request = _request()
    assert request.address is not None

    (event,) = json.loads(
        event_grid_request([with_address(request, request.address.with_region(None))], "event-grid").body
    )

    assert "location" not in event["data"]


def test_a_copy_has_the_id_of_its_event_and_regions_have_their_own() -> None:
    """So duplicates can be told by the event's id, and operations cannot."""
    ids = [
        json.loads(event_grid_request([_request(region=region)], "event-grid").body)[0]["id"]
        for region in ("eastus", "eastus", "westeurope")
    ]

    assert ids[0] == ids[1] != ids[2]


def test_every_action_but_quarantine_has_a_type() -> None:
    """There is no event for it."""
    assert set(TYPES) == {"push", "delete", "chart_push", "chart_delete"}


def test_a_registry_sends_webhooks_unless_event_grid_is_its_sender() -> None:
    """The plan of webhooks is as it was."""
    (push,) = played(PUSH)

    assert push.deliveries[0].request.target == "/api/ImagePush?region=northeurope"
