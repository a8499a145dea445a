"""The engines by name: where each is found, and what it needs. Data only, so that settings can check names.

A new engine costs a module and an entry here. `fanin.aggregator.engines.load` imports the one that is used.
"""

from collections.abc import Mapping
from typing import NamedTuple


class EngineEntry(NamedTuple):
    """Where an engine is found, and what it needs besides this package."""

    module: str
    factory: str  # in the module; a `fanin.aggregator.engine.EngineFactory`
    dev_backend: str | None = None  # ``module:function`` that starts what the engine works with, for a trial
    needs: tuple[str, ...] = ()  # modules that must be importable
    extra: str | None = None  # the extra of this package that installs them
    program: str | None = None  # that the backend runs; `make` has a target that installs it


ENGINES: Mapping[str, EngineEntry] = {
    "sqlite": EngineEntry("fanin.aggregator.engines.sqlite.engine", "SqliteEngine"),
    "durable-task": EngineEntry(
        "fanin.aggregator.engines.durable_task.engine",
        "DurableTaskEngine",
        dev_backend="fanin.aggregator.engines.durable_task.dev_backend:start_backend",
        needs=("durabletask", "grpc"),
        extra="durable-task",
    ),
    "restate": EngineEntry(
        "fanin.aggregator.engines.restate.engine",
        "RestateEngine",
        dev_backend="fanin.aggregator.engines.restate.dev_backend:start_backend",
        needs=("restate",),
        extra="restate",
        program="restate-server",
    ),
}
