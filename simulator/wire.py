"""What Azure Container Registry puts on the wire: payloads, headers, and the URL that names the region.

Rules of this file: the payload has the fields of the webhook reference, in its order, and nothing else unless
a quirk of the scenario asks for it. The body never says which region sent it; only the URL does.
What is documented, observed or assumed: ``docs/fake-registry.md``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote, unquote, unquote_plus

import msgspec

Action = Literal["push", "delete", "chart_push", "chart_delete", "quarantine", "ping"]
ACTIONS: tuple[Action, ...] = ("push", "delete", "chart_push", "chart_delete", "quarantine", "ping")
# The five that a webhook can subscribe to; ``ping`` only ever comes when asked for. [webhook reference]
Subscribable = Literal["push", "delete", "chart_push", "chart_delete", "quarantine"]
SUBSCRIBABLE: tuple[Subscribable, ...] = ("push", "delete", "chart_push", "chart_delete", "quarantine")

# What real payloads were seen to lack, or to have beyond the reference.
Quirk = Literal[
    "no-useragent", "no-request", "no-media-type", "empty-tag", "nine-digit-timestamp", "extra-fields"
]

PLACE = "{region}"  # where a service URI wants the region's name

# The version behind the slash is not documented; a receiver is known that relies on the name.
USER_AGENT = "AzureContainerRegistry/1.0"

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CHART = "application/vnd.acr.helm.chart"
# [Distribution's "Work with notifications"]
ENVELOPE_MEDIA_TYPE = "application/vnd.docker.distribution.events.v1+json"

# ``request.useragent`` is the client's own; these have the documented shape of docker and of the Azure CLI.
PUSHER = (
    "docker/27.3.1 go/go1.22.7 git-commit/41ca978 kernel/6.8.0-45-generic os/linux arch/amd64 "
    r"UpstreamClient(Docker-Client/27.3.1 \(linux\))"
)
DELETER = "python-requests/2.32.3"

# ``<name>-<version>.tgz``, where a version starts with three numbers.
_CHART_FILE = re.compile(r"(?P<name>.+?)-(?P<version>\d+\.\d+\.\d+.*\.tgz)")


@lru_cache(maxsize=1_024)  # the same few names come in every delivery and notification
def normalise_region(name: str) -> str:
    """A region's name in the form in which names compare: without surrounding space, in one letter case."""
    return name.strip().casefold()


# --- what was pushed or deleted ---


@dataclass(frozen=True, slots=True)
class Image:
    """A reference as a scenario writes it. ``digest`` is None when it leaves the digest to the registry."""

    repository: str
    tag: str | None
    digest: str | None


def parse_image(text: str) -> Image:
    """Read ``repo:tag``, ``repo`` (for ``repo:latest``), ``repo@sha256:…`` (no tag) or ``repo:tag@sha256:…``.

    A bare ``repo@`` is a push by digest, too; the digest is then the registry's to choose.

    Raises:
        ValueError: there is no repository, or the tag is empty.
    """
    name, at, digest = text.partition("@")
    repository, colon, tag = name.partition(":")
    if not repository or (colon and not tag):
        raise ValueError(
            f"{text!r} is not an image: write repo:tag, repo, repo@sha256:… or repo:tag@sha256:…"
        )
    if not colon:
        return Image(repository, None if at else "latest", digest or None)
    return Image(repository, tag, digest or None)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What one payload says. A ping's has only the first three fields."""

    action: Action
    id: str
    timestamp: str
    repository: str = ""
    tag: str | None = None  # a chart's is its file name, web-5.4.0.tgz
    digest: str = ""
    size: int = 0  # bytes of the manifest, or of the chart
    media_type: str = MANIFEST
    request_id: str = ""
    host: str = ""  # the login server that the pusher used, never the region
    useragent: str | None = None


def timestamp(epoch_ms: int, nanos: int = 0, *, digits: int = 7) -> str:
    """RFC 3339 in UTC, with 7 fractional digits as observed (.NET ticks) or 9 as documented (Go).

    Args:
        epoch_ms: Unix milliseconds.
        nanos: What follows the milliseconds, 0 to 999,999.
        digits: How many fractional digits to print.
    """
    seconds, ms = divmod(epoch_ms, 1000)
    fraction = f"{ms:03d}{nanos:06d}"[:digits]
    at = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{at.replace(tzinfo=None).isoformat(timespec='seconds')}.{fraction}Z"


