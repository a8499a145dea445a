"""A notification's body, read without trusting it (contract, clause 9)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from fanin.simulator.wire import normalise_region

OUTCOMES = ("completed", "timed_out")
# No outcome: the message that the last of the missing regions has reported after a timeout.
COMPLETED_LATE = "completed_late"
# What a notification may say besides. Only a chart has a name and a version.
DETAILS = ("registry", "name", "version", "mediaType", "requestId")
# Unix time in seconds has ten digits until the year 2286; what is larger is milliseconds.
_SECONDS_MAX = 10**10


class NotificationBody(msgspec.Struct, frozen=True):
    """The fields of a notification. A field that is absent, or of another shape than agreed, is None.

    Action, repository, tag and digest of another shape are not: None is right where an operation has none.
    """

    id: str | None = None
    outcome: str | None = None  # completed or timed_out
    arrived: tuple[str, ...] | None = None  # normalised, sorted
    missing: tuple[str, ...] | None = None  # normalised, sorted
    action: str | None = None
    repository: str | None = None
    tag: str | None = None  # None when empty as well: a push by digest has none
    digest: str | None = None
    deadline: Any = None  # as it stands in the body
    raw_outcome: Any = None  # as it stands in the body, for messages
    details: dict[str, Any] = {}  # those that are there and not empty, as they stand in the body

    @property
    def content(self) -> tuple[str | None, ...]:
        """What identifies the operation where ids do not."""
        return (self.action, self.repository, self.tag, self.digest)


def read_body(body: Mapping[str, Any] | None) -> NotificationBody:
    """Read a body of any shape."""
    if body is None:
        return NotificationBody()
    outcome = body.get("outcome")
    deadline = body.get("deadline")
    return NotificationBody(
        id=_text(body.get("id")) if isinstance(body.get("id"), str) else None,
        outcome=outcome if isinstance(outcome, str) and outcome in OUTCOMES else None,
        arrived=_regions(body.get("arrived")),
        missing=_regions(body.get("missing")),
        action=_text(body.get("action")),
        repository=_text(body.get("repository")),
        tag=_text(body.get("tag")),
        digest=_text(body.get("digest")),
        deadline=deadline,
        raw_outcome=outcome,
        details={name: body[name] for name in DETAILS if body.get(name) not in (None, "")},
    )


def instant_ms(deadline: Any) -> int | None:
    """A deadline as Unix milliseconds: ISO 8601 with an offset, or Unix time in seconds or milliseconds.

    None when it is none of these.
    """
    if isinstance(deadline, str):
        try:
            instant = datetime.fromisoformat(deadline)
        except ValueError:
            return None
        return None if instant.tzinfo is None else round(instant.timestamp() * 1000)
    if isinstance(deadline, bool) or not isinstance(deadline, int | float):
        return None
    try:
        return round(deadline if abs(deadline) >= _SECONDS_MAX else deadline * 1000)
    except (OverflowError, ValueError):
        return None


def _text(value: Any) -> str | None:
    """Text as it is, empty as None; of anything else what no operation is called."""
    return value or None if value is None or isinstance(value, str) else f"({type(value).__name__}) {value}"


def _regions(value: Any) -> tuple[str, ...] | None:
    """Region names, normalised and sorted; repeats are kept, because naming a region twice is wrong."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(sorted(map(normalise_region, value)))
