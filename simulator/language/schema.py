"""The scenario language as a JSON Schema, so that editors complete it and underline what is wrong.

It is made from the same shapes that the loader reads, and refuses what `NodeReader` refuses. What it cannot
say is left to the loader: how YAML spelled a value (``010``, ``yes``), what depends on other values (names,
``until`` after ``since``), and how long a duration is.

It is not made from ``msgspec.json.schema``: there durations are integers, and nothing is known of the
docstrings' words for fields, of abbreviations, of ``never`` for None, and of fields that go together.
Almost every property has one of these, so to put them right afterwards takes as much code as this module has.
"""

import json
import re
import sys
from inspect import cleandoc
from typing import Any

from msgspec import Struct, inspect

from fanin.simulator.durations import ABSOLUTE_EXAMPLES, DURATION, MULTIPLE, format_duration
from fanin.simulator.faults.fault import Fault
from fanin.simulator.language.field_types import FieldType, field_names, shape_of, shorthand, tags
from fanin.simulator.language.scenario import Expectation, Operation, Scenario, Signing
from fanin.simulator.shapes import Delay

_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)

_DURATIONS: dict[str, Any] = {
    "duration": {
        "description": f"A duration such as {ABSOLUTE_EXAMPLES}, or a multiple of the timeout: 0.75 timeout.",
        "anyOf": [{"type": "string", "pattern": rf"^\s*(?:{DURATION}|{MULTIPLE}|0)\s*$"}, {"const": 0}],
    },
    "absolute-duration": {
        "description": f"A duration such as {ABSOLUTE_EXAMPLES}.",
        "anyOf": [{"type": "string", "pattern": rf"^\s*(?:{DURATION}|0)\s*$"}, {"const": 0}],
    },
}

# Which fields go together, as `language.validation` has it; faults say it themselves (`Fault.one_of`).
_TOGETHER: dict[type[Struct], dict[str, Any]] = {
    Delay: {
        "oneOf": [{"required": ["fixed"]}, {"required": ["min", "max"]}, {"required": ["median"]}],
        "dependentRequired": {"min": ["max"], "max": ["min"], "sigma": ["median"]},
    },
    Operation: {"dependentRequired": {"every": ["repeat"]}},
    Signing: {"dependentRequired": {"rotates": ["secrets"]}},
    Expectation: {"dependentRequired": {"within": ["at"]}},
}


def schema() -> dict[str, Any]:
    """The schema, in JSON Schema's dialect 2020-12."""
    writer = _SchemaWriter()
    root = writer.struct(shape_of(Scenario))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of fanin",
        **root,
        "$defs": dict(sorted(writer.defs.items())) | _DURATIONS,
    }


def text() -> str:
    """The schema as the file ``docs/scenario.schema.json`` has it."""
    return json.dumps(schema(), indent=2) + "\n"


def summary(struct: type[Struct]) -> str:
    """What a shape's docstring says before it comes to the fields."""
    return _plain(cleandoc(struct.__doc__ or "").partition("\nAttributes:\n")[0])


def attributes(struct: type[Struct]) -> dict[str, str]:
    """What the docstrings of a shape and of those that it extends say of its fields, by YAML's name."""
    found: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        _, _, listed = cleandoc(each.__dict__.get("__doc__") or "").partition("\nAttributes:\n")
        found |= {match[1]: _plain(match[2]) for match in _ATTRIBUTE.finditer(listed)}
    return found


def _plain(docstring: str) -> str:
    """A docstring's text as an editor shows it."""
    return re.sub(r"\s*\n\s*", " ", docstring.strip()).replace("``", "`")


