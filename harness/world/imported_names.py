"""Functions and classes that modules have imported by name: found, so that others can be put in their place.

Rules of this file: what belongs to the harness, or is part of the standard library, is left alone.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_LEFT_ALONE = sys.stdlib_module_names | {
    *("fanin.harness", "fanin.simulator", "simloop", "time_machine"),
    *("pytest", "_pytest", "pluggy", "xdist", "execnet", "coverage", "hypothesis", "rich", "click"),
}


class ImportedNames:
    """Where some objects were imported.

    Args:
        real: The objects, each by the name of what is put in its place.
    """

    def __init__(self, real: Mapping[str, Any]) -> None:
        self._real = real
        self._modules: list[Any] = []  # all, as they were when they were looked through
        self._scanned: dict[str, object] = {}  # modules; one that is imported anew is another
        self._found: list[tuple[dict[str, Any], str, str]] = []  # where, as what, and which
        self._depth = 0

    @contextmanager
    def put(self, objects: Mapping[str, Any]) -> Iterator[None]:
        """Put others in their place; the outermost such block puts the real ones back."""
        self._scan()
        self._depth += 1
        self._set(objects)
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._set(self._real)

    def _set(self, objects: Mapping[str, Any]) -> None:
        for namespace, as_what, name in self._found:
            namespace[as_what] = objects[name]

    def _scan(self) -> None:
        """Look through modules, each once."""
        if (modules := list(sys.modules.values())) == self._modules:
            return
        self._modules = modules
        names = {id(it): name for name, it in self._real.items()}
        for module_name, module in tuple(sys.modules.items()):
            if self._scanned.get(module_name) is module:
                continue
            self._scanned[module_name] = module
            package, _, rest = module_name.partition(".")
            if package in _LEFT_ALONE or f"{package}.{rest.partition('.')[0]}" in _LEFT_ALONE:
                continue
            namespace = getattr(module, "__dict__", {})
            found = [(as_what, names[id(it)]) for as_what, it in namespace.items() if id(it) in names]
            self._found.extend((namespace, as_what, name) for as_what, name in found)
