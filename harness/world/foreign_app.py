"""Somebody else's ASGI application: found by name, and given its settings as a process would be.

Before each life the settings are put into the environment and the factory is called without arguments; in
between the application is on its own. Nothing about it has to be changed.
"""

import importlib
import inspect
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.target import AppFactory


class AppLoadError(Exception):
    """What was named cannot be found, or is no application factory."""


def load_factory(reference: str, app_dir: Path | None = None) -> Callable[[], AsgiApp]:
    """Import ``module:factory``.

    Args:
        reference: As uvicorn writes it; the factory takes no arguments and returns the ASGI application.
        app_dir: Where the module lies, when that is not on Python's path.

    Raises:
        AppLoadError: no such module or attribute, or it cannot be called.
    """
    module_name, colon, attribute = reference.partition(":")
    if not colon or not attribute:
        raise AppLoadError(f"{reference!r} is not module:factory, such as myapp.main:create_app")
    if app_dir is not None and str(app_dir.resolve()) not in sys.path:
        sys.path.insert(0, str(app_dir.resolve()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as exc:
        where = f" in {app_dir}" if app_dir else "; --app-dir says where it lies"
        raise AppLoadError(f"cannot import {module_name!r}{where}: {exc}") from exc
    except (Exception, SystemExit) as exc:
        raise AppLoadError(
            f"importing {module_name!r} raised {type(exc).__name__}: {exc}; settings are in the environment"
            " when the factory is called, not before"
        ) from exc
    factory = getattr(module, attribute, None)
    if not callable(factory):
        there = "is not callable" if factory is not None else "does not exist"
        raise AppLoadError(f"{attribute!r} {there} in {module_name!r}; a factory returns the ASGI app")
    if why := argument_error(factory):
        raise AppLoadError(f"{attribute!r} in {module_name!r} {why}")
    return factory  # type: ignore[no-any-return]


def argument_error(factory: Callable[..., Any]) -> str:
    """Why a factory cannot be called, as the end of a sentence; empty when it can."""
    try:
        inspect.signature(factory).bind()
    except TypeError as exc:
        return f"is no factory: {exc}; a factory takes no arguments and returns the ASGI application"
    except ValueError:
        pass  # nothing is known about its arguments
    return ""


def configured_by_environment(factory: Callable[[], AsgiApp]) -> AppFactory:
    """Make a factory that reads its settings from the environment into one that the harness can call."""

    def make(settings: Mapping[str, str], _epoch_ms: int) -> AsgiApp:
        os.environ.update(settings)
        return factory()

    return make


@contextmanager
def isolated_process_state(seed: int) -> Iterator[None]:
    """Leave the process's environment as it was, and let the seed decide what ``random`` draws."""
    before, numbers = dict(os.environ), random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        random.setstate(numbers)
