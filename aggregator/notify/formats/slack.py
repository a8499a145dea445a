"""Slack's incoming webhooks: a message of blocks.

Limits are those of the Block Kit reference: 150 characters in a header, ten fields in a section, 2,000
characters in a field. Errors are those of "Improving error conditions for Incoming Webhooks": 410 means that
the channel is archived and takes no further messages. More than about one message a second is answered 429
with ``Retry-After``, for the webhook as a whole.
"""

from typing import Any

import msgspec

from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.formats.text import cut, facts, headline, joined

HEADER_LENGTH_MAX = 150
FIELD_LENGTH_MAX = 2_000
VALUE_LENGTH_MAX = 300  # so that one long name does not push everything else off the screen
TEXT_LENGTH_MAX = 3_000

_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
_encoder = msgspec.json.Encoder()
_HEADERS = {"content-type": "application/json; charset=utf-8"}
_SIGNS = {Phase.COMPLETED: "✅", Phase.TIMED_OUT: "⚠️", Phase.COMPLETED_LATE: "✅"}


def escaped(text: str) -> str:
    """Slack's three control characters as entities: no mention and no link can be made of a name."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(name: str) -> str:
    """A name as it is, without emphasis. A code span cannot hold a backtick, so it gets a look-alike."""
    return f"`{escaped(cut(name, VALUE_LENGTH_MAX)).replace('`', '\N{MODIFIER LETTER GRAVE ACCENT}')}`"


def render(notification: Notification) -> Message:
    """The message: a header, the facts, and a text for where blocks are not shown."""
    title = headline(notification)
    fields = []
    for label, values in facts(notification):
        value = joined(values, FIELD_LENGTH_MAX - len(label) - 3, mark=code)
        fields.append({"type": "mrkdwn", "text": f"*{label}*\n{value}", "verbatim": True})
    sign = "🔔" if notification.test else _SIGNS[notification.outcome]
    body: dict[str, Any] = {
        "text": f"{sign} {escaped(cut(title, TEXT_LENGTH_MAX // 6))}",
        "mrkdwn": False,  # of the text: names are no emphasis
        "blocks": [
            {
                "type": "header",
                "text": {
                    "type": "plain_text",
                    "text": cut(f"{sign} {title}", HEADER_LENGTH_MAX),
                    "emoji": False,  # ":name:" in a repository is no picture
                },
            },
            {"type": "section", "fields": fields},
        ],
    }
    return Message(_HEADERS, _encoder.encode(body))


def receives(address: Address) -> bool:
    """Whether it is an incoming webhook; a trigger of a workflow has variables of its own."""
    return address.host in _HOSTS and address.path.startswith("/services/")


FORMAT = Format(
    render=render,
    gone=frozenset({410}),
    rate_limited=True,
    receives=receives,
)
