"""A notification's body, read without trusting it (contract, clause 9)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

OUTCOMES = ("completed", "timed_out")
# Unix time in seconds has ten digits until the year 2286; what is larger is milliseconds.
_SECONDS_MAX = 10**10


class Notice(msgspec.Struct, frozen=True):
    """What a notification says. What it lacks, or says in another shape than agreed, is None."""

    id: str | None
    outcome: str | None  # completed or timed_out
    arrived: tuple[str, ...] | None  # trimmed, case-folded, sorted
    missing: tuple[str, ...] | None
    action: str | None
    repository: str | None
    tag: str | None  # None when empty as well: a push by digest has none
    digest: str | None
    deadline: str | int | float | None  # as it stands in the body
    said_outcome: Any  # as it stands in the body, for messages

    @property
    def image(self) -> tuple[str | None, ...]:
        """What identifies the operation where ids do not."""
        return (self.action, self.repository, self.tag, self.digest)


_SILENCE = Notice(None, None, None, None, None, None, None, None, None, None)


def read_notice(body: Mapping[str, Any] | None) -> Notice:
    """Read a body of any shape."""
    if body is None:
        return _SILENCE
    said = body.get("outcome")
    deadline = body.get("deadline")
    return Notice(
        id=_text(body.get("id")),
        outcome=said if isinstance(said, str) and said in OUTCOMES else None,
        arrived=_regions(body.get("arrived")),
        missing=_regions(body.get("missing")),
        action=_text(body.get("action")),
        repository=_text(body.get("repository")),
        tag=_text(body.get("tag")),
        digest=_text(body.get("digest")),
        deadline=deadline if isinstance(deadline, str | int | float) else None,
        said_outcome=said,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _regions(value: Any) -> tuple[str, ...] | None:
    """Region names as they compare, sorted; repeats are kept, because naming a region twice is wrong."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(sorted(name.strip().casefold() for name in value))


def instant_ms(deadline: str | float) -> int | None:
    """A told deadline as Unix milliseconds: ISO 8601 with an offset, or Unix time in seconds or milliseconds.

    None when it is none of these.
    """
    if isinstance(deadline, str):
        try:
            instant = datetime.fromisoformat(deadline)
        except ValueError:
            return None
        return None if instant.tzinfo is None else round(instant.timestamp() * 1000)
    try:
        return round(deadline if abs(deadline) >= _SECONDS_MAX else deadline * 1000)
    except (OverflowError, ValueError):
        return None
