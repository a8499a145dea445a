"""CloudEvents 1.0 over HTTP, in both modes: everything in one JSON document, or attributes as headers.

Specification 1.0.2, with the HTTP protocol binding and the JSON event format. ``id`` is the notification's
key, so a repeated notification is the same event. ``time`` is the time of the decision.

Brigade 2 takes structured events at its CloudEvents gateway, ``POST /events``. The gateway requires a bearer
token (403 without a known one) and makes an event whose source is ``brigade.sh/cloudevents`` and whose type
is ``cloudevent``; our source and type become its qualifiers, our data its payload. It responds 200.
"""

from urllib.parse import quote

import msgspec

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.formats import Format, Message, json
from fanin.aggregator.notify.formats.text import image, outcome_of
from fanin.aggregator.wire import rfc3339

SOURCE = "/fanin"
TYPE = "fanin.operation.{outcome}"
# Characters of a header that are not percent-encoded (binding, 3.1.3.2).
_SAFE = "".join(chr(sign) for sign in range(0x21, 0x7F) if chr(sign) not in '"%')

_encoder = msgspec.json.Encoder()
_STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


def attributes(notification: Notification, source: str) -> dict[str, str]:
    """The attributes of the event."""
    return {
        "specversion": "1.0",
        "id": notification.key,
        "source": source,
        "type": TYPE.format(outcome=outcome_of(notification)),
        "subject": image(notification),
        "time": rfc3339(notification.decided_ms),
    }


def structured(notification: Notification, *, source: str = SOURCE) -> Message:
    """Attributes and data in one JSON document."""
    event = {
        **attributes(notification, source),
        "datacontenttype": "application/json",
        "data": json.body_of(notification),
    }
    return Message(_STRUCTURED, _encoder.encode(event))


def binary(notification: Notification, *, source: str = SOURCE) -> Message:
    """Attributes as headers, the plain notification as the body."""
    headers = {
        f"ce-{name}": quote(value, safe=_SAFE) for name, value in attributes(notification, source).items()
    }
    message = json.render(notification)
    return Message({**message.headers, **headers}, message.body)


STRUCTURED = Format(render=structured, has_source=True)
BINARY = Format(render=binary, has_source=True)
BRIGADE = Format(render=structured, has_source=True, needs_bearer=True)
