"""The URL of a deployment, and its key, which must not appear in any output.

Rules of this file: pure. A secret is a `Secret` from the moment it is read, and is put into requests only.
"""

import re
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from fanin.harness.placement import KEY_PLACE, PLACEHOLDER
from fanin.simulator.wire import PLACE, Address, WebhookRequest

KEY_ENV = "FANIN_TARGET_KEY"
# Names of query parameters and of headers that hold secrets.
_SECRET_PARAMETER = re.compile("code|.*key|.*token|.*secret|.*password|sig|signature", re.IGNORECASE)
_SECRET_HEADER = re.compile(".*(?:key|token|secret|password|signature|authorization|cookie)", re.IGNORECASE)
_MASK = "…"


def reveals(header: str, value: str) -> bool:
    """Whether a header holds a secret: by its name, unless its value has the place for the key."""
    return bool(_SECRET_HEADER.fullmatch(header)) and KEY_PLACE not in value


class Secret:
    """A key. It has no text, so that printing it shows nothing."""

    def __init__(self, value: str) -> None:
        self._value = value
        spellings = {value, quote(value, safe=""), quote(value)}
        # The longest first, so that no part of it is left.
        self._spellings = sorted(filter(None, spellings), key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._value)

    def put_into(self, template: str, *, encoded: bool) -> str:
        """The template with the key in its place."""
        return template.replace(KEY_PLACE, quote(self._value, safe="") if encoded else self._value)

    def hidden(self, text: str) -> str:
        """The text without the key, in any spelling."""
        for spelling in self._spellings:
            text = text.replace(spelling, _MASK)
        return text

    def hidden_bytes(self, content: bytes) -> bytes:
        """The bytes without the key, in any spelling."""
        for spelling in self._spellings:
            content = content.replace(spelling.encode(), _MASK.encode())
        return content


class Endpoint:
    """The URL to which webhooks are sent.

    Args:
        url: With ``{region}`` in place of the region, and ``{key}`` in place of the key.

    Raises:
        ValueError: it is not such a URL. The message holds no secret.
    """

    def __init__(self, url: str) -> None:
        parts = _split(url)
        placeholders = set(PLACEHOLDER.findall(url))
        if unknown := sorted(placeholders - {PLACE, KEY_PLACE}):
            raise ValueError(f"{unknown[0]} stands for nothing; there are {PLACE} and {KEY_PLACE}")
        if PLACE not in parts.path + parts.query:
            raise ValueError(
                f"it names no region; write {PLACE} where the region goes, such as ?region={PLACE}"
            )
        if KEY_PLACE in parts.netloc or PLACE in parts.netloc:
            raise ValueError("a placeholder in the host's name; they go into the path or the query")
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if _SECRET_PARAMETER.fullmatch(name) and value and KEY_PLACE not in value:
                better = f"write {name}={KEY_PLACE}, with the key in {KEY_ENV}"
                raise ValueError(f"the value of {name!r} may be a secret; {better}")
        self.shown = url
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._template = parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def wants_key(self) -> bool:
        """Whether it has a place for the key."""
        return KEY_PLACE in self._template

    def target(self, request: WebhookRequest, key: Secret) -> str:
        """Path and query of one webhook, its region spelled as the webhook spells it."""
        to = request.address
        region, spelling = (request.url_region, None) if to is None else (to.region, to.spelling)
        return key.put_into(Address(self._template, region, spelling=spelling).target, encoded=True)

    def url(self, request: WebhookRequest, key: Secret) -> str:
        """The whole URL of one webhook."""
        return self.origin + self.target(request, key)


def _split(url: str) -> SplitResult:
    wanted = f"write it as https://HOST/api/ImagePush?region={PLACE}&code={KEY_PLACE}"
    if not re.fullmatch("[!-~]+", url):
        raise ValueError(f"spaces or characters beyond ASCII in it; {wanted}")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - asked for what it raises
    except ValueError as exc:
        raise ValueError(f"{exc}; {wanted}") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not a URL; {wanted}")
    if "@" in parts.netloc:
        raise ValueError(
            f"credentials before the host's name; put a key into {KEY_ENV} and write {KEY_PLACE}"
        )
    if parts.fragment:
        raise ValueError("a fragment (#…), which no server ever sees; leave it out")
    return parts
