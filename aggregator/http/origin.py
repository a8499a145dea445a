"""Scheme, host and path prefix of the status addresses: as configured, or as the sender used them.

Rules of this file: what forwarding headers say counts only if a trusted proxy has sent the request; a value
that is not of its form is ignored, because responses repeat it; the first of several values is that of the
proxy nearest to the sender.

Headers: RFC 7239 (Forwarded), X-Forwarded-Proto, -Host and -Prefix, and Azure Application Gateway's
X-Original-Host.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from starlette.types import Scope

from fanin.aggregator.proxies import Network, is_in

_FORWARDING = frozenset(
    (b"forwarded", b"x-forwarded-proto", b"x-forwarded-host", b"x-original-host", b"x-forwarded-prefix")
)
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_PAIR = re.compile(r'\s*(proto|host)\s*=\s*"?([^",;]*)"?', re.IGNORECASE)


class Origin:
    """Finds the origin of a request's own addresses."""

    def __init__(self, public_url: str | None, proxies: Sequence[Network]) -> None:
        """Use ``public_url``, whatever the request says; else believe the headers of ``proxies``."""
        self._public_url = public_url
        self._trusts = lru_cache(maxsize=1_024)(lambda peer: is_in(peer, proxies))

    def of(self, scope: Scope, headers: Mapping[bytes, bytes] | None = None) -> str:
        """Scheme, host and path prefix, without a slash at the end.

        Args:
            scope: The request's.
            headers: Those of the scope by name, if the caller has them; of several with one name, the last.
        """
        if self._public_url is not None:
            return self._public_url
        headers = dict(scope["headers"]) if headers is None else headers
        host = headers.get(b"host", b"").decode("latin-1")
        if not host:
            host = ":".join(str(it) for it in scope.get("server") or ("localhost", None) if it)
        scheme, prefix = scope["scheme"], scope.get("root_path", "")
        if _FORWARDING.isdisjoint(headers):
            return f"{scheme}://{host}{prefix}"
        if scope.get("client") and self._trusts(scope["client"][0]):
            said = {name: headers[name].decode("latin-1") for name in _FORWARDING & headers.keys()}
            first = {name: value.partition(",")[0] for name, value in said.items()}
            scheme, host, prefix = _forwarded(first, scheme, host, prefix)
        return f"{scheme}://{host}{prefix}"


def _forwarded(first: dict[bytes, str], scheme: str, host: str, prefix: str) -> tuple[str, str, str]:
    """What the first proxy says, where it says something that can be."""
    standard = {name.lower(): value for name, value in _PAIR.findall(first.get(b"forwarded", ""))}
    proto = (first.get(b"x-forwarded-proto") or standard.get("proto", "")).strip().lower()
    if proto in ("http", "https"):
        scheme = proto
    named = first.get(b"x-forwarded-host") or first.get(b"x-original-host") or standard.get("host", "")
    if _HOST.fullmatch(named.strip()):
        host = named.strip()
    before = first.get(b"x-forwarded-prefix", "").strip().rstrip("/")
    if _PREFIX.fullmatch(before):
        prefix = before + prefix
    return scheme, host, prefix
