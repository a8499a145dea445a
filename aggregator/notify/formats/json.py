"""The notification as plain JSON, the format of the contract."""

import msgspec
from msgspec import UNSET, UnsetType

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.formats.text import outcome_of
from fanin.aggregator.wire import rfc3339


class Body(msgspec.Struct, frozen=True):
    """JSON: the fields of the contract are always there; null means that the webhook lacked it.

    Those after the deadline are left out if the webhook lacked them: what is repeated after an upgrade from
    before they existed is the same body.
    """

    id: str
    outcome: str
    arrived: tuple[str, ...]
    missing: tuple[str, ...]
    action: str
    repository: str | None
    tag: str | None
    digest: str | None
    deadline: str  # RFC 3339, UTC
    registry: str | UnsetType = UNSET  # its login server: registry/repository@digest can be pulled
    name: str | UnsetType = UNSET  # of a chart
    version: str | UnsetType = UNSET  # of a chart
    mediaType: str | UnsetType = UNSET  # noqa: N815 - as the registry spells it
    requestId: str | UnsetType = UNSET  # noqa: N815 - the same
    test: bool | UnsetType = UNSET  # true in a test message, which reports no outcome


_encoder = msgspec.json.Encoder()
_HEADERS = {"content-type": "application/json"}


def body_of(notification: Notification) -> Body:
    """The notification as an object."""
    subject = notification.subject
    return Body(
        id=notification.operation_id,
        outcome=outcome_of(notification),
        arrived=notification.arrived,
        missing=notification.missing,
        action=subject.action,
        repository=subject.repository,
        tag=subject.tag,
        digest=subject.digest,
        deadline=rfc3339(notification.deadline_ms),
        registry=subject.host or UNSET,
        name=subject.name or UNSET,
        version=subject.version or UNSET,
        mediaType=subject.media_type or UNSET,
        requestId=subject.request_id or UNSET,
        test=notification.test or UNSET,
    )


def render(notification: Notification) -> Message:
    """The notification as a message."""
    return Message(_HEADERS, _encoder.encode(body_of(notification)))


FORMAT = Format(render=render)
