"""A target's dialect: how it takes webhooks and settings, and what its notifications and responses mean.

Rules of this file: pure. Notifications and responses are translated into the contract's terms
(``docs/contract.md``) before they are recorded, so that only this file knows dialects. What a notification
does not hold is listed (`Dialect.unobservable`), never made up.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from fanin.harness import placement
from fanin.harness.history import REFUSAL, SUCCESS, NotificationPart
from fanin.simulator.shapes import Strict
from fanin.simulator.wire import WebhookRequest, normalise_region

NOTHING = "nothing"
_HEADER = "header "
_LOCATION = r"/[^\n]*|header [!#$%&'*+.^_`|~0-9A-Za-z-]+"

Source = Annotated[
    str,
    Meta(
        pattern=f"^(?:{_LOCATION})$",
        max_length=512,
        description="a JSON pointer such as /data/id, or a header such as 'header x-event-id'",
    ),
]
OptionalSource = Annotated[
    str,
    Meta(
        pattern=f"^(?:{_LOCATION}|{NOTHING})$",
        max_length=512,
        description=f"a JSON pointer such as /data/tag, a header such as 'header x-tag', or {NOTHING}",
    ),
]
Spelling = Annotated[str, Meta(min_length=1, max_length=256, description="text of 1 to 256 characters")]
Status = Annotated[int, Meta(ge=100, le=599, description="an HTTP status")]


class NotificationDialect(Strict, frozen=True):
    """Where a notification holds what: JSON pointers into its body, or its headers.

    Attributes:
        id: The operation's id.
        outcome: The operation's outcome …
        completed: … how it is spelled when every region has arrived,
        timed_out: … and when some region has not.
        key: The idempotency key.
        arrived: The regions that have arrived: a list, names separated by commas, or an object's keys.
        missing: The regions that have not.
        action: What happened in the registry.
        repository: The image's repository.
        tag: Its tag.
        digest: Its digest.
        deadline: The operation's deadline; may be nothing, because the contract does not require it.
        registry: The registry's login server; may be nothing, and so may all that follow.
        name: A chart's name.
        version: A chart's version.
        media_type: The media type of the manifest or the chart.
        request_id: The registry's id of the request that pushed or deleted.
    """

    id: OptionalSource = "/id"
    outcome: Source = "/outcome"
    completed: Annotated[tuple[Spelling, ...], Meta(min_length=1)] = ("completed",)
    timed_out: Annotated[tuple[Spelling, ...], Meta(min_length=1)] = ("timed_out",)
    key: OptionalSource = "header webhook-id"
    arrived: OptionalSource = "/arrived"
    missing: OptionalSource = "/missing"
    action: OptionalSource = "/action"
    repository: OptionalSource = "/repository"
    tag: OptionalSource = "/tag"
    digest: OptionalSource = "/digest"
    deadline: OptionalSource = "/deadline"
    registry: OptionalSource = "/registry"
    name: OptionalSource = "/name"
    version: OptionalSource = "/version"
    media_type: OptionalSource = "/mediaType"
    request_id: OptionalSource = "/requestId"


class ResponseDialect(Strict, frozen=True):
    """The meaning of statuses with which webhooks are answered, where it is not that of HTTP.

    Attributes:
        accepted: The webhook is stored, or was before; recorded as 202.
        ignored: The webhook is valid and starts nothing, such as a ping; recorded as 200.
        refused: The webhook is not stored and never will be; recorded as 400.
        busy: The webhook is not stored and may be sent again; recorded as 503.
    """

    accepted: tuple[Status, ...] = ()
    ignored: tuple[Status, ...] = ()
    refused: tuple[Status, ...] = ()
    busy: tuple[Status, ...] = ()


_RECORDED = {"accepted": 202, "ignored": 200, "refused": 400, "busy": 503}
_BODY = ("id", "outcome", "arrived", "missing", "action", "repository", "tag", "digest", "deadline")
_REGIONS = ("arrived", "missing")
# What a notification may say besides, and the contract's names for it.
_DETAILS = {
    "registry": "registry",
    "name": "name",
    "version": "version",
    "media_type": "mediaType",
    "request_id": "requestId",
}


class Dialect:
    """Translates between the contract's terms and a target's own.

    Args:
        notification: Where its notifications hold what.
        responses: What its responses mean.
        path: Where it takes webhooks, with ``{region}``; None: where the contract has it.
        env: Variables that it reads besides those of the contract, each with a template
            (`fanin.harness.placement`).
    """

    def __init__(
        self,
        notification: NotificationDialect | None = None,
        responses: ResponseDialect | None = None,
        *,
        path: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._path, self._env = path, env or {}
        self._notification = notification or NotificationDialect()
        self._is_default = self._notification == NotificationDialect()
        meanings = responses or ResponseDialect()
        self._statuses = {
            status: recorded
            for meaning, recorded in _RECORDED.items()
            for status in getattr(meanings, meaning)
            if _class_of(status) != _class_of(recorded) or recorded == _RECORDED["ignored"]
        }

    @property
    def unobservable(self) -> tuple[NotificationPart, ...]:
        """The parts that its notifications never hold."""
        return tuple(
            part for part in get_args(NotificationPart) if getattr(self._notification, part, "") == NOTHING
        )

    @property
    def path(self) -> str:
        """Where it takes webhooks, as a template."""
        return self._path or placement.PATH

    def request(self, request: WebhookRequest) -> WebhookRequest:
        """A webhook's request as the target takes it."""
        return request if self._path is None else placement.placed(request, self._path)

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The settings of one start, under the contract's names and under the target's own."""
        return {**settings, **placement.variables(self._env, settings)}

    def status(self, status: int) -> int:
        """The status of a response in the contract's terms."""
        return self._statuses.get(status, status)

    def notification(
        self, headers: Mapping[str, str], content: bytes, regions: Sequence[str]
    ) -> tuple[str | None, dict[str, Any] | None]:
        """Read a notification.

        Args:
            headers: By name in lower case.
            content: The body.
            regions: Those expected. Where only one of arrived and missing is held, the other is the rest.

        Returns:
            Its key, and its body with the contract's names; None for what is missing or not JSON.
        """
        if self._is_default:
            return headers.get("webhook-id"), _object(content)
        document = _json(content)
        key = _value_at(self._notification.key, headers, document)
        body = {}
        for part in _BODY:
            value = _value_at(getattr(self._notification, part), headers, document)
            if value is not None:
                body[part] = _name_list(value) if part in _REGIONS else value
        for part, name in _DETAILS.items():
            value = _value_at(getattr(self._notification, part), headers, document)
            if value is not None:
                body[name] = value
        if isinstance(body.get("id"), int):
            body["id"] = str(body["id"])
        body = self._with_outcome(body) | self._complement(body, regions)
        return None if key is None else str(key), body or None

    def _with_outcome(self, body: dict[str, Any]) -> dict[str, Any]:
        outcome = body.get("outcome")
        text = outcome if isinstance(outcome, str) else msgspec.json.encode(outcome).decode()
        if text in self._notification.completed:
            return body | {"outcome": "completed"}
        return body | ({"outcome": "timed_out"} if text in self._notification.timed_out else {})

    def _complement(self, body: Mapping[str, Any], regions: Sequence[str]) -> dict[str, Any]:
        """The list that the notification does not hold: the expected regions missing from the other."""
        for absent, present in (_REGIONS, _REGIONS[::-1]):
            names = body.get(present)
            if getattr(self._notification, absent) == NOTHING and isinstance(names, list):
                named = {normalise_region(str(name)) for name in names}
                return {absent: [region for region in regions if normalise_region(region) not in named]}
        return {}


CONTRACT = Dialect()  # that of a target which keeps to the contract


def _class_of(status: int) -> str:
    if status in SUCCESS:
        return "success"
    return "refusal" if status in REFUSAL else str(status)


def _value_at(where: str, headers: Mapping[str, str], document: Any) -> Any:
    if where == NOTHING:
        return None
    if where.startswith(_HEADER):
        return headers.get(where.removeprefix(_HEADER).lower())
    return resolve_pointer(document, where)


def resolve_pointer(document: Any, pointer: str) -> Any:
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


def _name_list(value: Any) -> Any:
    """A list of names from any of its forms; anything else is left as it is, and found wrong later."""
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
