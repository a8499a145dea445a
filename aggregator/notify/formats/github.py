"""GitHub's ``POST /repos/{owner}/{repo}/dispatches``, which starts workflows ``on: repository_dispatch``.

REST API, "Create a repository dispatch event": the type has at most 100 characters, the payload less than 64
KB and at most ten properties, so what is not of the contract is one level down. The answer is 204. 403 and
429 may carry ``Retry-After``, for the token as a whole; 404 also means that a token may not, and 422 that a
workflow is over its limits, so none of them is final.
"""

from typing import Any

import msgspec

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.formats.json import body_of
from fanin.aggregator.notify.formats.text import outcome_of

# Of each list of regions. Two of them and what else may be in it stay under 64 KB.
LIST_BYTES_MAX = 20_000

DETAILS = ("registry", "name", "version", "mediaType", "requestId", "test")

_encoder = msgspec.json.Encoder()
_HEADERS = {
    "accept": "application/vnd.github+json",
    "content-type": "application/json",
    "x-github-api-version": "2022-11-28",
}


def render(notification: Notification) -> Message:
    """The dispatch: what happened as the type, the plain notification as the payload."""
    payload: dict[str, Any] = msgspec.to_builtins(body_of(notification))
    details = {name: payload.pop(name) for name in DETAILS if name in payload}
    for name in ("arrived", "missing"):
        shown = _fitting(payload[name])
        if len(shown) < len(payload[name]):
            details["truncated"] = True
        payload[name] = shown
    if details:
        payload["details"] = details
    event_type = f"fanin-{outcome_of(notification).replace('_', '-')}"
    body = {"event_type": event_type, "client_payload": payload}
    return Message(_HEADERS, _encoder.encode(body))


def _fitting(names: list[str]) -> list[str]:
    """The first of them, as many as there is room for."""
    shown: list[str] = []
    size = 0
    for name in names:
        size += len(_encoder.encode(name)) + 1
        if size > LIST_BYTES_MAX:
            break
        shown.append(name)
    return shown


def receives(address: Address) -> bool:
    """Whether it is where a repository's dispatches go."""
    parts = address.path.split("/")
    return address.host == "api.github.com" and parts[1:2] == ["repos"] and parts[4:] == ["dispatches"]


FORMAT = Format(
    render=render,
    rate_limited=True,
    needs_bearer=True,
    receives=receives,
)
