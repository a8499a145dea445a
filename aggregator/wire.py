"""The wire format: webhooks' JSON to arrivals, correlation keys, timestamps.

Rules of this file: a body that a registry may send is accepted whatever it adds or leaves out (every leaf but
``id`` and ``action`` is optional, unknown ones are skipped); any other body is refused with the reason; text
that goes into keys and logs is limited in length and has no control characters.

The fields are those of the ACR webhook reference, tables "push event" to "chart delete event".
"""

import codecs
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from fanin.aggregator.errors import BodyTooLargeError, MalformedError, quoted
from fanin.aggregator.fanin import OperationId, Region, Subject
from fanin.aggregator.other_registries import is_of_event_grid, sender_of

# The actions that fan in by default. [webhook reference]
ACTIONS = ("push", "delete", "chart_push", "chart_delete", "quarantine")
PING = "ping"

# A registry's payload has about 900 bytes. Event Grid and SNS stop at 1 MiB and 256 KiB.
BODY_BYTES_MAX = 1 << 20
# A payload is two levels deep; future fields will hardly be twenty.
DEPTH_MAX = 64
# An id is a UUID of 36 characters; a repository has at most 256, a tag 128, a host 253.
ID_LENGTH_MAX = 256
TEXT_LENGTH_MAX = 512


class EventTarget(msgspec.Struct, frozen=True):
    """``target`` of the payload. Only charts have ``name`` and ``version``.

    What only adds to a notification has no shape here: a webhook is not refused for it.
    """

    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    name: str | None = None
    version: str | None = None
    media_type: Any = msgspec.field(default=None, name="mediaType")


class EventRequest(msgspec.Struct, frozen=True):
    """``request`` of the payload; ``host`` is the login server that the push used."""

    host: str | None = None
    id: Any = None


class Event(msgspec.Struct, frozen=True):
    """The fields of a payload that are read here."""

    action: str
    id: str = ""
    target: EventTarget | None = None
    request: EventRequest | None = None


class Arrival(NamedTuple):
    """One webhook as an engine stores it. The engine adds the time of its commit."""

    operation_id: OperationId
    region: Region
    subject: Subject
    event_id: str = ""  # the payload's id, where the operation's is another: `fanin.aggregator.generations`


_decoder = msgspec.json.Decoder(Event)


def decode(body: bytes, *, what: str = "the body") -> Event:
    """Decode a webhook's body; ``what`` it is called in errors.

    Raises:
        BodyTooLargeError: more than `BODY_BYTES_MAX`.
        MalformedError: not UTF-8, not JSON, not an object of a webhook's shape, or nested too deeply.
    """
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLargeError(f"{what} has more than {BODY_BYTES_MAX} bytes")
    if not body:
        raise MalformedError(f"{what} is empty; expected a registry webhook's JSON object")
    body = body.removeprefix(codecs.BOM_UTF8)  # which relays on Windows add
    try:
        if not body.isascii():
            body.decode()  # the decoder skips over strings that it does not need, broken or not
        # Looking for a byte takes a tenth of the time that counting it takes, and a webhook has no array.
        if body.count(b"{") + (body.count(b"[") if b"[" in body else 0) > DEPTH_MAX:
            refuse_depth(body)
        event = _decoder.decode(body)
    except UnicodeDecodeError as exc:
        raise MalformedError(f"{what} is not UTF-8 at byte {exc.start}") from exc
    except msgspec.ValidationError as exc:
        sender = sender_of(body)
        hint = f"; this looks like one of {sender}, not of Azure Container Registry" if sender else ""
        if is_of_event_grid(body):
            hint = "; this looks like events of Azure Event Grid, which go to /api/EventGrid"
        raise MalformedError(f"{what} is not a registry webhook: {exc}{hint}") from exc
    except msgspec.DecodeError as exc:
        raise MalformedError(f"{what} is not JSON: {exc}") from exc
    _refuse_invalid(event)
    return event


def refuse_depth(body: bytes) -> None:
    """Check exactly, for the few bodies with more brackets than levels are allowed, how deep they are.

    Raises:
        MalformedError: more than `DEPTH_MAX` levels.
    """
    brackets = _STRING.sub(b"", body).translate(None, delete=_ALL_BUT_BRACKETS)
    depth = max(accumulate(map(_DEPTH_OF.__getitem__, brackets)), default=0)
    if depth > DEPTH_MAX:
        raise MalformedError(f"the body is nested more than {DEPTH_MAX} levels deep")