class _SchemaWriter:
    """Writes types as schemas. Shapes end in ``defs``, once each."""

    def __init__(self) -> None:
        self.defs: dict[str, Any] = {}

    def struct(self, shape: inspect.StructType) -> dict[str, Any]:
        """A shape as an object that has these fields and no others."""
        properties: dict[str, Any] = {}
        if shape.tag_field:
            properties[shape.tag_field] = {"const": shape.tag, "description": summary(shape.cls)}
        described = attributes(shape.cls)
        for field in shape.fields:
            written = FieldType.of(field.type).description
            said = described[field.encode_name] + (f" Write {written}." if written else "")
            properties[field.encode_name] = {"description": said} | self.value(field.type) | _default(field)
        required = [field.encode_name for field in shape.fields if field.required]
        return {
            "description": summary(shape.cls),
            "type": "object",
            "properties": properties,
            "required": [name for name in field_names(shape) if name in (*required, shape.tag_field)],
            "additionalProperties": False,
            **_fields_together(shape.cls),
        }

    def value(self, annotated: inspect.Type) -> dict[str, Any]:
        """What may be written where this type is wanted."""
        want = FieldType.of(annotated)
        written = self._duration(want) if want.duration else self._bare(want.type)
        return {"anyOf": [written, {"const": want.word}]} if want.word else written

    def _duration(self, want: FieldType) -> dict[str, Any]:
        reference = {"$ref": f"#/$defs/{'absolute-duration' if want.absolute else 'duration'}"}
        positive = isinstance(want.type, inspect.IntType) and bool(want.type.ge)
        # Without a digit that is not 0 it is no time at all.
        return reference | {"type": "string", "pattern": "[1-9]"} if positive else reference

    def _bare(self, wanted: inspect.Type) -> dict[str, Any]:
        match wanted:
            case inspect.StructType():
                written = self._reference(wanted)
            case inspect.UnionType():
                written = {"oneOf": [self._reference(each) for each in tags(wanted).values()]}
            case inspect.VarTupleType():
                written = self._array(wanted)
            case inspect.DictType():
                key, value = self.value(wanted.key_type), self.value(wanted.value_type)
                written = {"type": "object", "propertyNames": key, "additionalProperties": value}
            case inspect.LiteralType():
                written = {"enum": list(wanted.values)}
            case inspect.BoolType():
                written = {"type": "boolean"}
            case inspect.IntType() | inspect.FloatType():
                kind = "integer" if isinstance(wanted, inspect.IntType) else "number"
                written = _without_none({"type": kind, "minimum": wanted.ge, "maximum": wanted.le})
            case inspect.StrType():
                limits = {"minLength": wanted.min_length, "maxLength": wanted.max_length}
                written = _without_none({"type": "string", "pattern": wanted.pattern, **limits})
            case _:
                raise NotImplementedError(f"a shape wants {wanted}, which has no schema")
        return written

    def _reference(self, shape: inspect.StructType) -> dict[str, Any]:
        name = shape.cls.__name__
        if name not in self.defs:
            self.defs[name] = self.struct(shape)
        reference = {"$ref": f"#/$defs/{name}"}
        short = shorthand(shape)
        return reference if short is None else {"anyOf": [self.value(short.type), reference]}

    def _array(self, wanted: inspect.VarTupleType) -> dict[str, Any]:
        item = FieldType.of(wanted.item_type)
        array = _without_none(
            {
                "type": "array",
                "items": self.value(wanted.item_type),
                "minItems": wanted.min_length,
                "maxItems": wanted.max_length,
                "uniqueItems": isinstance(item.type, inspect.LiteralType) or None,
            }
        )
        # A bare duration is a list of one.
        return {"anyOf": [self.value(wanted.item_type), array]} if item.duration else array


def _fields_together(struct: type[Struct]) -> dict[str, Any]:
    if issubclass(struct, Fault) and struct.one_of:
        return {"oneOf": [{"required": [name]} for name in struct.one_of]}
    return _TOGETHER.get(struct, {})


def _without_none(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if value is not None}


def _default(field: inspect.Field) -> dict[str, Any]:
    """What leaving the field out means, where that can be written in a word."""
    default = field.default
    if isinstance(default, int) and FieldType.of(field.type).duration:
        return {"default": format_duration(default)}
    return {"default": default} if isinstance(default, str | int | float) and default != "" else {}


if __name__ == "__main__":
    sys.stdout.write(text())
