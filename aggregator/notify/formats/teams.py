"""Microsoft Teams by way of Workflows ("When a Teams webhook request is received"): an Adaptive Card.

The flow answers 202 and posts the card. A message may have about 28 KB. Names stand in text runs, because a
`TextRun`, other than a `TextBlock` or a `Fact`, is not read as Markdown (Adaptive Cards 1.2).
"""

from typing import Any

import msgspec

from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.formats.text import cut, facts, headline, joined

# So that the whole stays under 28 KB, even if every character takes four bytes.
LIST_LENGTH_MAX = 1_200
VALUE_LENGTH_MAX = 300

_encoder = msgspec.json.Encoder()
_HEADERS = {"content-type": "application/json; charset=utf-8"}
_COLOURS = {Phase.COMPLETED: "good", Phase.TIMED_OUT: "attention", Phase.COMPLETED_LATE: "good"}


def render(notification: Notification) -> Message:
    """A message with one card: the headline, then one line per fact."""
    title = {
        "type": "TextRun",
        "text": cut(headline(notification), 2 * VALUE_LENGTH_MAX),
        "weight": "bolder",
        "size": "medium",
        "color": _COLOURS[notification.outcome],
    }
    lines: list[dict[str, Any]] = [{"type": "RichTextBlock", "inlines": [title]}]
    for label, values in facts(notification):
        value = joined((cut(each, VALUE_LENGTH_MAX) for each in values), LIST_LENGTH_MAX)
        runs = [
            {"type": "TextRun", "text": f"{label}: ", "weight": "bolder"},
            {"type": "TextRun", "text": value, "fontType": "monospace"},
        ]
        lines.append({"type": "RichTextBlock", "spacing": "small", "inlines": runs})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": cut(headline(notification), 2 * VALUE_LENGTH_MAX),
        "msteams": {"width": "Full"},
        "body": lines,
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return Message(_HEADERS, _encoder.encode({"type": "message", "attachments": [attachment]}))


def receives(address: Address) -> bool:
    """Whether it is a flow, which may do something else with what it gets; most do this."""
    return address.host.endswith((".logic.azure.com", ".environment.api.powerplatform.com"))


def retired(address: Address) -> bool:
    """Whether it is a connector of Office 365: Microsoft replaced them by Workflows."""
    return address.host.endswith(".webhook.office.com") or (
        address.host in ("outlook.office.com", "outlook.office365.com")
        and address.path.startswith("/webhook/")
    )


FORMAT = Format(
    render=render,
    rate_limited=True,
    receives=receives,
    retired=retired,
)
