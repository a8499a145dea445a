"""Decodes JSON Lines that come from a file of the user's, and says in words what is wrong with one.

Rules of this file: every error of a decoder becomes a `LineError`, which knows no file; a byte order mark is
accepted, as it is in scenario files.
"""

import codecs
import re
from typing import Any

import msgspec

from fanin.simulator.text import quoted

_AT = re.compile(r"(?P<what>.*) - at `(?P<path>[^`]*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_EXPECTED = re.compile(r"Expected `(?P<want>[^`]*)`, got `(?P<got>[^`]*)`")
_BOUND = re.compile(r"Expected `(?P<want>[^`]*)` (?P<bound>[<>]=? .*)")
_TRUNCATED = "Input data was truncated"
# msgspec names types as Python does.
_TYPES = {
    "null": "null", "bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text",
    "array": "a list", "object": "an object",
}  # fmt: skip


class LineError(Exception):
    """A line does not hold what it should. The message names neither file nor line."""


class OtherLineError(LineError):
    """It is no JSON, or an object of another type."""


def lines_of(content: bytes) -> list[bytes]:
    """The lines of a file."""
    return content.removeprefix(codecs.BOM_UTF8).splitlines()


def decode[Shape](decoder: msgspec.json.Decoder[Shape], types: tuple[str, ...], line: bytes) -> Shape:
    """One line as a value.

    Args:
        decoder: Of objects that a field ``type`` tells apart.
        types: The values of that field.
        line: The line, without its end.

    Raises:
        OtherLineError: it is no JSON, or none of these objects.
        LineError: it is one of them, with a field that is missing or wrong.
    """
    if not line.strip():
        raise OtherLineError("the line is empty")
    try:
        return decoder.decode(line)
    except msgspec.ValidationError as exc:
        if problem := _problem_of_type(_document(line), types):
            raise OtherLineError(problem) from None
        raise LineError(_in_words(str(exc))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _document(line)  # says what is wrong with it
        raise


def _document(line: bytes) -> Any:
    """Any JSON.

    Raises:
        OtherLineError: it is none.
    """
    try:
        return msgspec.json.decode(line)
    except RecursionError:
        raise OtherLineError("nested too deeply") from None
    except UnicodeDecodeError:
        raise OtherLineError("not UTF-8") from None
    except msgspec.DecodeError as exc:
        raise OtherLineError(_no_json(str(exc))) from None


def _no_json(text: str) -> str:
    if text == _TRUNCATED:
        return "no JSON: the line ends in the middle of a value"
    return f"no JSON: {text.removeprefix('JSON is malformed: ')}"


def _problem_of_type(document: Any, types: tuple[str, ...]) -> str | None:
    """What is wrong with the field ``type``, which decides what the others mean; None if nothing is."""
    wanted = f"'type' is {types[0]!r}" if len(types) == 1 else f"'type' is one of {', '.join(types)}"
    if not isinstance(document, dict):
        return f"no JSON object, whose {wanted}"
    if "type" not in document:
        return f"the field 'type' is missing; {wanted}"
    if document["type"] not in types:
        given = document["type"]
        shown = quoted(given) if isinstance(given, str) else "this"
        return f"{shown} is no type of a line here; {wanted}"
    return None


def _in_words(text: str) -> str:
    """An error of msgspec's in the words of the file's author: no `$`, and no type of Python's."""
    placed = _AT.fullmatch(text)
    what, path = (
        (placed["what"], placed["path"].removeprefix("$").removeprefix(".")) if placed else (text, "")
    )
    if missing := _MISSING.fullmatch(what):
        field = f"{path}.{missing['field']}" if path else missing["field"]
        return f"the field {field!r} is missing"
    if expected := _EXPECTED.fullmatch(what):
        want = " or ".join(_TYPES.get(word, word) for word in expected["want"].split(" | "))
        what = f"{_TYPES.get(expected['got'], expected['got'])} stands where {want} belongs"
    elif bound := _BOUND.fullmatch(what):
        what = f"{_TYPES.get(bound['want'], bound['want'])} {bound['bound']} belongs here"
    return f"{path}: {what}" if path else what
