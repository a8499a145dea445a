"""A scenario as YAML again, as `language.load` reads it: what was played, even where no file is left.

Rules of this file: what is as usual is left out; durations stand as people write them.
"""

from typing import Any

import msgspec
import yaml
from msgspec import inspect

from fanin.simulator.language.durations import format_duration
from fanin.simulator.language.field_types import FieldType, shape_of, shorthand
from fanin.simulator.language.scenario import Operation, Scenario

_WIDTH = 100
# A mapping of plain values stands on one line when it is no longer than this.
_SHORT = 88


def lines(scenario: Scenario) -> list[str]:
    """The scenario's file, line by line."""
    written = _struct(scenario)
    for nth, (operation, said) in enumerate(
        zip(scenario.operations, written.get("operations", ()), strict=True), start=1
    ):
        _without_given_names(scenario, nth, operation, said)
    return yaml.dump(
        written, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
    ).splitlines()


def _without_given_names(scenario: Scenario, nth: int, operation: Operation, said: dict[str, Any]) -> None:
    """Loading gives a name and a home to an operation that names none."""
    if operation.name == f"op{nth}":
        said.pop("name", None)
    if operation.home == scenario.regions[0]:
        said.pop("home", None)


def _struct(value: msgspec.Struct) -> dict[str, Any]:
    shape = shape_of(type(value))
    said: dict[str, Any] = {shape.tag_field: shape.tag} if shape.tag_field else {}
    for field in shape.fields:
        given = getattr(value, field.name)
        if field.required or given != _usual(field):
            said[field.encode_name] = _written(given, field.type)
    return said


def _usual(field: inspect.Field) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _written(value: Any, kind: inspect.Type) -> Any:
    """One value as YAML has it, by the type that its field declares."""
    wanted = FieldType.of(kind)
    if value is None:
        return wanted.word or None
    if wanted.duration:
        return format_duration(value)
    match value:
        case msgspec.Struct():
            said = _struct(value)
            short = shorthand(shape_of(type(value)))
            only = said.keys() == {short.encode_name} if short else False
            return said[short.encode_name] if short and only else said
        case dict() if isinstance(wanted.type, inspect.DictType):
            inner = wanted.type.value_type
            return {key: _written(item, inner) for key, item in value.items()}
        case tuple() if isinstance(wanted.type, inspect.VarTupleType):
            inner = wanted.type.item_type
            return [_written(item, inner) for item in value]
        case _:
            return value


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, short lists and mappings on one line, as the pack is written."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        """Indent lists below their name."""
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


def _list(dumper: _Dumper, value: list[Any]) -> yaml.SequenceNode:
    plain = not any(isinstance(item, dict) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=plain)


def _mapping(dumper: _Dumper, value: dict[str, Any]) -> yaml.MappingNode:
    plain = not any(isinstance(item, dict) for item in value.values())
    short = "scenario" not in value and len(str(value)) <= _SHORT
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=plain and short)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(dict, _mapping)
