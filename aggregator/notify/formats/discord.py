"""Discord's webhooks: a message with one embed.

Limits are those of the documentation, "Embed Limits": 256 characters in a title, 1,024 in a field's value,
2,048 in a footer, 6,000 in all. Under "Rate Limits" it says that 429 counts for the webhook as a whole, and
that a webhook which answered 404 should not be tried again: those who do are shut out for a while.
"""

import re
from typing import Any

import msgspec

from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.formats.text import cut, facts, headline, joined
from fanin.aggregator.wire import rfc3339

TITLE_LENGTH_MAX = 256
VALUE_LENGTH_MAX = 1_024
NAME_LENGTH_MAX = 300

_HOSTS = ("discord.com", "discordapp.com")
_WEBHOOK = re.compile(r"/api/(?:v\d+/)?webhooks/[^/]+/[^/]+")
_encoder = msgspec.json.Encoder()
_HEADERS = {"content-type": "application/json"}
_COLOURS = {
    Phase.COMPLETED: 0x2E_A0_43,
    Phase.TIMED_OUT: 0xD2_99_22,
    Phase.COMPLETED_LATE: 0x2E_A0_43,
}
_MARKDOWN = re.compile(r"([\\`*_~|<>\[\](){}#@:+\-!])")


def escaped(text: str, length_max: int) -> str:
    """Text that Discord shows as it stands, its Markdown disarmed, never cut between backslash and sign."""
    whole = _MARKDOWN.sub(r"\\\1", text)
    if len(whole) <= length_max:
        return whole
    pieces, length = [], 1  # the ellipsis
    for sign in text:
        piece = _MARKDOWN.sub(r"\\\1", sign)
        if length + len(piece) > length_max:
            break
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces) + "…"


def code(name: str) -> str:
    """A name as it is. A code span cannot hold a backtick, so it gets a look-alike."""
    return f"`{cut(name, NAME_LENGTH_MAX).replace('`', '\N{MODIFIER LETTER GRAVE ACCENT}')}`"


def render(notification: Notification) -> Message:
    """One embed: the headline, the facts, the moment of the decision."""
    fields = [
        {
            "name": label,
            "value": joined(values, VALUE_LENGTH_MAX, mark=code),
            "inline": label not in {"Missing", "Arrived"},
        }
        for label, values in facts(notification)
    ]
    embed: dict[str, Any] = {
        "title": escaped(headline(notification), TITLE_LENGTH_MAX),
        "color": _COLOURS[notification.outcome],
        "fields": fields,
        "timestamp": rfc3339(notification.decided_ms),
    }
    # A name that looks like a mention notifies no user.
    body = {"embeds": [embed], "allowed_mentions": {"parse": []}}
    return Message(_HEADERS, _encoder.encode(body))


def receives(address: Address) -> bool:
    """Whether it is a webhook; one that ends in ``/slack`` or ``/github`` takes their formats."""
    host, path = address.host.removeprefix("canary.").removeprefix("ptb."), address.path.partition("?")[0]
    return host in _HOSTS and _WEBHOOK.fullmatch(path) is not None


FORMAT = Format(
    render=render,
    gone=frozenset({404}),
    rate_limited=True,
    receives=receives,
)
