"""An ASGI application that is not ours: imported by name, configured through the environment.

Before each start the settings are put into the environment and the factory is called without arguments, as in
a process of its own. Nothing about the application has to be changed.
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
    """An application factory cannot be imported, or is none."""


def load_factory(reference: str, app_dir: Path | None = None) -> Callable[[], AsgiApp]:
    """Import ``module:factory``.

    Args:
        reference: As uvicorn writes it; the factory takes no arguments and returns the ASGI application.
        app_dir: The folder of the module; None: the current one. It comes first on Python's path, as with
            uvicorn, so that a package there wins over an installed one of the same name.

    Raises:
        AppLoadError: there is no such module or attribute, or it is no factory.
    """
    module_name, colon, attribute = reference.partition(":")
    if not colon or not attribute:
        raise AppLoadError(f"{reference!r} is not module:factory, such as myapp.main:create_app")
    folder = str((app_dir or Path()).resolve())
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ImportError as exc:
        where = f"{app_dir}" if app_dir else "the current folder; --app-dir names another one"
        raise AppLoadError(f"cannot import {module_name!r}: {exc} (looked first in {where})") from exc
    except (Exception, SystemExit) as exc:
        raise AppLoadError(
            f"importing {module_name!r} raised {type(exc).__name__}: {exc}; settings are in the environment"
            " when the factory is called, not before"
        ) from exc
    factory = getattr(module, attribute, None)
    if not callable(factory):
        problem = "is not callable" if factory is not None else "does not exist"
        raise AppLoadError(f"{attribute!r} {problem} in {module_name!r}; a factory returns the ASGI app")
    if problem := argument_error(factory):
        raise AppLoadError(f"{attribute!r} in {module_name!r} {problem}")
    return factory  # type: ignore[no-any-return]


def argument_error(factory: Callable[..., Any]) -> str:
    """Why a factory cannot be called without arguments, as the end of a sentence; empty when it can."""
    try:
        inspect.signature(factory).bind()
    except TypeError as exc:
        return f"is no factory: {exc}; a factory takes no arguments and returns the ASGI application"
    except ValueError:
        pass  # a callable without a signature: only calling it will show
    return ""


def configured_by_environment(factory: Callable[[], AsgiApp]) -> AppFactory:
    """Turn a factory that reads its settings from the environment into one that takes them as an argument."""

    def make(settings: Mapping[str, str], _epoch_ms: int) -> AsgiApp:
        os.environ.update(settings)
        app: object = factory()
        if inspect.iscoroutine(app):
            app.close()
            raise TypeError("the factory returned a coroutine; it must be a plain function, not async def")
        if not callable(app):
            raise TypeError(f"the factory returned {app!r}, which is no ASGI application")
        return app

    return make


@contextmanager
def isolated_process_state(seed: int) -> Iterator[None]:
    """Seed ``random``; afterwards restore its state and the environment."""
    environment, random_state = dict(os.environ), random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        random.setstate(random_state)
