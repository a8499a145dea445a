"""The engines by name. A new one costs a module and a line here; only the chosen one is imported."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from aggregator.engine import EngineFactory

# Module and factory: called with settings, clock, metrics and how to tell the subscriber.
ENGINES: Mapping[str, tuple[str, str]] = {
    "sqlite": ("aggregator.engines.sqlite", "SqliteEngine"),
}


def load(name: str) -> "EngineFactory":
    """The factory of a registered engine.

    Raises:
        KeyError: no such engine; `aggregator.settings` has refused the name before.
    """
    module, factory = ENGINES[name]
    return cast("EngineFactory", getattr(import_module(module), factory))
