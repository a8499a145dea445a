"""The formats of notifications: what a format is, and the formats by name.

A new format costs a module and an entry in `FORMATS`; only the modules of formats in use are imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

import msgspec

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.address import Address


class Message(msgspec.Struct, frozen=True):
    """A notification as it is sent: the body, and the headers that the format adds."""

    headers: Mapping[str, str]
    body: bytes


type Render = Callable[[Notification], Message]


def _never(_: object) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way to write a notification, and what the receiver's responses mean. Any 2xx accepts.

    Attributes:
        render: Called with a `Notification`, and with ``source`` if the format has one.
        gone: Statuses that are permanent, as the receiver's documentation says.
        rate_limited: A 429 is about the target as a whole, not about the one notification.
        has_source: The format names the source of an event.
        needs_bearer: The receiver requires a bearer token.
        receives: Whether an address is the receiver's, which takes nothing but this format.
        retired: Whether an address was the receiver's, which has switched it off.
        compile: Makes ``render`` of a template and a content type, where the settings say what is written; so
            it may be right for any receiver. It raises `ValueError`.
    """

    render: Callable[..., Message]
    gone: frozenset[int] = frozenset()
    rate_limited: bool = False
    has_source: bool = False
    needs_bearer: bool = False
    receives: Callable[[Address], bool] = _never
    retired: Callable[[Address], bool] = _never
    compile: Callable[[str, str], Render] | None = None


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
    "template": ("template", "FORMAT"),
}


def load(name: str) -> Format:
    """Load a registered format.

    Raises:
        KeyError: no such format; `fanin.aggregator.notify.target_file` validates names.
    """
    module, attribute = FORMATS[name]
    loaded: Format = getattr(import_module(f"{__name__}.{module}"), attribute)
    return loaded
