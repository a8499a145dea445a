"""The types of a scenario's fields: bounds, description, and how a value may be abbreviated.

Shared by the reader of YAML, by the JSON Schema, and by what writes scenarios.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from msgspec import Struct, inspect

from fanin.simulator.durations import ACCEPTED, ACCEPTED_ABSOLUTE
from fanin.simulator.language.scenario import Sender
from fanin.simulator.shapes import Delay

# Shapes that may be written as the value of one of their fields: ``sender: acr``, ``latency: 5ms``.
SHORTHAND: dict[type, str] = {Delay: "fixed", Sender: "profile"}

_PLAIN: dict[type[inspect.Type], str] = {
    inspect.VarTupleType: "a list",
    inspect.DictType: "'name: value' pairs",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
}


@dataclass(frozen=True, slots=True)
class FieldType:
    """A field's type without its annotations, and what these say.

    None is no type here: YAML says it by leaving the field out, or with ``word``.
    """

    type: inspect.Type
    description: str
    duration: bool  # an int of milliseconds, written as a duration
    absolute: bool  # … which may not be a multiple of the timeout
    word: str  # what says None here; empty where only leaving it out does

    @classmethod
    def of(cls, annotated: inspect.Type) -> "FieldType":
        marks: dict[str, Any] = {}
        description = ""
        inner = annotated
        while isinstance(inner, inspect.Metadata | inspect.UnionType):
            if isinstance(inner, inspect.UnionType):
                rest = [each for each in inner.types if not isinstance(each, inspect.NoneType)]
                if len(rest) > 1:
                    break
                inner = rest[0]
                continue
            marks |= inner.extra or {}
            description = description or (inner.extra_json_schema or {}).get("description", "")
            inner = inner.type
        return cls(
            inner,
            description,
            marks.get("duration", False),
            marks.get("absolute", False),
            marks.get("none", ""),
        )

    def accepted(self) -> str:
        """What may be written here, for the end of a message."""
        if self.duration:
            return ACCEPTED_ABSOLUTE if self.absolute else ACCEPTED
        if isinstance(self.type, inspect.StructType):
            mapping = f"a mapping with {', '.join(field_names(self.type))}"
            short = shorthand(self.type)
            return mapping if short is None else f"{FieldType.of(short.type).accepted()}, or {mapping}"
        if isinstance(self.type, inspect.UnionType):
            return f"a mapping with 'fault', one of {', '.join(tags(self.type))}"
        if isinstance(self.type, inspect.LiteralType):
            return f"one of {', '.join(map(str, self.type.values))}"
        return _PLAIN.get(type(self.type)) or self.description or "text"


@cache  # msgspec looks through all the annotations anew each time, which is most of what writing YAML costs
def shape_of(struct: type[Struct]) -> inspect.StructType:
    """A struct's fields and their types."""
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{struct} is no struct")
    return info


def shorthand(shape: inspect.StructType) -> inspect.Field | None:
    """The field whose value may stand for the whole shape, if it has one."""
    name = SHORTHAND.get(shape.cls)
    return next((each for each in shape.fields if each.encode_name == name), None)


def field_names(shape: inspect.StructType) -> list[str]:
    """The names of a shape's fields as YAML writes them."""
    return [*([shape.tag_field] if shape.tag_field else []), *(each.encode_name for each in shape.fields)]


def tags(union: inspect.UnionType) -> dict[str, inspect.StructType]:
    """The shapes of a union by their tags."""
    return {str(each.tag): each for each in union.types if isinstance(each, inspect.StructType)}
