"""Azure Event Grid's form of the registry's events: what one request carries, event by event.

Rules of this file: an event that cannot be read is an error of its own and takes no other with it; what the
registry says (``data``) is a webhook's payload and is read by `fanin.aggregator.wire`; nothing is decided.

The schemas are "Azure Event Grid event schema", an array, and CloudEvents 1.0 in structured, batched and
binary mode ("HTTP protocol binding"); ``data`` is that of "Azure Container Registry as an Event Grid source".
"""

import base64
import binascii
import codecs
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from fanin.aggregator.errors import MalformedError, quoted
from fanin.aggregator.wire import DEPTH_MAX, TEXT_LENGTH_MAX, Event, decode, refuse_depth

# An Event Grid batch has at most 5,000 events. ["Output batching"]
EVENTS_MAX = 5_000
# Of the registry; the first publication of the schema had them without a prefix.
PREFIX = "microsoft.containerregistry."
TYPES = ("ImagePushed", "ImageDeleted", "ChartPushed", "ChartDeleted")
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
UNSUBSCRIBED = "Microsoft.EventGrid.SubscriptionDeletedEvent"
SPECVERSION = "1.0"
# A validation code is a UUID; responses repeat it.
CODE_LENGTH_MAX = 256

_TYPES_FOLDED = frozenset(name.casefold() for name in TYPES)


class RegistryEvent(NamedTuple):
    """An event of the registry: what a webhook would have said, and where it happened."""

    event: Event
    location: str  # as Azure writes it; empty: not said
    connected_registry: str = ""  # an on-premises registry that reports through its cloud registry


class SubscriptionValidation(NamedTuple):
    """The handshake of the Event Grid schema: the code is to be sent back."""

    code: str


class SubscriptionDeleted(NamedTuple):
    """The subscription is gone; nothing will come any more."""


type GridEvent = RegistryEvent | SubscriptionValidation | SubscriptionDeleted


class _Envelope(msgspec.Struct, frozen=True):
    """One event, in either schema."""

    event_type: str | None = msgspec.field(name="eventType", default=None)
    type: str | None = None
    specversion: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


class _ConnectedRegistry(msgspec.Struct, frozen=True):
    name: str | None = None


class _Data(msgspec.Struct, frozen=True):
    """What ``data`` has besides a webhook's payload."""

    location: str | None = None
    connected_registry: _ConnectedRegistry | None = msgspec.field(name="connectedRegistry", default=None)


class _Handshake(msgspec.Struct, frozen=True):
    code: str = msgspec.field(name="validationCode")


_envelope = msgspec.json.Decoder(_Envelope)
_batch = msgspec.json.Decoder(list[msgspec.Raw])
_data = msgspec.json.Decoder(_Data)
_handshake = msgspec.json.Decoder(_Handshake)


def decode_events(body: bytes, headers: Mapping[str, str]) -> list[GridEvent | MalformedError]:
    """Decode a request's events, in their order; in place of one that cannot be read, the error.

    Args:
        body: Of at most `fanin.aggregator.wire.BODY_BYTES_MAX`.
        headers: By name in any letter case.

    Raises:
        MalformedError: the body as a whole is not what Event Grid sends.
    """
    if "ce-type" in headers or "ce-specversion" in headers:
        envelope = _Envelope(
            type=headers.get("ce-type", ""),
            specversion=headers.get("ce-specversion", ""),
            data=msgspec.Raw(body),
        )
        return [_read(envelope)]
    return [_read_one(raw) for raw in _split(body.removeprefix(codecs.BOM_UTF8))]


def _split(body: bytes) -> list[msgspec.Raw]:
    """The events of a body: those of an array, or the one that it is."""
    if not body.strip():
        raise MalformedError("the body is empty; expected events of Event Grid")
    try:
        if not body.isascii():
            body.decode()
        if body.count(b"{") + body.count(b"[") > DEPTH_MAX:
            refuse_depth(body)
        if not body.lstrip().startswith(b"["):
            return [msgspec.Raw(body)]
        events = _batch.decode(body)
    except UnicodeDecodeError as exc:
        raise MalformedError(f"the body is not UTF-8 at byte {exc.start}") from exc
    except msgspec.DecodeError as exc:
        raise MalformedError(f"the body is not JSON: {exc}") from exc
    if not events:
        raise MalformedError("the body has no event; expected at least one")
    if len(events) > EVENTS_MAX:
        raise MalformedError(f"the body has {len(events)} events; at most {EVENTS_MAX} are accepted")
    return events


def _read_one(raw: msgspec.Raw) -> GridEvent | MalformedError:
    try:
        return _read(_envelope.decode(raw))
    except msgspec.ValidationError as exc:
        return MalformedError(f"not an event of Event Grid: {exc}")
    except msgspec.DecodeError as exc:
        return MalformedError(f"the body is not JSON: {exc}")


def _read(envelope: _Envelope) -> GridEvent | MalformedError:
    try:
        return _event(envelope)
    except MalformedError as exc:
        return exc
    except msgspec.MsgspecError as exc:
        return MalformedError(f"data: {exc}")


def _event(envelope: _Envelope) -> GridEvent:
    """Tell what kind of event it is.

    Raises:
        MalformedError: none that is expected here.
        msgspec.MsgspecError: its data are not of that kind.
    """
    if envelope.specversion is not None and envelope.specversion != SPECVERSION:
        raise MalformedError(f"specversion {quoted(envelope.specversion)} is not {SPECVERSION}")
    kind = envelope.type if envelope.specversion is not None else envelope.event_type or envelope.type
    if not kind:
        raise MalformedError(
            "not an event of Event Grid: it has no eventType; the registry's own webhooks go to "
            "/api/ImagePush?region=NAME"
        )
    folded = kind.casefold()
    if folded == VALIDATION.casefold():
        code = _handshake.decode(envelope.data).code
        if not code or len(code) > CODE_LENGTH_MAX:
            raise MalformedError(f"validationCode is not of 1 to {CODE_LENGTH_MAX} characters")
        return SubscriptionValidation(code)
    if folded == UNSUBSCRIBED.casefold():
        return SubscriptionDeleted()
    if folded.removeprefix(PREFIX) not in _TYPES_FOLDED:
        names = ", ".join(TYPES)
        raise MalformedError(
            f"event type {quoted(kind)} is none of Microsoft.ContainerRegistry's {names}; subscribe to these"
        )
    data = _data_of(envelope)
    event = decode(data, what="data")
    beside = _data.decode(data)
    location = beside.location or ""
    if len(location) > TEXT_LENGTH_MAX:
        raise MalformedError(f"data.location has {len(location)} characters; at most {TEXT_LENGTH_MAX} are")
    connected = beside.connected_registry.name if beside.connected_registry else None
    return RegistryEvent(event, location, connected or "")


def _data_of(envelope: _Envelope) -> bytes:
    if envelope.data_base64 is None:
        return bytes(envelope.data)
    try:
        return base64.b64decode(envelope.data_base64, validate=True)
    except binascii.Error as exc:
        raise MalformedError(f"data_base64 is not base64: {exc}") from exc
