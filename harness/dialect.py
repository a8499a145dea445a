"""How a target speaks: where its notifications say what, and what its answers mean.

Rules of this file: pure. Everything is turned into the contract's own words (``docs/contract.md``) before it
is written down, so that nobody behind it knows that there are dialects. What a notification does not say is
named (`Dialect.unobservable`), never made up.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from fanin.harness.history import REFUSAL, SUCCESS, NotificationPart
from fanin.simulator.shapes import Strict
from fanin.simulator.wire import normalise_region

NOTHING = "nothing"
_HEADER = "header "
_WHERE = r"/[^\n]*|header [!#$%&'*+.^_`|~0-9A-Za-z-]+"

Where = Annotated[
    str,
    Meta(
        pattern=f"^(?:{_WHERE})$",
        max_length=512,
        description="a JSON pointer such as /data/id, or a header such as 'header x-event-id'",
    ),
]
WhereIfAnywhere = Annotated[
    str,
    Meta(
        pattern=f"^(?:{_WHERE}|{NOTHING})$",
        max_length=512,
        description=f"a JSON pointer such as /data/tag, a header such as 'header x-tag', or {NOTHING}",
    ),
]
Spelling = Annotated[str, Meta(min_length=1, max_length=256, description="text of 1 to 256 characters")]
Status = Annotated[int, Meta(ge=100, le=599, description="an HTTP status")]


class NotificationDialect(Strict, frozen=True):
    """Where a notification says what: JSON pointers into its body, or its headers.

    Attributes:
        id: The operation's id.
        outcome: What came of it …
        completed: … and how it spells that every region reported,
        timed_out: … and that some did not.
        key: The idempotency key.
        arrived: The regions that reported: a list, names with commas between them, or an object's keys.
        missing: The regions that did not.
        action: What happened in the registry.
        repository: The image's repository.
        tag: Its tag.
        digest: Its digest.
        deadline: When the operation would have timed out; may be nothing, because it need not be told.
    """

    id: WhereIfAnywhere = "/id"
    outcome: Where = "/outcome"
    completed: Annotated[tuple[Spelling, ...], Meta(min_length=1)] = ("completed",)
    timed_out: Annotated[tuple[Spelling, ...], Meta(min_length=1)] = ("timed_out",)
    key: WhereIfAnywhere = "header webhook-id"
    arrived: WhereIfAnywhere = "/arrived"
    missing: WhereIfAnywhere = "/missing"
    action: WhereIfAnywhere = "/action"
    repository: WhereIfAnywhere = "/repository"
    tag: WhereIfAnywhere = "/tag"
    digest: WhereIfAnywhere = "/digest"
    deadline: WhereIfAnywhere = "/deadline"


class AnswerDialect(Strict, frozen=True):
    """What the statuses of answers to webhooks mean, where that is not what HTTP says.

    Attributes:
        accepted: It is stored, or was before; written down as 202.
        ignored: It is fine and starts nothing, as a ping; written down as 200.
        refused: It is not stored and never will be; written down as 400.
        busy: It is not stored and may be sent again; written down as 503.
    """

    accepted: tuple[Status, ...] = ()
    ignored: tuple[Status, ...] = ()
    refused: tuple[Status, ...] = ()
    busy: tuple[Status, ...] = ()


_RECORDED = {"accepted": 202, "ignored": 200, "refused": 400, "busy": 503}
_BODY = ("id", "outcome", "arrived", "missing", "action", "repository", "tag", "digest", "deadline")
_REGIONS = ("arrived", "missing")


class Dialect:
    """What a target says, in the contract's words."""

    def __init__(
        self,
        notification: NotificationDialect | None = None,
        answers: AnswerDialect | None = None,
    ) -> None:
        self._notification = notification or NotificationDialect()
        self._plain = self._notification == NotificationDialect()
        meanings = answers or AnswerDialect()
        self._statuses = {
            status: recorded
            for meaning, recorded in _RECORDED.items()
            for status in getattr(meanings, meaning)
            if _class_of(status) != _class_of(recorded) or recorded == _RECORDED["ignored"]
        }

    @property
    def unobservable(self) -> tuple[NotificationPart, ...]:
        """What its notifications never say."""
        return tuple(
            part for part in get_args(NotificationPart) if getattr(self._notification, part, "") == NOTHING
        )

    def status(self, status: int) -> int:
        """What an answer's status means, as the contract would say it."""
        return self._statuses.get(status, status)

    def notification(
        self, headers: Mapping[str, str], content: bytes, regions: Sequence[str]
    ) -> tuple[str | None, dict[str, Any] | None]:
        """Read a notification.

        Args:
            headers: By name in lower case.
            content: The body.
            regions: Those expected. Where one of arrived and missing is not said, it is all the others.

        Returns:
            Its key, and its body with the contract's names; None for what is not there or not JSON.
        """
        if self._plain:
            return headers.get("webhook-id"), _object(content)
        document = _json(content)
        key = _found(self._notification.key, headers, document)
        body = {}
        for part in _BODY:
            value = _found(getattr(self._notification, part), headers, document)
            if value is not None:
                body[part] = _names(value) if part in _REGIONS else value
        if isinstance(body.get("id"), int):
            body["id"] = str(body["id"])
        body = self._with_outcome(body) | self._others(body, regions)
        return None if key is None else str(key), body or None

    def _with_outcome(self, body: dict[str, Any]) -> dict[str, Any]:
        said = body.get("outcome")
        text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        if text in self._notification.completed:
            return body | {"outcome": "completed"}
        return body | ({"outcome": "timed_out"} if text in self._notification.timed_out else {})

    def _others(self, body: Mapping[str, Any], regions: Sequence[str]) -> dict[str, Any]:
        """Of two lists that make up a known whole, one says the other."""
        for silent, telling in (_REGIONS, _REGIONS[::-1]):
            told = body.get(telling)
            if getattr(self._notification, silent) == NOTHING and isinstance(told, list):
                named = {normalise_region(str(name)) for name in told}
                return {silent: [region for region in regions if normalise_region(region) not in named]}
        return {}


PLAIN = Dialect()


def _class_of(status: int) -> str:
    if status in SUCCESS:
        return "success"
    return "refusal" if status in REFUSAL else str(status)


def _found(where: str, headers: Mapping[str, str], document: Any) -> Any:
    if where == NOTHING:
        return None
    if where.startswith(_HEADER):
        return headers.get(where.removeprefix(_HEADER).lower())
    return pointed_at(document, where)


def pointed_at(document: Any, pointer: str) -> Any:
    """The value that a JSON pointer (RFC 6901) leads to; None when there is none."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and re.fullmatch("0|[1-9][0-9]{0,8}", name):
            document = document[int(name)] if int(name) < len(document) else None
        else:
            return None
    return document


def _names(value: Any) -> Any:
    """A list of names, however it is written; anything else stays, and is found wrong later."""
    if isinstance(value, str):
        return [name for part in value.split(",") if (name := part.strip())]
    return list(value) if isinstance(value, dict) else value


def _object(content: bytes) -> dict[str, Any] | None:
    document = _json(content)
    return document if isinstance(document, dict) else None


def _json(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
