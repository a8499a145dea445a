"""Secrets of a target: each is in the environment (``…_env`` names the variable) or in a file (``…_file``).

Rules of this file: a secret is never quoted. A variable NAME that is not set may be in the file that
NAME_FILE names, as for the settings. Paths are relative to the folder of the file of targets.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fanin.aggregator.notify.yaml_nodes import Node
from fanin.aggregator.secret_files import read_secret


class Secret(NamedTuple):
    """A secret, and the node that says where it is."""

    node: Node
    text: str


class SecretFields:
    """Where secrets are read from. `names` are the variables that were asked for."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self.names: set[str] = set()

    def find(self, fields: Mapping[str, Node], stem: str, *, plain: bool = False) -> Secret | None:
        """The secret of a field's family: ``STEM_env``, ``STEM_file``, and with ``plain`` also ``STEM``.

        Raises:
            NodeError: two of them are there, or the secret cannot be read.
        """
        family = (*([stem] if plain else ()), f"{stem}_env", f"{stem}_file")
        given = [field for field in family if field in fields]
        if not given:
            return None
        node = fields[given[-1]]
        if len(given) > 1:
            raise node.error(f"the target has {' and '.join(given)}; set one of them")
        if given[0] == stem:
            return Secret(node, node.text("a value"))
        return Secret(node, self.file(node) if given[0].endswith("_file") else self.variable(node))

    def variable(self, node: Node) -> str:
        """The value of the variable that a node names.

        Raises:
            NodeError: the environment has none, neither itself nor by the name of a file.
        """
        name = node.text("the name of an environment variable")
        self.names |= {name, f"{name}_FILE"} & self._environment.keys() | {name}
        value = self._environment.get(name, "").strip()
        if not value and (path := self._environment.get(f"{name}_FILE", "").strip()):
            return self._read(node, Path(path))
        if not value:
            raise node.error(f"the environment has no {name!r}, or it is empty")
        return value

    def file(self, node: Node) -> str:
        """The content of the file that a node names.

        Raises:
            NodeError: it cannot be read, or is empty.
        """
        return self._read(node, self.path(node))

    def path(self, node: Node) -> Path:
        """The path that a node names."""
        return self._folder / Path(node.text("the path of a file")).expanduser()

    def _read(self, node: Node, path: Path) -> str:
        try:
            return read_secret(path)
        except ValueError as exc:
            raise node.error(str(exc)) from exc
