"""An ASGI application that is not ours: configured through the environment.

Before each start the settings are put into the environment, then the application is imported or its factory
called, as in a process of its own. Nothing about the application has to be changed.
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.named_app import NamedApp, build
from fanin.harness.world.target import AppFactory, ModuleFactory


def configured_by_environment(factory: Callable[[], AsgiApp], dialect: Dialect = CONTRACT) -> AppFactory:
    """Turn a factory that reads its settings from the environment into one that takes them as an argument."""

    def make(settings: Mapping[str, str], _epoch_ms: int) -> AsgiApp:
        os.environ.update(dialect.environment(settings))
        return build(factory, "the factory")

    return ModuleFactory(factory.module, make) if isinstance(factory, NamedApp) else make


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed ``random``; afterwards its state is as it was."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