# Possessive, and a missing end is accepted, so that no body causes backtracking.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_DEPTH_OF = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in _DEPTH_OF)


def _refuse_invalid(event: Event) -> None:
    target, host = event.target, event.request.host if event.request else None
    if target is not None and event.id:
        texts = (
            event.id,
            event.action,
            target.repository,
            target.tag,
            target.digest,
            target.name,
            target.version,
        )
        whole = "/".join(filter(None, (*texts, host)))
        if len(whole) <= ID_LENGTH_MAX and " " not in whole and event.action and whole.isprintable():
            return  # as nearly all are; below is what is wrong with the others
    _refuse_text("action", event.action, TEXT_LENGTH_MAX)
    if event.action == PING:
        return
    _refuse_text("id", event.id, ID_LENGTH_MAX)
    if target is None:
        raise MalformedError(
            f"a {event.action!r} without a target; expected an object, which may leave out any of its fields"
        )
    for name, text in (
        ("target.repository", target.repository),
        ("target.tag", target.tag),
        ("target.digest", target.digest),
        ("target.name", target.name),
        ("target.version", target.version),
        ("request.host", host),
    ):
        if text:
            _refuse_text(name, text, TEXT_LENGTH_MAX)


def _refuse_text(name: str, text: str, length_max: int) -> None:
    if not text.strip():
        raise MalformedError(f"{name} is missing or empty")
    if len(text) > length_max:
        raise MalformedError(f"{name} has {len(text)} characters; at most {length_max} are accepted")
    if not text.isprintable():
        raise MalformedError(f"{name} {quoted(text)} has control characters")


def subject_of(event: Event) -> Subject:
    """The subject of an event. An empty string means the same as an absent field."""
    target, request = event.target or EventTarget(), event.request or EventRequest()
    return Subject(
        action=event.action,
        host=request.host or None,
        repository=target.repository or None,
        tag=target.tag or None,
        digest=target.digest or None,
        name=target.name or None,
        version=target.version or None,
        media_type=_shown(target.media_type),
        request_id=_shown(request.id),
    )


def _shown(value: Any) -> str | None:
    """A text that only adds to a notification, if it is one that may stand there."""
    fits = isinstance(value, str) and 0 < len(value) <= TEXT_LENGTH_MAX and value.isprintable()
    return value if fits else None


# --- correlation: which arrivals belong to one operation ---


def event_id_key(event_id: str, subject: Subject) -> OperationId:  # noqa: ARG001 - one signature for all keys
    """The payload's ``id``, as in the original. That regions share it is the original's claim, not ACR's."""
    return event_id


def image_key(event_id: str, subject: Subject) -> OperationId:  # noqa: ARG001 - one signature for all keys
    """Host, action, repository, tag and digest, for registries whose regions number their events themselves.

    Such as ``push:demo.azurecr.io/team/app:1.0@sha256:…``; ambiguous characters are percent-encoded.
    """
    key = f"{quote(subject.action)}:{quote(subject.host or '', safe=':')}/{quote(subject.repository or '')}"
    if subject.tag:
        key += ":" + quote(subject.tag, safe="")
    if subject.digest:
        key += "@" + quote(subject.digest, safe=":")
    return key


CORRELATIONS: Mapping[str, Callable[[str, Subject], OperationId]] = {
    "event-id": event_id_key,
    "image": image_key,
}


def normalise_region(name: str) -> Region:
    """Trim and case-fold a region's name, so that spellings of one region are equal."""
    return name.strip().casefold()


def same_location(one: Region, other: Region) -> bool:
    """Whether two normalised names differ in blanks alone: Azure displays ``westeurope`` as West Europe."""
    return "".join(one.split()) == "".join(other.split())


@lru_cache(maxsize=64)  # operations of one batch share their instants
def rfc3339(at_ms: int) -> str:
    """Format milliseconds since the Unix epoch as RFC 3339, in UTC: ``2026-03-01T00:02:00.000Z``."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{ms:03}Z"
