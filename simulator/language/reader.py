"""Reads a tree of nodes into the shapes of `language.scenario`, and reports each problem at its node.

Rules of this file: the shapes decide (`msgspec.inspect`), and nothing here knows what a field means. What
has a problem anywhere in it is not built, but all of it is read, so that one reading reports every problem.

`fanin.simulator.language.schema` says the same as JSON Schema: what is added here must be added there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import inspect

from fanin.simulator.language.field_types import FieldType, field_names, shorthand, tags
from fanin.simulator.language.problems import Mark, Report
from fanin.simulator.language.scalars import ScalarReader
from fanin.simulator.language.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode
from fanin.simulator.text import hint, nearest, quoted, shortened


@dataclass(slots=True)
class Location:
    """Where a value stands in the file, and where its parts stand: by YAML's name, by key, or by index."""

    mark: Mark
    name: Mark  # where its name stands, if it has one
    parts: "dict[str | int, Location]" = field(default_factory=dict)

    def at(self, *path: str | int) -> "Location":
        """The part that ``path`` leads to, or the last one on the way that the file has."""
        location = self
        for step in path:
            if step not in location.parts:
                break
            location = location.parts[step]
        return location

    def has(self, step: str | int) -> bool:
        """Whether the file gives this part."""
        return step in self.parts


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value that was read, and where it stands."""

    value: Any
    location: Location


class NodeReader:
    """Reads nodes into values of given types. None means: there were problems, and they are reported.

    Args:
        report: Takes the problems.
        timeout_ms: What ``1 timeout`` stands for.
    """

    def __init__(self, report: Report, timeout_ms: int) -> None:
        self._report = report
        self._scalars = ScalarReader(report, timeout_ms)

    def read(self, node: Node, annotated: inspect.Type, label: str) -> Parsed | None:
        """Read a node. ``label`` names it in messages: the field's name."""
        kind = FieldType.of(annotated)
        if kind.word and isinstance(node, ScalarNode) and node.text == kind.word:
            return Parsed(None, Location(node.mark, node.mark))
        match kind.type:
            case inspect.StructType():
                return self._struct(node, kind, kind.type, label)
            case inspect.UnionType():
                return self._tagged(node, kind, kind.type, label)
            case inspect.VarTupleType():
                return self._sequence(node, kind, kind.type, label)
            case inspect.DictType():
                return self._mapping(node, kind, kind.type, label)
            case _:
                value = self._scalars.read(node, kind, label)
                return None if value is None else Parsed(value, Location(node.mark, node.mark))

    def fields(self, node: MappingNode, shape: inspect.StructType, label: str) -> Parsed | None:
        """Read the fields that a mapping gives. The value is a dict by attribute name."""
        by_name = {each.encode_name: each for each in shape.fields}
        values: dict[str, Any] = {}
        location = Location(node.mark, node.mark)
        sound, seen = True, set[str]()
        for key, value in node.entries:
            if key.text == shape.tag_field:
                continue
            if (known := by_name.get(key.text)) is None:
                meant = self._unknown(key, shape, label)
                seen.add(meant or key.text)
                sound = False
                continue
            seen.add(key.text)
            parsed = self.read(value, known.type, key.text)
            if parsed is None:
                sound = False
            else:
                values[known.name] = _put(location, key.text, key.mark, parsed)
        for name, each in by_name.items():
            if each.required and name not in seen:
                self._report.add(node.mark, f"{_of(label)}field {name!r} is missing")
                sound = False
        return Parsed(values, location) if sound else None

    def _unknown(self, key: ScalarNode, shape: inspect.StructType, label: str) -> str | None:
        """Report a field that does not exist, and return the one that is probably meant."""
        names = field_names(shape)
        problem = f"no field {quoted(key.text)}; there are {', '.join(names)}{hint(key.text, names)}"
        self._report.add(key.mark, f"{_of(label)}{problem}")
        return nearest(key.text, names)

    def _struct(self, node: Node, kind: FieldType, shape: inspect.StructType, label: str) -> Parsed | None:
        if isinstance(node, ScalarNode) and (short := shorthand(shape)) is not None:
            value = self._scalars.read(node, replace(FieldType.of(short.type), word=kind.word), label)
            location = Location(node.mark, node.mark)
            return None if value is None else Parsed(shape.cls(**{short.name: value}), location)
        if not isinstance(node, MappingNode):
            self._refuse(node, kind, label)
            return None
        parsed = self.fields(node, shape, label)
        return None if parsed is None else Parsed(shape.cls(**parsed.value), parsed.location)

    def _tagged(self, node: Node, kind: FieldType, union: inspect.UnionType, label: str) -> Parsed | None:
        if not isinstance(node, MappingNode):
            self._refuse(node, kind, label)
            return None
        shapes = tags(union)
        names = ", ".join(shapes)
        tag = node.get("fault")
        if tag is None:
            self._report.add(node.mark, f"{_of(label)}field 'fault' is missing; it is one of {names}")
            return None
        text = tag.text if isinstance(tag, ScalarNode) else ""
        if (shape := shapes.get(text)) is None:
            found = quoted(text) if text else "this"
            self._report.add(tag.mark, f"fault: {found} is no fault; there are {names}{hint(text, shapes)}")
            return None
        return self._struct(node, FieldType.of(shape), shape, text)

    def _sequence(
        self, node: Node, kind: FieldType, sequence: inspect.VarTupleType, label: str
    ) -> Parsed | None:
        if not isinstance(node, SequenceNode):
            if not (isinstance(node, ScalarNode) and FieldType.of(sequence.item_type).duration):
                self._refuse(node, kind, label)
                return None
            node = SequenceNode(node.mark, (node,), node.size)  # a bare duration is a list of one
        location = Location(node.mark, node.mark)
        parsed = [self.read(item, sequence.item_type, label) for item in node.items]
        values: list[Any] = []
        sound = self._fits(node, sequence, label)
        for index, (item, each) in enumerate(zip(node.items, parsed, strict=True)):
            if each is None:
                sound = False
            elif _repeats(each.value, values, sequence):
                self._report.add(item.mark, f"{label}: {quoted(each.value)} is listed twice")
                sound = False
            else:
                values.append(_put(location, index, item.mark, each))
        return Parsed(tuple(values), location) if sound else None

    def _fits(self, node: SequenceNode, sequence: inspect.VarTupleType, label: str) -> bool:
        """Whether a list is neither too short nor too long."""
        count, least, most = len(node.items), sequence.min_length or 0, sequence.max_length
        if count < least:
            self._report.add(node.mark, f"{label}: the list is empty; it needs at least {least}")
        elif most is not None and count > most:
            self._report.add(node.mark, f"{label}: {count} in the list; at most {most}")
        else:
            return True
        return False

    def _mapping(self, node: Node, kind: FieldType, mapping: inspect.DictType, label: str) -> Parsed | None:
        if not isinstance(node, MappingNode):
            self._refuse(node, kind, label)
            return None
        location = Location(node.mark, node.mark)
        values: dict[str, Any] = {}
        sound = True
        for key, value in node.entries:
            name = self._scalars.read(key, FieldType.of(mapping.key_type), label)
            parsed = self.read(value, mapping.value_type, f"{label} {quoted(key.text)}")
            if name is None or parsed is None:
                sound = False
            else:
                values[name] = _put(location, key.text, key.mark, parsed)
        return Parsed(values, location) if sound else None

    def _refuse(self, node: Node, kind: FieldType, label: str) -> None:
        """Report that a node is of another kind: a list, a mapping or a single value."""
        found, meant = "a list", "a list" if isinstance(kind.type, inspect.VarTupleType) else "a mapping"
        accepted = kind.accepted()
        if isinstance(node, ScalarNode):
            found = quoted(node.text) if node.text else "nothing"
            if meant == "a list" and node.text:
                accepted = f"[{shortened(node.text)}]"
            elif isinstance(kind.type, inspect.UnionType) and node.text in tags(kind.type):
                accepted = f"{{fault: {node.text}}}"
        elif isinstance(node, MappingNode):
            found, accepted = "a mapping", "'- ' before each item"
        self._report.add(node.mark, f"{label}: {found}, where {meant} is meant; write {accepted}")


def _put(whole: Location, step: str | int, name: Mark, parsed: Parsed) -> Any:
    """Give a location its part, and return the part's value."""
    whole.parts[step] = parsed.location
    parsed.location.name = name
    return parsed.value


def _of(label: str) -> str:
    return f"{label}: " if label else ""


def _repeats(value: Any, values: Sequence[Any], sequence: inspect.VarTupleType) -> bool:
    return isinstance(FieldType.of(sequence.item_type).type, inspect.LiteralType) and value in values
