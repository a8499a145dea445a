"""GitHub's ``POST /repos/{owner}/{repo}/dispatches``, which starts workflows ``on: repository_dispatch``.

REST API, "Create a repository dispatch event": the type has at most 100 characters, the payload at most ten
properties and less than 64 KB. The answer is 204. 403 and 429 may carry ``Retry-After``, for the token as a
whole; 404 also means that a token may not, and 422 that a workflow is over its limits, so none of them is
final.
"""

from typing import Any

import msgspec

from fanin.aggregator.fanin import Notification, Phase
from fanin.aggregator.notify.formats import Format, Message
from fanin.aggregator.notify.formats.json import body_of

# Of each list of regions. Two of them and what else may be in it stay under 64 KB.
LIST_BYTES_MAX = 20_000

_encoder = msgspec.json.Encoder()
_HEADERS = {
    "accept": "application/vnd.github+json",
    "content-type": "application/json",
    "x-github-api-version": "2022-11-28",
}
EVENT_TYPES = {Phase.COMPLETED: "fanin-completed", Phase.TIMED_OUT: "fanin-timed-out"}


def render(notification: Notification) -> Message:
    """The dispatch: what happened as the type, the plain notification as the payload."""
    payload: dict[str, Any] = msgspec.to_builtins(body_of(notification))
    for name in ("arrived", "missing"):
        shown = _fitting(payload[name])
        if len(shown) < len(payload[name]):
            payload["truncated"] = True
        payload[name] = shown
    body = {"event_type": EVENT_TYPES[notification.outcome], "client_payload": payload}
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


FORMAT = Format(render=render, rate_limited=True, needs_bearer=True)
