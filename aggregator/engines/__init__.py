"""The engines by name. A new one costs a module and a line here; only the chosen one is imported."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from aggregator.engine import Capabilities, EngineFactory


class Registered(NamedTuple):
    """Where an engine is found, and what it needs besides this package."""

    module: str
    factory: str  # called with settings, clock, metrics and whoever wants to hear of outcomes
    backend: str | None = (
        None  # in the module: starts on this machine what the engine works with; see `backend`
    )
    needs: tuple[str, ...] = ()  # modules that must be there
    extra: str | None = None  # the extra of this package that brings them


ENGINES: Mapping[str, Registered] = {
    "sqlite": Registered("aggregator.engines.sqlite", "SqliteEngine"),
}


def load(name: str) -> "EngineFactory":
    """The factory of a registered engine.

    Raises:
        KeyError: no such engine; `aggregator.settings` has refused the name before.
    """
    entry = ENGINES[name]
    return cast("EngineFactory", getattr(import_module(entry.module), entry.factory))


def capabilities(name: str) -> "Capabilities":
    """What a registered engine can do, without building it."""
    entry = ENGINES[name]
    return cast("Capabilities", getattr(import_module(entry.module), entry.factory).capabilities)


def backend(name: str, folder: Path) -> AbstractAsyncContextManager[Mapping[str, str]]:
    """Start what an engine works with on this machine, for as long as the context lasts.

    For tests, trials and benchmarks. An engine that needs nothing gets nothing.

    Args:
        name: A registered engine.
        folder: Where the backend may keep files.

    Returns:
        A context with the settings, by name as in an environment, that lead an engine to the backend.
    """
    entry = ENGINES[name]
    if entry.backend is None:
        return nullcontext({})
    started = getattr(import_module(entry.module), entry.backend)(folder)
    return cast("AbstractAsyncContextManager[Mapping[str, str]]", started)
