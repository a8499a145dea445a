"""What may be written at a place of a scenario's YAML: fields and values, from the JSON Schema.

Rules of this file: pure; the text is read line by line, by its indentation, because a text that is
being typed is rarely YAML; the names of a scenario's own regions and operations are offered where the
schema's pattern asks for one.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec

from fanin.simulator.language.schema import schema

OFFERED_MAX = 40
_KEY = re.compile(r"^(?P<dash>(?:- )*)(?P<name>[A-Za-z_]+):(?P<rest>.*)$")
_FLOW_FIELD = re.compile(r"(?:^|[{,]\s*)(?P<name>[A-Za-z_]+):\s*(?P<value>[^,{}\[\]]*)")


class Offer(msgspec.Struct, frozen=True):
    """One thing that may be written."""

    text: str  # what is inserted
    detail: str = ""  # what it is for


class Completion(msgspec.Struct, frozen=True):
    """What may replace the text from ``start`` to the cursor; both count characters."""

    start: int
    offers: tuple[Offer, ...]


def complete(text: str, cursor: int) -> Completion:
    """What may be written at the cursor."""
    before = text[: max(0, min(cursor, len(text)))]
    lines = before.split("\n")
    line = lines[-1]
    word = re.search(r"[A-Za-z0-9_.-]*$", line)
    typed = word.group() if word else ""
    place = _place(lines)
    found = _offers(place, text)
    fitting = [it for it in found if it.text.casefold().startswith(typed.casefold()) and it.text != typed]
    return Completion(len(before) - len(typed), tuple(fitting[:OFFERED_MAX]))


class _Place(msgspec.Struct, frozen=True):
    path: tuple[str, ...]  # names of fields, "-" for an item of a list
    field: str  # whose value is written; empty: a field's name is written
    siblings: dict[str, str]  # fields that stand beside it already


def _place(lines: Sequence[str]) -> _Place:
    """Where the end of the last line is."""
    line = lines[-1]
    indent = _indent(line)
    path = _parents(lines[:-1], indent if line.strip() else len(line))
    body = line.strip()
    while body.startswith("- "):
        path, body = (*path, "-"), body[2:].lstrip()
    if body == "-":
        return _Place((*path, "-"), "", {})
    opened = body.rfind("{")
    if opened > body.rfind("}"):
        inside = body[opened + 1 :]
        head = _KEY.match(body[:opened].strip())
        if head:
            path = (*path, head["name"])
        last = inside.rpartition(",")[2]
        name, colon, _ = last.partition(":")
        siblings = {it["name"]: it["value"].strip() for it in _FLOW_FIELD.finditer(inside.rpartition(",")[0])}
        return _Place(path, name.strip() if colon else "", siblings)
    if (match := _KEY.match(body)) is not None:
        inside_list = match["rest"].lstrip().startswith("[")
        return _Place(
            (*path, match["name"]) if inside_list else path, "-" if inside_list else match["name"], {}
        )
    return _Place(path, "", {})


def _parents(lines: Sequence[str], indent: int) -> tuple[str, ...]:
    """The fields around a line with this indentation, from the outside in."""
    found: list[str] = []
    limit = indent
    for line in reversed(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        here = _indent(line)
        body = line.strip()
        dashes = 0
        while body.startswith("- "):
            dashes, body = dashes + 1, body[2:]
        key = _KEY.match(body)
        inner = here + 2 * dashes
        if dashes and inner <= limit and here < limit:
            found.append("-")
            limit = here
            continue
        if key and inner < limit and not key["rest"].strip():
            found.append(key["name"])
            limit = inner
        elif key and here == limit and dashes == 0 and not found and not key["rest"].strip() and limit > 0:
            continue
        if limit == 0:
            break
    return tuple(reversed(found))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


# --- from the schema ---


def _offers(place: _Place, text: str) -> list[Offer]:
    shapes = _at(place.path)
    if not place.field:
        return [it for it in _fields(shapes, place.siblings) if it.text.rstrip(": ") not in place.siblings]
    shapes = (
        shapes if place.field == "-" else [it for shape in shapes for it in _property(shape, place.field)]
    )
    values = list(_values(shapes))
    if place.field in ("region", "-") and "regions" not in place.path:
        values += [Offer(name, "one of the scenario's regions") for name in _regions(text)]
    if place.field == "operation":
        values += [Offer(name, "one of the scenario's operations") for name in _operations(text)]
    return values


@cache
def _root() -> dict[str, Any]:
    return schema()


def _at(path: Sequence[str]) -> list[dict[str, Any]]:
    """The schemas that may hold at a path."""
    shapes = [_root()]
    for name in path:
        following: list[dict[str, Any]] = []
        for shape in _spread(shapes):
            if name == "-":
                following += [shape["items"]] if "items" in shape else []
            else:
                following += _property(shape, name)
        shapes = following
    return list(_spread(shapes))


def _spread(shapes: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each shape with its references followed and its alternatives apart."""
    for shape in shapes:
        if "$ref" in shape:
            yield from _spread([_root()["$defs"][shape["$ref"].rpartition("/")[2]]])
        alternatives = [*shape.get("anyOf", ()), *shape.get("oneOf", ())]
        if alternatives and "properties" not in shape:
            yield from _spread(alternatives)
        elif "$ref" not in shape:
            yield shape


def _property(shape: dict[str, Any], name: str) -> list[dict[str, Any]]:
    properties = shape.get("properties", {})
    if name in properties:
        return list(_spread([properties[name]]))
    additional = shape.get("additionalProperties")
    return list(_spread([additional])) if isinstance(additional, dict) else []


def _fields(shapes: Sequence[dict[str, Any]], siblings: dict[str, str]) -> Iterator[Offer]:
    kind = siblings.get("fault")
    seen = set()
    for shape in shapes:
        properties = shape.get("properties", {})
        if kind and properties.get("fault", {}).get("const") not in (kind, None):
            continue
        for name, said in properties.items():
            if name not in seen:
                seen.add(name)
                yield Offer(f"{name}: ", said.get("description", ""))


def _values(shapes: Sequence[dict[str, Any]]) -> Iterator[Offer]:
    for shape in shapes:
        for value in (*shape.get("enum", ()), *((shape["const"],) if "const" in shape else ())):
            yield Offer(str(value), shape.get("description", ""))
        if shape.get("type") == "boolean":
            yield from (Offer("true"), Offer("false"))


def _regions(text: str) -> list[str]:
    listed = re.search(r"^regions:\s*\[([^\]]*)\]", text, re.MULTILINE)
    if listed:
        return [name.strip().strip("\"'") for name in listed[1].split(",") if name.strip()]
    return list(_root()["properties"]["regions"].get("default", ())) or [
        "northeurope",
        "westeurope",
        "eastus",
    ]


def _operations(text: str) -> list[str]:
    names = re.findall(r"\bname:\s*([A-Za-z0-9._-]+)", text)
    return names or ["op1"]
