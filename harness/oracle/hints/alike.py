"""Operations that an aggregator may take for one another, because their keys are alike."""

import re
import unicodedata
from urllib.parse import unquote

from fanin.harness.oracle.violation import OperationView

# Keys are cut where a column ends.
_COLUMN = 64
# Of the parts of an image's key, no more than one may differ.
_PART = re.compile(r"[\s/:@]+")


def is_like_another(view: OperationView) -> bool:
    """Whether another operation's key differs from this one's in little that programs keep."""
    key = view.operation.key
    others = (it.key for it in view.evidence.operations if it is not view.operation)
    if view.evidence.scenario.correlation == "image":
        return any(_differ_in_one_part(key, other) for other in others if not _is_push_of(other, key))
    plain = _normalised(key)
    return any(_normalised(other) == plain or _is_cut_alike(key, other) for other in others)


def shares_its_tag(view: OperationView) -> bool:
    """Whether an operation that had no outcome yet when this one began is about the same tag."""
    images = {(it.repository, it.tag) for it in view.operation.events if it.tag}
    began = min(it.at for it in view.operation.events)
    return any(
        other is not view.operation
        and any((it.repository, it.tag) in images and it.at <= began for it in other.events)
        and all(told.at >= began for told in other.notifications[:1])
        for other in view.evidence.operations
    )


def is_pushed_again(view: OperationView) -> bool:
    """Whether it is a later push of an image."""
    return view.operation.key.endswith(")") and " (push " in view.operation.key


def _is_push_of(key: str, other: str) -> bool:
    return key.partition(" (push ")[0] == other.partition(" (push ")[0]


def _normalised(key: str) -> str:
    """Without case, accents, percent-encoding, zeros in front, and what is no ASCII letter or digit."""
    plain = unicodedata.normalize("NFKD", unquote(key)).casefold()
    return "".join(it for it in plain if it.isascii() and it.isalnum()).lstrip("0")


def _is_cut_alike(key: str, other: str) -> bool:
    return min(len(key), len(other)) >= _COLUMN and key[:_COLUMN] == other[:_COLUMN]


def _parts(key: str) -> list[str]:
    return _PART.split(key.partition(" (push ")[0])


def _differ_in_one_part(key: str, other: str) -> bool:
    if _normalised(key) == _normalised(other):
        return True
    ours, theirs = _parts(key), _parts(other)
    if len(ours) == len(theirs):
        return sum(one != another for one, another in zip(ours, theirs, strict=True)) == 1
    return not set(ours) - set(theirs) or not set(theirs) - set(ours)
