"""An application by its name, ``module:attribute``: each life imports it anew."""

import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from fanin.harness.world.app_modules import never_anew, package_of
from fanin.harness.world.asgi import AppLoadError, AsgiApp
from fanin.harness.world.places import place_in


@dataclass(frozen=True, slots=True)
class NamedApp:
    """An ASGI application, its class or its factory, as uvicorn names it.

    Attributes:
        module: Its module.
        attribute: What it is called there; with dots, an attribute of an attribute.
        searched: Where its module is looked for first, for messages; empty: on Python's path as it is.
    """

    module: str
    attribute: str
    searched: str = ""

    @property
    def reference(self) -> str:
        """As the command line has it."""
        return f"{self.module}:{self.attribute}"

    def __call__(self) -> AsgiApp:
        """Import it, and call it if it is a factory.

        Raises:
            AppLoadError: it cannot be imported, or is no application.
        """
        return build(self._found(), f"{self.attribute!r} in {self.module!r}")

    def _found(self) -> object:
        try:
            found: object = import_module(self.module)
        except (ImportError, SyntaxError) as exc:
            where = place_in(exc.__traceback__)
            raise AppLoadError(f"cannot import {self.module!r}: {exc}{where}{_in(self.searched)}") from exc
        for name in self.attribute.split("."):
            found = getattr(found, name, None)
        if found is None:
            raise AppLoadError(
                f"{self.attribute!r} does not exist in {self.module!r}; name the ASGI application, or a"
                " factory that returns it"
            )
        return found


def find_app(reference: str, app_dir: Path | None = None) -> NamedApp:
    """Look for an application, without importing it.

    Args:
        reference: As uvicorn writes it: ``module:attribute``.
        app_dir: The folder of the module; None: the current one. It comes first on Python's path, as with
            uvicorn, so that a package there wins over an installed one of the same name.

    Raises:
        AppLoadError: there is no such module.
    """
    folder = str((app_dir or Path()).resolve())
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    return on_path(reference, f"{app_dir}" if app_dir else "the current folder; --app-dir names another one")


def on_path(reference: str, searched: str = "") -> NamedApp:
    """Look for an application on Python's path as it is.

    Raises:
        AppLoadError: there is no such module.
    """
    module, colon, attribute = reference.partition(":")
    if not colon or not module or not attribute:
        raise AppLoadError(f"{reference!r} is not module:application, such as myapp.main:app")
    if not package_of(module):
        raise AppLoadError(f"cannot import {module!r}: there is no such module{_in(searched)}")
    return NamedApp(module, attribute, searched)


def _in(searched: str) -> str:
    return f" (looked first in {searched})" if searched else ""


def name_of(app: object) -> NamedApp | None:
    """The name under which an application or a factory can be imported anew; None: there is none."""
    module, name = getattr(app, "__module__", None), getattr(app, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        return _importable(NamedApp(module, name), app)
    for module, namespace in tuple(sys.modules.items()):
        for name, it in tuple(getattr(namespace, "__dict__", {}).items()):
            if it is app and (named := _importable(NamedApp(module, name), app)):
                return named
    return None


def _importable(named: NamedApp, app: object) -> NamedApp | None:
    found: Any = sys.modules.get(named.module)
    spec = getattr(found, "__spec__", None)
    if spec is None or never_anew(named.module, spec.loader):
        return None
    for part in named.attribute.split("."):
        found = getattr(found, part, None)
    return named if found is app else None


def build(target: object, name: str) -> AsgiApp:
    """The application that something is, or returns when it is called without arguments.

    Raises:
        AppLoadError: it is neither.
        TypeError: it returned no application.
    """
    if not callable(target):
        raise AppLoadError(f"{name} is not callable: {target!r}; name the ASGI application, or its factory")
    if is_application(target):
        return target
    if problem := argument_error(target):
        raise AppLoadError(f"{name} {problem}")
    app: object = target()
    if inspect.iscoroutine(app):
        app.close()
        raise TypeError("the factory returned a coroutine; it must be a plain function, not async def")
    if not callable(app):
        raise TypeError(f"the factory returned {app!r}, which is no ASGI application")
    return app


def is_application(target: Callable[..., Any]) -> bool:
    """Whether it takes scope, receive and send. A function or class that also takes nothing is a factory."""
    makes = inspect.isroutine(target) or inspect.isclass(target) or isinstance(target, partial)
    return _takes(target, 3) and not (makes and _takes(target, 0))


def argument_error(factory: Callable[..., Any]) -> str:
    """Why a factory cannot be called without arguments, as the end of a sentence; empty when it can."""
    if _is_wsgi(factory):
        return (
            "is a WSGI application, and not an ASGI one; judge it as a process, such as"
            " `fanin verify --command 'gunicorn --bind 127.0.0.1:$PORT MODULE:APP'`"
        )
    try:
        inspect.signature(factory).bind()
    except TypeError as exc:
        return f"is neither an ASGI application nor a factory: {exc}; a factory takes no arguments"
    except ValueError:
        pass  # a callable without a signature: only calling it will show
    return ""


def _takes(target: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(target).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def _is_wsgi(target: Callable[..., Any]) -> bool:
    """Whether it takes what a WSGI server passes."""
    with suppress(TypeError, ValueError):
        return list(inspect.signature(target).parameters)[:2] == ["environ", "start_response"]
    return False
