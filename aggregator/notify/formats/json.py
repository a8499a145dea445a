"""The notification as plain JSON, the format that the contract states."""

import msgspec

from fanin.aggregator.fanin import Notify
from fanin.aggregator.notify.formats.format import Format, Message
from fanin.aggregator.wire import rfc3339


class Body(msgspec.Struct, frozen=True):
    """JSON: every field is always there; null means that the webhook did not say."""

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


def body_of(notify: Notify) -> Body:
    """What is said, as an object."""
    subject = notify.subject
    return Body(
        id=notify.operation_id,
        outcome=notify.outcome.value,
        arrived=notify.arrived,
        missing=notify.missing,
        action=subject.action,
        repository=subject.repository,
        tag=subject.tag,
        digest=subject.digest,
        deadline=rfc3339(notify.deadline_ms),
    )


def render(notify: Notify) -> Message:
    """What is said, as bytes."""
    return Message(_HEADERS, _encoder.encode(body_of(notify)))


FORMAT = Format(render=render)
