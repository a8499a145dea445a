"""The formats by name. A new one costs a module and a line here; only those in use are imported."""

from collections.abc import Mapping
from importlib import import_module

from aggregator.notify.message import Format

# Module and the name of its `Format`.
FORMATS: Mapping[str, tuple[str, str]] = {
    "json": ("aggregator.notify.plain", "FORMAT"),
    "cloudevents": ("aggregator.notify.cloudevents", "STRUCTURED"),
    "cloudevents-binary": ("aggregator.notify.cloudevents", "BINARY"),
    "slack": ("aggregator.notify.slack", "FORMAT"),
    "teams": ("aggregator.notify.teams", "FORMAT"),
    "discord": ("aggregator.notify.discord", "FORMAT"),
    "github": ("aggregator.notify.github", "FORMAT"),
    "brigade": ("aggregator.notify.brigade", "FORMAT"),
}


def load(name: str) -> Format:
    """A registered format.

    Raises:
        KeyError: no such format; `aggregator.notify.configuration` has refused the name before.
    """
    module, attribute = FORMATS[name]
    loaded: Format = getattr(import_module(module), attribute)
    return loaded
