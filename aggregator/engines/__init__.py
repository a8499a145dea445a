"""Loads engines by name; only the chosen one is imported."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

from fanin.aggregator.engine_registry import ENGINES
from fanin.aggregator.errors import SettingsError

if TYPE_CHECKING:
    from fanin.aggregator.engine import Capabilities, EngineFactory


def load(name: str) -> "EngineFactory":
    """The factory of a registered engine.

    Raises:
        KeyError: no such engine; `fanin.aggregator.settings` has refused the name before.
        SettingsError: what the engine needs is not installed.
    """
    entry = ENGINES[name]
    return cast("EngineFactory", getattr(_module(name, entry.module), entry.factory))


def capabilities(name: str) -> "Capabilities":
    """What a registered engine can do, without building it.

    Raises:
        KeyError, SettingsError: as `load`.
    """
    return cast("Capabilities", load(name).capabilities)  # type: ignore[attr-defined] # a class is the factory


class Backend(Protocol):
    """A backend of an engine, running on this machine."""

    @property
    def options(self) -> Mapping[str, str]:
        """The settings that lead an engine to it, by name as in an environment."""

    def stop(self) -> None:
        """End it. What it keeps only in memory is gone."""


def start_backend(name: str, folder: Path) -> Backend | None:
    """Start an engine's backend on this machine, or find it running; None for an engine that needs none.

    For tests, trials and benchmarks. It outlives this process, until it is stopped or its folder is removed.

    Args:
        name: A registered engine.
        folder: Where the backend may keep files, and is found again.

    Raises:
        SettingsError: what the backend needs is not installed.
        StoreUnusableError: it does not start.
    """
    where = ENGINES[name].dev_backend
    if where is None:
        return None
    module, _, function = where.partition(":")
    return cast("Backend", getattr(_module(name, module), function)(folder))


def _module(name: str, module: str) -> ModuleType:
    """Import a module of an engine."""
    entry = ENGINES[name]
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in entry.needs:
            raise
        raise SettingsError(
            "FANIN_ENGINE",
            f"{name} needs the Python package that has {exc.name!r}, which is not installed; in a checkout, "
            f"pip install -c constraints.txt -e '.[{entry.extra}]' installs it",
        ) from exc