def chart_names(repository: str, tag: str | None) -> tuple[str, str, str]:
    """A chart's tag, name and version, the last with the ``.tgz`` that the webhook reference shows.

    ``web-5.4.0.tgz`` is taken as it stands; ``charts/web`` with the tag ``5.4.0`` becomes the same.
    """
    if tag and (match := _CHART_FILE.fullmatch(tag)):
        return tag, match["name"], match["version"]
    name, version = repository.rpartition("/")[2], f"{tag or 'latest'}.tgz"
    return f"{name}-{version}", name, version


# --- the payload ---


def payload(event: Event, quirks: tuple[Quirk, ...] = ()) -> dict[str, Any]:
    """The JSON object that a webhook carries, in documented order.

    push: ``{id, timestamp, action, target: {mediaType, size, digest, length, repository, tag},
    request: {id, host, method, useragent}}``. delete: the target has no size, length or tag. Charts: name and
    version but no length, and no request. quarantine: no mediaType, no useragent. ping: neither of the two.
    """
    body: dict[str, Any] = {"id": event.id, "timestamp": event.timestamp, "action": event.action}
    if event.action == "ping":
        return body | {"target": {}, "request": {}} if "extra-fields" in quirks else body
    body["target"] = _target(event)
    if event.action not in ("chart_push", "chart_delete"):
        body["request"] = _request(event)
    for quirk in quirks:
        _apply(quirk, body)
    return body


def encode(body: Mapping[str, Any]) -> bytes:
    """The payload as it travels: compact UTF-8 JSON."""
    return msgspec.json.encode(body)


def _target(event: Event) -> dict[str, Any]:
    match event.action:
        case "delete":
            return {"mediaType": event.media_type, "digest": event.digest, "repository": event.repository}
        case "chart_push" | "chart_delete":
            tag, name, version = chart_names(event.repository, event.tag)
            sized = {"mediaType": CHART, "size": event.size, "digest": event.digest}
            return {**sized, "repository": event.repository, "tag": tag, "name": name, "version": version}
        case _:
            target = {"mediaType": event.media_type, "size": event.size, "digest": event.digest}
            target |= {"length": event.size, "repository": event.repository}
            if event.action == "quarantine":
                del target["mediaType"]
            if event.tag is not None:
                target["tag"] = event.tag
            return target


def _request(event: Event) -> dict[str, str]:
    method = "DELETE" if event.action == "delete" else "PUT"
    request = {"id": event.request_id, "host": event.host, "method": method}
    if event.useragent is not None and event.action != "quarantine":
        request["useragent"] = event.useragent
    return request


def _apply(quirk: Quirk, body: dict[str, Any]) -> None:
    """Give a payload a quirk that a real one had; ``nine-digit-timestamp`` is a matter of `timestamp`."""
    target, request = body["target"], body.get("request", {})
    match quirk:
        case "no-useragent":
            request.pop("useragent", None)
        case "no-request":
            body.pop("request", None)
        case "no-media-type":
            target.pop("mediaType", None)
        case "empty-tag":
            target["tag"] = ""
        case "extra-fields":
            # Fields that CNCF Distribution has and ACR's log model knows, but that no delivered body showed.
            target["url"] = f"https://demo.invalid/v2/{target['repository']}/manifests/{target['digest']}"
            if "request" in body:
                body["request"] = {**request, "addr": "10.0.0.7:44312"}
            body |= {"actor": {"name": "pusher"}, "source": {"addr": "10.0.0.4:5000", "instanceID": "r0"}}
        case "nine-digit-timestamp":
            pass


# --- the request ---


