"""The typed walk: a tree of nodes becomes the shapes of `language.scenario`, each problem at its node.

Rules of this file: the shapes decide (`msgspec.inspect`), and nothing here knows what a field means. A shape
with a problem in it is not built, and a list goes on without it, so that one problem does not hide the next.

`fanin.simulator.language.schema` says the same as JSON Schema: what is added here must be added there.
"""

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
    damaged: bool = False  # it, or something in it, could not be read

    def at(self, *path: str | int) -> "Location":
        """The part that ``path`` leads to, or the last one on the way that the file has."""
        place = self
        for step in path:
            if step not in place.parts:
                break
            place = place.parts[step]
        return place

    def has(self, step: str | int) -> bool:
        """Whether the file says anything there."""
        return step in self.parts

    def sound(self, step: str | int) -> bool:
        """Whether all that the file says there could be read."""
        return step not in self.parts or not self.parts[step].damaged


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a node was read into, and where it stands. What is damaged lacks what could not be read."""

    value: Any
    place: Location


class NodeReader:
    """Reads nodes into values of the types that are wanted. None means: it is not one, and that is reported.

    Args:
        report: Takes the problems.
        timeout_ms: What ``1 timeout`` stands for.
    """

    def __init__(self, report: Report, timeout_ms: int) -> None:
        self._report = report
        self._scalars = ScalarReader(report, timeout_ms)

    def read(self, node: Node, annotated: inspect.Type, label: str) -> Parsed | None:
        """Read a node. ``label`` names it in messages: the field's name."""
        want = FieldType.of(annotated)
        if want.word and isinstance(node, ScalarNode) and node.text == want.word:
            return Parsed(None, Location(node.mark, node.mark))
        match want.type:
            case inspect.StructType():
                found = self._struct(node, want, want.type, label)
            case inspect.UnionType():
                found = self._tagged(node, want, want.type, label)
            case inspect.VarTupleType():
                found = self._listing(node, want, want.type, label)
            case inspect.DictType():
                found = self._table(node, want, want.type, label)
            case _:
                value = self._scalars.read(node, want, label)
                found = None if value is None else Parsed(value, Location(node.mark, node.mark))
        return found

    def fields(
        self, node: MappingNode, shape: inspect.StructType, label: str
    ) -> tuple[dict[str, Any], Location]:
        """Read the fields that a mapping gives, by attribute name; without those that could not be read."""
        by_name = {each.encode_name: each for each in shape.fields}
        values: dict[str, Any] = {}
        place = Location(node.mark, node.mark)
        for key, value in node.entries:
            if key.text == shape.tag_field:
                continue
            if (known := by_name.get(key.text)) is None:
                self._unknown(key, shape, label, place)
                continue
            found = self.read(value, known.type, key.text)
            _put(place, key.text, key.mark, found, value.mark)
            if found is not None:
                values[known.name] = found.value
        for name, each in by_name.items():
            if each.required and name not in place.parts:
                self._report.add(node.mark, f"{_of(label)}field {name!r} is missing")
                place.damaged = True
        return values, place

    def _unknown(self, key: ScalarNode, shape: inspect.StructType, label: str, place: Location) -> None:
        names = field_names(shape)
        problem = f"no field {quoted(key.text)}; there are {', '.join(names)}{hint(key.text, names)}"
        self._report.add(key.mark, f"{_of(label)}{problem}")
        place.damaged = True
        # The nearest is probably meant: while it is misspelt, nobody may conclude that it was left out.
        if (near := nearest(key.text, names)) is not None:
            place.parts.setdefault(near, Location(key.mark, key.mark, damaged=True))

    def _struct(self, node: Node, want: FieldType, shape: inspect.StructType, label: str) -> Parsed | None:
        if isinstance(node, ScalarNode) and (short := shorthand(shape)) is not None:
            value = self._scalars.read(node, replace(FieldType.of(short.type), word=want.word), label)
            place = Location(node.mark, node.mark)
            return None if value is None else Parsed(shape.cls(**{short.name: value}), place)
        if not isinstance(node, MappingNode):
            self._refuse(node, want, label)
            return None
        values, place = self.fields(node, shape, label)
        return None if place.damaged else Parsed(shape.cls(**values), place)

    def _tagged(self, node: Node, want: FieldType, union: inspect.UnionType, label: str) -> Parsed | None:
        if not isinstance(node, MappingNode):
            self._refuse(node, want, label)
            return None
        shapes = tags(union)
        names = ", ".join(shapes)
        tag = node.get("fault")
        if tag is None:
            self._report.add(node.mark, f"{_of(label)}field 'fault' is missing; it is one of {names}")
            return None
        text = tag.text if isinstance(tag, ScalarNode) else ""
        if (shape := shapes.get(text)) is None:
            said = quoted(text) if text else "this"
            self._report.add(tag.mark, f"fault: {said} is no fault; there are {names}{hint(text, shapes)}")
            return None
        return self._struct(node, FieldType.of(shape), shape, text)

    def _listing(
        self, node: Node, want: FieldType, listing: inspect.VarTupleType, label: str
    ) -> Parsed | None:
        if not isinstance(node, SequenceNode):
            if not (isinstance(node, ScalarNode) and FieldType.of(listing.item_type).duration):
                self._refuse(node, want, label)
                return None
            node = SequenceNode(node.mark, (node,), node.size)  # a bare duration is a list of one
        place = Location(node.mark, node.mark)
        values: list[Any] = []
        for item in node.items:
            found = self.read(item, listing.item_type, label)
            if found is not None and _repeats(found.value, values, listing):
                self._report.add(item.mark, f"{label}: {quoted(found.value)} is listed twice")
                found = None
            _put(place, len(values), item.mark, found, item.mark)
            if found is not None:
                values.append(found.value)
        self._count(node, listing, label, place)
        return Parsed(tuple(values), place)

    def _count(self, node: SequenceNode, listing: inspect.VarTupleType, label: str, place: Location) -> None:
        count, least, most = len(node.items), listing.min_length or 0, listing.max_length
        if count < least:
            self._report.add(node.mark, f"{label}: the list is empty; it needs at least {least}")
        elif most is not None and count > most:
            self._report.add(node.mark, f"{label}: {count} in the list; at most {most}")
        else:
            return
        place.damaged = True

    def _table(self, node: Node, want: FieldType, table: inspect.DictType, label: str) -> Parsed | None:
        if not isinstance(node, MappingNode):
            self._refuse(node, want, label)
            return None
        place = Location(node.mark, node.mark)
        values: dict[str, Any] = {}
        for key, value in node.entries:
            name = self._scalars.read(key, FieldType.of(table.key_type), label)
            found = self.read(value, table.value_type, f"{label} {quoted(key.text)}")
            _put(place, key.text, key.mark, found if name is not None else None, value.mark)
            if name is not None and found is not None:
                values[name] = found.value
        return Parsed(values, place)

    def _refuse(self, node: Node, want: FieldType, label: str) -> None:
        found, meant = "a list", "a list" if isinstance(want.type, inspect.VarTupleType) else "a mapping"
        accepted = want.accepted()
        if isinstance(node, ScalarNode):
            found = quoted(node.text) if node.text else "nothing"
            if meant == "a list" and node.text:
                accepted = f"[{shortened(node.text)}]"
            elif isinstance(want.type, inspect.UnionType) and node.text in tags(want.type):
                accepted = f"{{fault: {node.text}}}"
        elif isinstance(node, MappingNode):
            found, accepted = "a mapping", "'- ' before each item"
        self._report.add(node.mark, f"{label}: {found}, where {meant} is meant; write {accepted}")


def _put(place: Location, step: str | int, name: Mark, found: Parsed | None, mark: Mark) -> None:
    """Give a place its part. One that could not be read leaves its mark under a name, not under an index."""
    if found is not None:
        place.parts[step] = found.place
        found.place.name = name
        place.damaged = place.damaged or found.place.damaged
        return
    place.damaged = True
    if isinstance(step, str):
        place.parts[step] = Location(mark, name, damaged=True)


def _of(label: str) -> str:
    return f"{label}: " if label else ""


def _repeats(value: Any, values: list[Any], listing: inspect.VarTupleType) -> bool:
    return isinstance(FieldType.of(listing.item_type).type, inspect.LiteralType) and value in values
