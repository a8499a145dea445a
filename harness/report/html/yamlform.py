"""A scenario as YAML again, as `simulator.loading` reads it: what was played, even where no file is left.

Rules of this file: what is as usual is left out; durations stand as people write them.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import yaml
from msgspec import inspect

from simulator.scenario import Delay, Operation, Scenario
from simulator.units import format_duration


def lines(scenario: Scenario) -> list[str]:
    """The scenario's file, line by line."""
    written = {field: _written(scenario, field) for field in scenario.__struct_fields__}
    if scenario.operations:
        written["operations"] = [
            _operation(scenario, nth, operation) for nth, operation in enumerate(scenario.operations, start=1)
        ]
    if written["sender"] is not None and set(written["sender"]) == {"profile"}:
        written["sender"] = scenario.sender.profile
    usual = {field: value for field, value in written.items() if value is not None}
    return _dump(usual).splitlines()


def _operation(scenario: Scenario, nth: int, operation: Operation) -> dict[str, Any]:
    """Without the name and the home that loading gives to an operation which names none."""
    known = _struct(operation)
    if operation.name == f"op{nth}":
        known.pop("name", None)
    if operation.home == scenario.regions[0]:
        known.pop("home", None)
    return known


def _struct(value: msgspec.Struct) -> Any:
    if isinstance(value, Delay) and value.fixed is not None:
        return format_duration(value.fixed)
    config = type(value).__struct_config__
    tag = {config.tag_field: config.tag} if config.tag_field and config.tag else {}
    fields = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
    said = {encoded: _written(value, field) for field, encoded in fields}
    return tag | {name: it for name, it in said.items() if it is not None}


def _written(value: msgspec.Struct, field: str) -> Any:
    """One field as YAML has it; None when it has its usual value."""
    info = _fields(type(value))[field]
    said = getattr(value, field)
    usual = info.default_factory() if info.default_factory is not msgspec.NODEFAULT else info.default
    return None if said == usual else _plain(said, is_duration=_is_duration(info.type))


def _plain(value: Any, *, is_duration: bool = False) -> Any:
    match value:
        case None:
            return "never"
        case msgspec.Struct():
            return _struct(value)
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case str():
            return value
        case Sequence():
            return [_plain(item, is_duration=is_duration) for item in value]
        case int() if is_duration and not isinstance(value, bool):
            return format_duration(value)
        case _:
            return value


@cache
def _fields(shape: type[msgspec.Struct]) -> dict[str, inspect.Field]:
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - msgspec's own promise, told to mypy
    return {field.name: field for field in info.fields}


def _is_duration(kind: inspect.Type) -> bool:
    match kind:
        case inspect.Metadata():
            return bool((kind.extra or {}).get("duration")) or _is_duration(kind.type)
        case inspect.UnionType():
            return any(map(_is_duration, kind.types))
        case inspect.VarTupleType():
            return _is_duration(kind.item_type)
        case _:
            return False


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, lists of plain values in one line, as the pack is written."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _list(dumper: _Dumper, value: list[Any]) -> yaml.SequenceNode:
    flat = not any(isinstance(item, dict) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flat)


def _map(dumper: _Dumper, value: dict[str, Any]) -> yaml.MappingNode:
    flat = not any(isinstance(item, dict | list) for item in value.values())
    small = flat and sum(len(str(item)) + len(key) for key, item in value.items()) < 90 and "fault" in value
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=small)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(dict, _map)


def _dump(value: dict[str, Any]) -> str:
    dumped: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return dumped
