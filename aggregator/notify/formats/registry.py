"""The formats by name. A new one costs a module and a line here; only those in use are imported."""

from collections.abc import Mapping
from importlib import import_module

from fanin.aggregator.notify.formats.format import Format

# Module and the name of its `Format`.
FORMATS: Mapping[str, tuple[str, str]] = {
    "json": ("fanin.aggregator.notify.formats.json", "FORMAT"),
    "cloudevents": ("fanin.aggregator.notify.formats.cloudevents", "STRUCTURED"),
    "cloudevents-binary": ("fanin.aggregator.notify.formats.cloudevents", "BINARY"),
    "slack": ("fanin.aggregator.notify.formats.slack", "FORMAT"),
    "teams": ("fanin.aggregator.notify.formats.teams", "FORMAT"),
    "discord": ("fanin.aggregator.notify.formats.discord", "FORMAT"),
    "github": ("fanin.aggregator.notify.formats.github", "FORMAT"),
    "brigade": ("fanin.aggregator.notify.formats.brigade", "FORMAT"),
}


def load(name: str) -> Format:
    """A registered format.

    Raises:
        KeyError: no such format; `fanin.aggregator.notify.target_file` has refused the name before.
    """
    module, attribute = FORMATS[name]
    loaded: Format = getattr(import_module(module), attribute)
    return loaded
