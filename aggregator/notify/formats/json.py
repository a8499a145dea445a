"""The notification as plain JSON, the format of the contract."""

import msgspec

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.wire import rfc3339


class Body(msgspec.Struct, frozen=True):
    """JSON: every field is always there; null means that the webhook lacked it."""

    id: str
    outcome: str
    arrived: tuple[str, ...]
    missing: tuple[str, ...]
    action: str
    repository: str | None
    tag: str | None
    digest: str | None
    deadline: str  # RFC 3339, UTC


_encoder = msgspec.json.Encoder()
_HEADERS = {"content-type": "application/json"}


def body_of(notification: Notification) -> Body:
    """The notification as an object."""
    subject = notification.subject
    return Body(
        id=notification.operation_id,
        outcome=notification.outcome.value,
        arrived=notification.arrived,
        missing=notification.missing,
        action=subject.action,
        repository=subject.repository,
        tag=subject.tag,
        digest=subject.digest,
        deadline=rfc3339(notification.deadline_ms),
    )


def render(notification: Notification) -> Message:
    """The notification as a message."""
    return Message(_HEADERS, _encoder.encode(body_of(notification)))


FORMAT = Format(render=render)
