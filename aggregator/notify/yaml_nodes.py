"""YAML as a tree of nodes with positions, so that every error names file, line and column.

Only the node graph of PyYAML is used: nothing is resolved, so ``on`` is a word and not a truth value, and no
tag is ever executed.
"""

import difflib
from collections.abc import Collection, Iterator
from pathlib import Path

import yaml


class NodeError(Exception):
    """A file has an error; the message begins with its position: file, line, column."""

    def __init__(self, path: Path, node: yaml.Node | None, problem: str) -> None:
        mark = node.start_mark if node is not None else None
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        super().__init__(f"{place}: {problem}")


class Node:
    """One node of a file."""

    def __init__(self, path: Path, node: yaml.Node) -> None:
        self._path, self._node = path, node

    def error(self, problem: str) -> NodeError:
        """An error at this node."""
        return NodeError(self._path, self._node, problem)

    def text(self, wanted: str) -> str:
        """The text of this node.

        Raises:
            NodeError: the node is a list, a mapping, or empty. The message has ``wanted``, what was expected.
        """
        if not isinstance(self._node, yaml.ScalarNode) or not self._node.value.strip():
            raise self.error(f"expected {wanted}")
        value: str = self._node.value
        return value.strip()

    def items(self, wanted: str) -> Iterator["Node"]:
        """The elements of this list, or this one text.

        Raises:
            NodeError: the node is a mapping, or an empty list.
        """
        nodes = self._node.value if isinstance(self._node, yaml.SequenceNode) else [self._node]
        if isinstance(self._node, yaml.MappingNode) or not nodes:
            raise self.error(f"expected {wanted}")
        for node in nodes:
            yield Node(self._path, node)

    def fields(self, wanted: str, names: Collection[str] | None = None) -> dict[str, "Node"]:
        """The values of this mapping, by key. With ``names``, only these keys are allowed.

        Raises:
            NodeError: the node is no mapping, or a key occurs twice or is not one of ``names``.
        """
        if not isinstance(self._node, yaml.MappingNode):
            raise self.error(f"expected {wanted}")
        found: dict[str, Node] = {}
        for key, value in self._node.value:
            here = Node(self._path, key)
            name = here.text("a name")
            if names is not None and name not in names:
                raise here.error(f"no such field {name!r}; {nearest(name, names)}")
            if name in found:
                raise here.error(f"{name!r} occurs twice")
            found[name] = Node(self._path, value)
        return found


def nearest(name: str, names: Collection[str]) -> str:
    """A hint for an unknown name: the nearest valid one, or all of them."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {str(near[0])!r}?" if near else f"there are {', '.join(names)}"


def read(path: Path) -> Node:
    """Read a file; return its root.

    Raises:
        NodeError: the file cannot be read, is empty, or is not YAML.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as exc:
        raise NodeError(path, None, exc.strerror or str(exc)) from exc
    except UnicodeDecodeError as exc:
        raise NodeError(path, None, f"not UTF-8 at byte {exc.start}") from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        position = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise NodeError(Path(position), None, f"not YAML: {exc.problem}") from None
    except yaml.YAMLError as exc:
        raise NodeError(path, None, f"not YAML: {type(exc).__name__}") from None
    if node is None:
        raise NodeError(path, None, "empty; expected targets: and a list of them")
    return Node(path, node)
