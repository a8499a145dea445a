"""What Azure Event Grid puts on the wire: the registry's events in envelopes, one or several in a request.

Rules of this file: ``data`` is the registry's payload with its ``location`` besides, so that one address
serves all regions; a broken payload stays as it is inside of a sound envelope. What is documented and what
is assumed: ``docs/fake-registry.md``.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from fanin.simulator.wire import Action, Event, WebhookRequest, with_body

# Names that Event Grid's own settings have for them: EventGridSchema and CloudEventSchemaV1_0.
Schema = Literal["event-grid", "cloudevents"]

PATH = "/api/EventGrid?region={region}"  # the region leaves the URL when the event is put into its envelope
TYPES: Mapping[Action, str] = {
    "push": "Microsoft.ContainerRegistry.ImagePushed",
    "delete": "Microsoft.ContainerRegistry.ImageDeleted",
    "chart_push": "Microsoft.ContainerRegistry.ChartPushed",
    "chart_delete": "Microsoft.ContainerRegistry.ChartDeleted",
}
_CONTENT_TYPES: Mapping[tuple[Schema, bool], str] = {
    ("event-grid", False): "application/json; charset=utf-8",
    ("event-grid", True): "application/json; charset=utf-8",
    ("cloudevents", False): "application/cloudevents+json; charset=utf-8",
    ("cloudevents", True): "application/cloudevents-batch+json; charset=utf-8",
}
_RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/{name}"
    "/providers/Microsoft.ContainerRegistry/registries/{name}"
)
_ID_SPACE = uuid.UUID("9d0f2f0a-6c1e-4f0e-8a57-5b1d2c3e4f60")

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What Event Grid says of an event, besides its data."""

    id: str  # the event's own; a copy of the delivery has the same
    type: str
    topic: str
    subject: str
    time: str


@dataclass(frozen=True, slots=True)
class GridRequest(WebhookRequest):
    """The request of one event that still has to be put into its envelope."""

    envelope: Envelope | None = field(default=None, repr=False, compare=False)


def in_envelope(request: WebhookRequest, event: Event, *, registry: str, region: str) -> GridRequest:
    """A webhook's request as an event for `event_grid_request`.

    Args:
        request: With the payload as its body.
        event: What the payload says; an action that Event Grid knows (`TYPES`).
        registry: The login server.
        region: Whose replica says it.
    """
    name = registry.partition(".")[0]
    tag = "" if event.tag is None or event.action == "delete" else f":{event.tag}"
    envelope = Envelope(
        id=str(uuid.uuid5(_ID_SPACE, f"{event.id}/{region}")),
        type=TYPES[event.action],
        topic=_RESOURCE.format(name=name),
        subject=event.repository + tag,
        time=event.timestamp,
    )
    return GridRequest(
        request.target, request.headers, request.body, request.url_region, request.address, envelope
    )


def event_grid_request(requests: Sequence[WebhookRequest], schema: Schema) -> WebhookRequest:
    """One request with all these events, to the address of the first one, which names no region any more."""
    events = [_enveloped(it, schema) for it in requests if isinstance(it, GridRequest)]
    is_batch = schema == "event-grid" or len(events) > 1
    body = msgspec.json.encode(events if is_batch else events[0])
    first = requests[0]
    own = {
        "content-type": ("Content-Type", _CONTENT_TYPES[schema, len(events) > 1]),
        "user-agent": None,
    }
    kept = [own.get(name.lower(), (name, value)) for name, value in first.headers]
    headers = [it for it in kept if it is not None]
    headers += [("aeg-event-type", "Notification"), ("aeg-subscription-name", "FANIN")]
    target = first.target if first.address is None else first.address.with_region(None).target
    plain = WebhookRequest(target, tuple(headers), body, first.url_region, first.address)
    return with_body(plain, body)


def _enveloped(request: GridRequest, schema: Schema) -> dict[str, Any]:
    envelope = request.envelope
    assert envelope is not None  # noqa: S101 - `in_envelope` gives it one
    data = _located(request.body, request.url_region)
    if schema == "cloudevents":
        return {
            "id": envelope.id,
            "source": envelope.topic,
            "subject": envelope.subject,
            "type": envelope.type,
            "time": envelope.time,
            "data": data,
            "specversion": "1.0",
        }
    return {
        "id": envelope.id,
        "topic": envelope.topic,
        "subject": envelope.subject,
        "eventType": envelope.type,
        "data": data,
        "dataVersion": "2.0",
        "metadataVersion": "1",
        "eventTime": envelope.time,
    }


def _located(body: bytes, region: str | None) -> msgspec.Raw:
    """The payload with its location, behind the action, as the vendor's example has it."""
    if region is None:
        return msgspec.Raw(body)
    try:
        fields = _fields.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.Raw(body)
    located: dict[str, Any] = {}
    for name in ("id", "timestamp", "action"):
        if name in fields:
            located[name] = fields.pop(name)
    return msgspec.Raw(msgspec.json.encode({**located, "location": region, **fields}))
