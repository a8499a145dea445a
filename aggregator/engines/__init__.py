"""The engines by name. A new one costs a module and a line here; only the chosen one is imported."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from fanin.aggregator.errors import SettingsError

if TYPE_CHECKING:
    from fanin.aggregator.engine import Capabilities, EngineFactory


class Registered(NamedTuple):
    """Where an engine is found, and what it needs besides this package."""

    module: str
    factory: str  # called with settings, clock, metrics and whoever wants to hear of outcomes
    backend: str | None = (
        None  # in the module: starts on this machine what the engine works with; see `backend`
    )
    needs: tuple[str, ...] = ()  # modules that must be there
    extra: str | None = None  # the extra of this package that brings them
    program: str | None = None  # that its backend runs; `make` has a target that installs it


ENGINES: Mapping[str, Registered] = {
    "sqlite": Registered("fanin.aggregator.engines.sqlite.engine", "SqliteEngine"),
    "durable-task": Registered(
        "fanin.aggregator.engines.durable_task.engine",
        "DurableTaskEngine",
        backend="fanin.aggregator.engines.durable_task.dev_backend:start_backend",
        needs=("durabletask", "grpc"),
        extra="durable-task",
    ),
    "restate": Registered(
        "fanin.aggregator.engines.restate.engine",
        "RestateEngine",
        backend="fanin.aggregator.engines.restate.dev_backend:start_backend",
        needs=("restate",),
        extra="restate",
        program="restate-server",
    ),
}


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
    where = ENGINES[name].backend
    if where is None:
        return None
    module, _, function = where.partition(":")
    return cast("Backend", getattr(import_module(module), function)(folder))
