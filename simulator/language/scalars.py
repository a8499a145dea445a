"""Reads single values: text, numbers, choices, durations.

Rule of this file: what YAML 1.1 would quietly turn into something else is refused, with the way to write it:
``no`` is not a name, ``12:30`` no number (it would be 750), ``010`` not ten (it would be eight), and ``120``
no duration, because it has no unit.
"""

import re
from typing import Any

from msgspec import inspect

from fanin.simulator.durations import format_duration, parse_duration
from fanin.simulator.language.field_types import FieldType
from fanin.simulator.language.problems import Report
from fanin.simulator.language.yaml_nodes import Node, ScalarNode, SequenceNode
from fanin.simulator.text import hint, quoted, shortened

_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})?(?:\.[0-9]{0,24})?(?:[eE][-+][0-9]{1,3})?")
_KINDS = {"bool": "yes or no", "int": "a number", "float": "a number", "timestamp": "a date"}


class ScalarReader:
    """Reads single values. None means: there was a problem, and it is reported."""

    def __init__(self, report: Report, timeout_ms: int) -> None:
        self._report, self._timeout_ms = report, timeout_ms

    def read(self, node: Node, kind: FieldType, label: str) -> Any:
        """Read a node. ``label`` names it in messages."""
        try:
            return self._value(node, kind)
        except _RefusalError as exc:
            self._report.add(node.mark, f"{label}: {exc}")
            return None

    def _value(self, node: Node, kind: FieldType) -> Any:
        if not isinstance(node, ScalarNode):
            found = "a list" if isinstance(node, SequenceNode) else "a mapping"
            raise _RefusalError(f"{found}, where one value is meant; write {kind.accepted()}")
        if node.kind == "null":
            nothing = f"{node.text} is nothing" if node.text else "there is no value"
            raise _RefusalError(f"{nothing}; write {kind.accepted()}, or leave it out")
        if kind.duration:
            return _bounded(self._duration(node, kind), kind)
        value: Any
        match kind.type:
            case inspect.StrType():
                value = _text(node, kind.type, kind)
            case inspect.LiteralType():
                value = _choice(node, kind.type)
            case inspect.IntType():
                value = _bounded(_whole(node), kind)
            case inspect.FloatType():
                value = _bounded(_number(node), kind)
            case inspect.BoolType():
                value = _truth(node)
            case _:
                raise NotImplementedError(f"a field has the type {kind.type}, which cannot be read")
        return value

    def _duration(self, node: ScalarNode, kind: FieldType) -> int:
        try:
            return parse_duration(node.text, timeout_ms=None if kind.absolute else self._timeout_ms)
        except ValueError as exc:
            word = f", or {kind.word}{hint(node.text, [kind.word])}" if kind.word else ""
            raise _RefusalError(f"{exc}{word}") from exc


class _RefusalError(Exception):
    """Its text says what was found and what is accepted."""


def _text(node: ScalarNode, rule: inspect.StrType, kind: FieldType) -> str:
    if node.kind != "str":
        taken, shown = _KINDS.get(node.kind, "a sign of its own"), shortened(node.text)
        raise _RefusalError(f"YAML takes {shown} for {taken}; in quotes it is text: '{shown}'")
    if rule.max_length is not None and len(node.text) > rule.max_length:
        raise _RefusalError(f"{len(node.text)} characters; at most {rule.max_length}")
    if len(node.text) < (rule.min_length or 0) or (
        rule.pattern is not None and not re.fullmatch(rule.pattern, node.text)
    ):
        raise _RefusalError(f"{quoted(node.text)} is not accepted; write {kind.accepted()}")
    return node.text


def _choice(node: ScalarNode, rule: inspect.LiteralType) -> str:
    choices = [str(each) for each in rule.values]
    if node.text not in choices:
        names = ", ".join(choices)
        raise _RefusalError(f"{quoted(node.text)} is no choice; there are {names}{hint(node.text, choices)}")
    return node.text


def _whole(node: ScalarNode) -> int:
    if node.kind == "int" and _WHOLE.fullmatch(node.text):
        return int(node.text)
    quotes = ", without quotes" if _WHOLE.fullmatch(node.text) else ""
    raise _RefusalError(
        f"{quoted(node.text)} is not a plain whole number; write decimal digits, such as 3{quotes}"
    )


def _number(node: ScalarNode) -> float:
    if node.kind in ("int", "float") and _DECIMAL.fullmatch(node.text):
        return float(node.text)
    quotes = ", without quotes" if _DECIMAL.fullmatch(node.text) else ""
    raise _RefusalError(
        f"{quoted(node.text)} is not a plain number; write decimal digits, such as 0.5{quotes}"
    )


def _truth(node: ScalarNode) -> bool:
    if node.kind != "bool" or node.text not in ("true", "false"):
        raise _RefusalError(f"{quoted(node.text)} is neither true nor false; write true or false")
    return node.text == "true"


def _bounded[N: (int, float)](value: N, kind: FieldType) -> N:
    rule = kind.type
    if isinstance(rule, inspect.IntType | inspect.FloatType):
        if rule.ge is not None and value < rule.ge:
            small = "short" if kind.duration else "small"
            raise _RefusalError(f"{_shown(value, kind)} is too {small}; at least {_shown(rule.ge, kind)}")
        if rule.le is not None and value > rule.le:
            big = "long" if kind.duration else "large"
            raise _RefusalError(f"{_shown(value, kind)} is too {big}; at most {_shown(rule.le, kind)}")
    return value


def _shown(value: float, kind: FieldType) -> str:
    return format_duration(int(value)) if kind.duration else f"{value:.15g}"
