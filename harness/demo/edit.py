"""Changes a scenario's YAML as its author would: a fault is added or removed, the timeout is another one.

Rules of this file: pure; what the author wrote stays as it was written, comments included; the loader checks
the result. What a scenario expects, and the verdict that it states, are about the world before the change, so
both go.
"""

import io
import re
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

_STATED = ("expect", "verdict")
_LINE_MAX = 100_000  # lines are never folded
# What YAML 1.1 reads as text without quotes.
_PLAIN = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9._/-]*|[0-9.]+(?:ms|s|m|h|d)+",
    re.IGNORECASE,
)


class AddFault(msgspec.Struct, frozen=True, tag_field="change", tag="add-fault", forbid_unknown_fields=True):
    """Append a fault; its fields as YAML has them."""

    fault: dict[str, str | int | float | list[str]]


class RemoveFault(
    msgspec.Struct, frozen=True, tag_field="change", tag="remove-fault", forbid_unknown_fields=True
):
    """Remove the fault at this place in ``faults``, from 0."""

    index: int


class SetTimeout(msgspec.Struct, frozen=True, tag_field="change", tag="timeout", forbid_unknown_fields=True):
    """Set the timeout."""

    timeout: str


type Change = AddFault | RemoveFault | SetTimeout


class EditError(Exception):
    """The text cannot be changed; the message says why."""


def changed(text: str, change: Change) -> str:
    """The scenario with one change.

    Raises:
        EditError: it is no mapping, or has no such fault.
    """
    yaml = _yaml(text)
    try:
        root = yaml.load(text)
    except (YAMLError, ValueError, RecursionError) as exc:  # no such date or number; nested too deeply
        raise EditError("the scenario has an error; mend it first") from exc
    if not isinstance(root, CommentedMap):
        raise EditError("the scenario is no mapping of fields; mend it first")
    _apply(root, change)
    for name in _STATED:
        root.pop(name, None)
    written = io.StringIO()
    yaml.dump(root, written)
    return written.getvalue()


def _apply(root: CommentedMap, change: Change) -> None:
    match change:
        case SetTimeout():
            if "timeout" in root:
                root["timeout"] = change.timeout
            else:
                root.insert(_after(root, ("description", "title", "scenario")), "timeout", change.timeout)
        case AddFault():
            faults = _faults(root)
            faults.append(_flow(change.fault))
        case RemoveFault():
            faults = _faults(root)
            if not 0 <= change.index < len(faults):
                raise EditError(f"there is no fault {change.index}; there are {len(faults)}")
            del faults[change.index]
            if not faults:
                del root["faults"]


def _faults(root: CommentedMap) -> Any:
    faults = root.get("faults")
    if faults is None:
        faults = CommentedSeq()
        root.insert(_after(root, tuple(name for name in root if name not in _STATED)), "faults", faults)
    if not isinstance(faults, list):
        raise EditError("'faults' is no list; mend it first")
    return faults


def _after(root: CommentedMap, names: tuple[str, ...]) -> int:
    """The position behind the last of these fields."""
    return max((nth + 1 for nth, name in enumerate(root) if name in names), default=0)


def _flow(fields: dict[str, Any]) -> CommentedMap:
    """A mapping on one line."""
    fault = CommentedMap({name: _scalar(value) for name, value in fields.items()})
    fault.fa.set_flow_style()
    return fault


def _scalar(value: Any) -> Any:
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value


def _yaml(text: str) -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _LINE_MAX
    if re.search(r"^[a-z]+:\s*\n- ", text, re.MULTILINE):
        yaml.indent(mapping=2, sequence=2, offset=0)
    else:
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
