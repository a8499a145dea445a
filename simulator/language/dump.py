"""Writes scenarios as people do: YAML that `simulator.language.load` reads back to an equal scenario.

Rules of this file: the shapes decide (`msgspec.inspect`), as they do for reading; what stands for itself is
left out (a default, a name by position, a home in the first region); a mapping that fits a line is one.
"""

import re
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import inspect
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fanin.simulator.durations import format_duration
from fanin.simulator.language.field_types import FieldType, shape_of, shorthand
from fanin.simulator.language.scenario import Operation, Scenario

_WIDTH = 110  # characters of a line that holds a whole mapping
_INDENT = 4  # the most that such a line is indented
# Text that never needs quotes, wherever it stands. All else gets double ones, if it is short.
_BARE = re.compile("[A-Za-z0-9_./-]+")
_TAG = "tag:yaml.org,2002:"


def dumps(scenario: Scenario) -> str:
    """The YAML of a scenario as `fanin.simulator.language.load.loads` returns one.

    Multiples of the timeout are multiplied out: what was ``0.5 timeout`` has become a duration.
    """
    text = yaml.serialize(
        _YamlWriter(scenario).document(), Dumper=_Dumper, width=_WIDTH, allow_unicode=True, indent=2
    )
    assert isinstance(text, str)  # noqa: S101 - without an encoding PyYAML returns text; for mypy
    return text


def dump(scenario: Scenario, path: Path) -> None:
    """Write the scenario to a file, whose name without the suffix must be the scenario's to be loaded again.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(dumps(scenario), encoding="utf-8")


class _Dumper(yaml.SafeDumper):
    """Indents lists below their names, as the built-in scenarios do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, False)


class _YamlWriter:
    """Turns one scenario into YAML's nodes."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._places = {id(operation): n for n, operation in enumerate(scenario.operations, start=1)}

    def document(self) -> Node:
        shape = shape_of(Scenario)
        return MappingNode(f"{_TAG}map", list(self._fields(self._scenario, shape)), flow_style=False)

    def _fields(self, value: msgspec.Struct, shape: inspect.StructType) -> Any:
        if shape.tag_field:
            yield _text(shape.tag_field), _text(str(shape.tag))
        for field in sorted(shape.fields, key=lambda it: it.name != "name"):
            part = getattr(value, field.name)
            if self._says(value, field, part):
                yield _text(field.encode_name), self._node(part, FieldType.of(field.type))

    def _says(self, value: msgspec.Struct, field: inspect.Field, part: Any) -> bool:
        """Whether a field has to be written."""
        if field.required or field.name == "image":
            return True
        if isinstance(value, Operation):
            match field.name:
                case "name":
                    return part not in ("", f"op{self._places[id(value)]}")
                case "home":
                    return part not in ("", *self._scenario.regions[:1])
                case "repeat":  # a field that speaks of repetitions needs it, even for a single one
                    return part != 1 or bool(value.every) or "{n}" in value.image + value.id
        return bool(part != _default(field))

    def _node(self, value: Any, want: FieldType) -> Node:
        match want.type:
            case _ if value is None:
                node: Node = _text(want.word)
            case inspect.StructType() | inspect.UnionType():
                node = self._struct(value)
            case inspect.VarTupleType():
                item = FieldType.of(want.type.item_type)
                node = _fitted(SequenceNode(f"{_TAG}seq", [self._node(each, item) for each in value]))
            case inspect.DictType():
                item = FieldType.of(want.type.value_type)
                pairs = [(_text(key), self._node(each, item)) for key, each in value.items()]
                node = _fitted(MappingNode(f"{_TAG}map", pairs))
            case _ if want.duration:
                node = ScalarNode(f"{_TAG}str", format_duration(value))
            case inspect.BoolType():
                node = ScalarNode(f"{_TAG}bool", "true" if value else "false")
            case inspect.IntType():
                node = ScalarNode(f"{_TAG}int", str(value))
            case inspect.FloatType():
                node = ScalarNode(f"{_TAG}float", _number(value))
            case _:
                node = _text(value)
        return node

    def _struct(self, value: msgspec.Struct) -> Node:
        shape = shape_of(type(value))
        pairs = list(self._fields(value, shape))
        if (short := shorthand(shape)) is not None and [key.value for key, _ in pairs] == [short.encode_name]:
            node: Node = pairs[0][1]
            return node
        return _fitted(MappingNode(f"{_TAG}map", pairs))


def _text(text: str) -> ScalarNode:
    if "\n" in text:
        return ScalarNode(f"{_TAG}str", text, style="|")
    return ScalarNode(f"{_TAG}str", text, style=None if _BARE.fullmatch(text) or " " in text else '"')


def _number(value: float) -> str:
    """As `repr` writes it, with the point that YAML 1.1 requires before an exponent."""
    text = repr(float(value))
    return text if "." in text else text.replace("e", ".0e")


def _fitted(node: MappingNode | SequenceNode) -> MappingNode | SequenceNode:
    """Single values share a line; of other items each has its own, and so has each part of a long mapping."""
    if isinstance(node, SequenceNode):
        node.flow_style = all(isinstance(each, ScalarNode) for each in node.value)
    else:
        node.flow_style = _length(node) <= _WIDTH - _INDENT
    return node


def _length(node: Node) -> int:
    """About how many characters a node takes on one line."""
    if isinstance(node, ScalarNode):
        return len(node.value) + 2 * (node.style is not None)
    if isinstance(node, MappingNode):
        return 2 + sum(_length(key) + _length(value) + 2 for key, value in node.value)
    return 2 + sum(_length(each) + 2 for each in node.value)


def _default(field: inspect.Field) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
