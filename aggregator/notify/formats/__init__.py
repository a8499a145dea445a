"""The formats of notifications: what a format is, and the formats by name.

A new format costs a module and an entry in `FORMATS`; only the modules of formats in use are imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple

from fanin.aggregator.fanin import Notification


class Message(NamedTuple):
    """A notification as it is sent: the body, and the headers that the format adds."""

    headers: Mapping[str, str]
    body: bytes


type Render = Callable[[Notification], Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way to write a notification, and what the receiver's responses mean. Any 2xx accepts.

    Attributes:
        render: Called with a `Notification`, and with ``source`` if the format has one.
        gone: Statuses that are permanent, as the receiver's documentation says.
        rate_limited: A 429 is about the target as a whole, not about the one notification.
        has_source: The format names the source of an event.
        needs_bearer: The receiver requires a bearer token.
    """

    render: Callable[..., Message]
    gone: frozenset[int] = frozenset()
    rate_limited: bool = False
    has_source: bool = False
    needs_bearer: bool = False


# By name: a module of this package, and the name of its `Format`.
FORMATS: Mapping[str, tuple[str, str]] = {
    "json": ("json", "FORMAT"),
    "cloudevents": ("cloudevents", "STRUCTURED"),
    "cloudevents-binary": ("cloudevents", "BINARY"),
    "slack": ("slack", "FORMAT"),
    "teams": ("teams", "FORMAT"),
    "discord": ("discord", "FORMAT"),
    "github": ("github", "FORMAT"),
    "brigade": ("cloudevents", "BRIGADE"),
}


def load(name: str) -> Format:
    """Load a registered format.

    Raises:
        KeyError: no such format; `fanin.aggregator.notify.target_file` validates names.
    """
    module, attribute = FORMATS[name]
    loaded: Format = getattr(import_module(f"{__name__}.{module}"), attribute)
    return loaded
