"""Loads engines by name; only the chosen one is imported."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
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
    try:
        module = import_module(entry.module)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in entry.needs:
            raise
        raise SettingsError(
            "FANIN_ENGINE",
            f"{name} needs the Python package that has {exc.name!r}, which is not installed; "
            f"pip install -c constraints.txt -e '.[{entry.extra}]' brings it",
        ) from exc
    return cast("EngineFactory", getattr(module, entry.factory))


def capabilities(name: str) -> "Capabilities":
    """What a registered engine can do, without building it."""
    entry = ENGINES[name]
    return cast("Capabilities", getattr(import_module(entry.module), entry.factory).capabilities)


class Backend(Protocol):
    """Something that an engine works with, running on this machine."""

    @property
    def options(self) -> Mapping[str, str]:
        """The settings that lead an engine to it, by name as in an environment."""

    def stop(self) -> None:
        """End it. What it keeps only in memory is gone."""


def start_backend(name: str, folder: Path) -> Backend | None:
    """Start what an engine works with on this machine, or find it running; None where it needs nothing.

    For tests, trials and benchmarks. It outlives this process, until it is stopped or its folder is removed.

    Args:
        name: A registered engine.
        folder: Where the backend may keep files, and is found again.
    """
    where = ENGINES[name].dev_backend
    if where is None:
        return None
    module, _, function = where.partition(":")
    return cast("Backend", getattr(import_module(module), function)(folder))
