"""The modules of an application: its own are imported anew in each life, installed ones are shared by all.

A process that is started again imports everything anew, so nothing that a module holds survives it. Here all
lives are in one process; each has modules of its own, which are in ``sys.modules`` while its code runs.

Rules of this file: an application's own are the module that names it, with its package, and whatever else is
neither the standard library's nor installed nor a test's. What is installed is imported outside the simulated
world, once. After a run ``sys.modules`` is as it was before.
"""

import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import Loader
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from fanin.harness.world import entropy, process_state, sandbox

# Installed packages that keep what an application gives them, or what it stores: two lives must not share it.
KEEP_STATE = frozenset(
    {"aiocache", "asgiref", "blacksheep", "blinker", "cashews", "django", "fakeredis", "fastapi_cache"}
    | {"prometheus_client", "prometheus_fastapi_instrumentator", "sanic", "sqlmodel", "starlette_exporter"}
    | {"tortoise"}
)
_CODE = (".py", ".pyc", ".so", ".pyd")
_INSTALLED = {"site-packages", "dist-packages"}
_STDLIB = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib"))
_TEST_LOADER = "AssertionRewritingHook"  # pytest's, of test modules, conftest files and plugins

_extensions: dict[str, ModuleType] = {}  # compiled modules can be loaded once
_compiled: dict[str, tuple[tuple[int, int], CodeType | None]] = {}  # by file, with its version
_seen: dict[str, tuple[ModuleType, str, bool]] = {}  # by name: of which application it was whether its own


def find_spec(name: str, path: Sequence[str] | None, *, without: object = None) -> ModuleSpec | None:
    """What the import system would import, without importing it or its package.

    Args:
        name: The module's whole name.
        path: Its package's folders; None for a module without a package.
        without: A finder that is not asked.
    """
    for finder in tuple(sys.meta_path):
        find = getattr(finder, "find_spec", None)
        if finder is not without and find is not None:
            found: ModuleSpec | None = find(name, path)
            if found is not None:
                return found
    return None


def package_of(name: str) -> str:
    """The outermost package of a module that has a file; of a module without a package its own name.

    Empty where there is no such package or module. Nothing is imported.
    """
    path: Sequence[str] | None = None
    prefix = ""
    for part in name.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        spec = find_spec(prefix, path)
        if spec is None:
            return ""
        if spec.origin is not None:
            return prefix
        path = list(spec.submodule_search_locations or ())
    return prefix


def never_anew(name: str, loader: object) -> bool:
    """Whether a module is fanin's, a test's, or the script that was started: these are what they are."""
    return (
        name.partition(".")[0] in {"fanin", "__main__", "__mp_main__"}
        or type(loader).__name__ == _TEST_LOADER
    )