@dataclass(frozen=True, slots=True)
class Address:
    """Where a webhook goes: the service URI, what it names as the region, and the function key."""

    template: str  # percent-encoded, with `PLACE` for the region; without it the URI names none
    region: str | None  # as a receiver decodes it; None: the URI says nothing about a region
    key: str = ""
    spelling: str | None = None  # how the URI itself spells the region, percent-encoded; sent as it stands

    def with_region(self, region: str | None) -> "Address":
        """The same address with another region."""
        return replace(self, region=region, spelling=None)

    @property
    def target(self) -> str:
        """Path and query, percent-encoded. Without a region, its query parameter or its path segment goes."""
        if self.region is None:
            target = _without_region(self.template)
        else:
            spelling = quote(self.region, safe="") if self.spelling is None else self.spelling
            target = self.template.replace(PLACE, spelling)
        if not self.key:
            return target
        return f"{target}{'&' if '?' in target else '?'}code={quote(self.key, safe='')}"


def address(uri: str, region: str, key: str = "") -> Address:
    """Read a webhook's service URI. One without `PLACE` may name its region itself.

    It does so as ``?region=<name>`` or ``/webhooks/<name>``; which region any other means cannot be known.
    """
    encoded = PLACE.join(quote(part, safe="/?&=%:;,@!$'()*+-._~") for part in uri.split(PLACE))
    if PLACE in uri:
        return Address(encoded, region, key)
    path, mark, query = encoded.partition("?")
    parameters = query.split("&")
    for index, parameter in enumerate(parameters):
        if parameter.startswith("region="):
            spelling = parameter.removeprefix("region=")
            parameters[index] = f"region={PLACE}"
            return Address(f"{path}?{'&'.join(parameters)}", unquote_plus(spelling), key, spelling)
    if match := re.fullmatch(r"/webhooks/([^/]+)", path):
        return Address(f"/webhooks/{PLACE}{mark}{query}", unquote(match[1]), key, match[1])
    return Address(encoded, None, key)


def _without_region(template: str) -> str:
    path, _, query = template.partition("?")
    kept = "&".join(parameter for parameter in query.split("&") if PLACE not in parameter)
    path = path.replace(PLACE, "")
    return f"{path}?{kept}" if kept else path


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One HTTP POST, ready to send. Its sender adds ``Host``."""

    target: str  # path and query below the aggregator's address, percent-encoded
    headers: tuple[tuple[str, str], ...]
    body: bytes
    url_region: str | None  # the region as the URL names it, decoded; None when it names none
    # What ``target`` was made from, for faults that send the request elsewhere.
    address: Address | None = field(default=None, repr=False, compare=False)


def webhook_request(to: Address, headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    """The request of one webhook.

    Args:
        to: The address.
        headers: The webhook's own; each replaces one of ours of the same name.
        body: The payload.
    """
    own = {"content-type": "application/json", "user-agent": USER_AGENT}
    replaced = {name.lower() for name in headers}
    kept = [(name.title(), value) for name, value in own.items() if name not in replaced]
    return WebhookRequest(
        to.target, (*kept, ("Content-Length", str(len(body))), *headers.items()), body, to.region, to
    )


def with_body(request: WebhookRequest, body: bytes) -> WebhookRequest:
    """The same request with another body, and the length that goes with it."""
    length = ("Content-Length", str(len(body)))
    headers = tuple(length if name == "Content-Length" else (name, value) for name, value in request.headers)
    return replace(request, body=body, headers=headers)  # its class knows how it is put into an envelope


def with_address(request: WebhookRequest, to: Address) -> WebhookRequest:
    """The same request to another address."""
    return replace(request, target=to.target, url_region=to.region, address=to)


def with_headers(request: WebhookRequest, headers: Mapping[str, str]) -> WebhookRequest:
    """The same request with these headers besides."""
    return replace(request, headers=(*request.headers, *headers.items()))


def envelope_request(requests: Sequence[WebhookRequest]) -> WebhookRequest:
    """Several events in one request, as CNCF Distribution sends them: ``{"events": [...]}``.

    It goes where the first request goes. A broken event stays as it is.
    """
    first = requests[0]
    headers = tuple(
        (name, ENVELOPE_MEDIA_TYPE if name.lower() == "content-type" else value)
        for name, value in first.headers
    )
    body = msgspec.json.encode({"events": [msgspec.Raw(each.body) for each in requests]})
    return with_body(replace(first, headers=headers), body)