class AppModules:
    """The modules of one run's lives, by host: each start of an application has a host of its own.

    Args:
        name: The module that names the application.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._package = package_of(name) or name
        if self._package == "fanin":
            self._package = name
        self._names: set[str] = set()  # of all own modules so far
        self._ended: list[str] = []
        self.lives: dict[str, dict[str, ModuleType]] = {"": {}}  # "": as it was before the run
        self.current = ""  # whose modules are in sys.modules

    def owns(self, name: str, origin: str | None, folders: Sequence[str], loader: object) -> bool:
        """Whether a module is the application's own."""
        if name == self._name:
            return True
        if never_anew(name, loader):
            return False
        if name.partition(".")[0] in KEEP_STATE or f"{name}.".startswith(f"{self._package}."):
            return True
        if origin is None:
            return bool(folders) and not any(_is_installed(folder, folder) for folder in folders)
        return origin.endswith(_CODE) and not _is_installed(origin, _root(name, origin))

    def begin(self, host: str) -> None:
        """A life begins on this host: none of its own modules is imported yet."""
        self._store()
        for gone in self._ended[:-1]:  # the last one's tasks may still be ending
            self.lives.pop(gone, None)
        del self._ended[:-1]
        self.lives[host] = {}
        self.current = host

    def end(self, host: str) -> None:
        """The life on this host ends."""
        self._ended.append(host)

    def follow(self, host: str) -> None:
        """Code of this host runs now: let it find its modules."""
        if host != self.current and host in self.lives:
            self._switch(host)

    def _switch(self, host: str) -> None:
        self._store()
        self.current = host
        for name, module in self.lives[host].items():
            sys.modules[name] = module
            package, _, attribute = name.rpartition(".")
            if package in sys.modules:
                setattr(sys.modules[package], attribute, module)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Inside, lives may begin."""
        self._names = {name for name, module in tuple(sys.modules.items()) if self._owns_module(name, module)}
        finder = _Finder(self)
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            self._switch("")
            sys.meta_path.remove(finder)
            self.lives.clear()

    def take(self, spec: ModuleSpec) -> bool:
        """Whether what is about to be imported is the application's own."""
        own = self.owns(spec.name, spec.origin, list(spec.submodule_search_locations or ()), spec.loader)
        if own:
            self._names.add(spec.name)
        return own

    def _owns_module(self, name: str, module: ModuleType) -> bool:
        """Whether a module that is there already is the application's own."""
        before = _seen.get(name)
        if before is not None and before[0] is module and before[1] == self._package:
            return before[2]
        spec = getattr(module, "__spec__", None)
        origin = getattr(module, "__file__", None)
        folders = [*getattr(module, "__path__", ())] if origin is None and spec is not None else []
        own = self.owns(name, origin, folders, getattr(spec, "loader", None))
        _seen[name] = (module, self._package, own)
        return own

    def _store(self) -> None:
        """Remember the modules of the current life, and take them out of ``sys.modules``."""
        there = {name: sys.modules.pop(name) for name in self._names if name in sys.modules}
        self.lives[self.current] = there
        for name, module in there.items():
            package, _, attribute = name.rpartition(".")
            if package in sys.modules and getattr(sys.modules[package], attribute, None) is module:
                delattr(sys.modules[package], attribute)
            if isinstance(getattr(module.__spec__, "loader", None), ExtensionFileLoader):
                _extensions[name] = module


class _Finder:
    """Comes first while a world runs: notes what is the application's own, and imports the rest outside."""

    def __init__(self, modules: AppModules) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: Sequence[str] | None, _target: object = None) -> ModuleSpec | None:
        spec = find_spec(name, path, without=self)
        if spec is None:
            return None
        if not self._modules.take(spec):
            spec.loader = spec.loader and _OutsideLoader(spec.loader)
        elif name in _extensions:
            spec.loader = _LoadedBefore(_extensions[name])
        elif type(spec.loader) is SourceFileLoader:
            spec.loader = _CompiledOnce(spec.loader.name, spec.loader.path)
        return spec


class _OutsideLoader(Loader):
    """Runs an installed module outside the simulated world: it is there for later worlds as well."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None  # noqa: S101 - the import system has set it
        module.__spec__.loader = module.__loader__ = self._loader
        with sandbox.exempted(), entropy.real(), process_state.kept():
            self._loader.exec_module(module)


class _CompiledOnce(SourceFileLoader):
    """Remembers what a file was compiled to, as long as the file stays as it is."""

    def get_code(self, fullname: str) -> CodeType | None:
        status = Path(self.path).stat()
        version = (status.st_mtime_ns, status.st_size)
        before = _compiled.get(self.path)
        if before is None or before[0] != version:
            before = _compiled[self.path] = version, super().get_code(fullname)
        return before[1]


class _LoadedBefore(Loader):
    """Gives a compiled module to one more life."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, _spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _root(name: str, origin: str) -> str:
    """The folder on Python's path in which a module was found."""
    path = Path(origin)
    depth = name.count(".") + (1 if path.name.startswith("__init__.") else 0)
    return str(path.parents[min(depth, len(path.parents) - 1)])


def _is_installed(path: str, root: str) -> bool:
    """Whether a file is the standard library's, or lies in a folder into which packages are installed."""
    return path.startswith(_STDLIB) or not _INSTALLED.isdisjoint(Path(path).parts) or _has_packages(root)


@cache
def _has_packages(folder: str) -> bool:
    """Whether an installer has left its records in a folder, as ``pip install --target`` does."""
    return any(Path(folder).glob("*.dist-info"))
