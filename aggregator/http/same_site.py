"""Refuses what a browser sends on behalf of other sites, to a service that asks for no key.

A service on loopback without keys trusts every client that can reach it. A browser on the same machine can,
and sends for any page that it shows: a form's POST to ``http://127.0.0.1:8080``, or a request to a name of
the page's own that suddenly has the address 127.0.0.1 (DNS rebinding).
"""

import ipaddress
import logging
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from fanin.aggregator import log
from fanin.aggregator.errors import CrossSiteError, quoted
from fanin.aggregator.http.exchange import AsgiApp, CompleteRequest, Message, Receive, Send

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class SameSite:
    """A service without keys that refuses what a browser sends for other sites; a `DirectApp` if it is."""

    def __init__(self, app: AsgiApp, *, loopback: bool) -> None:
        """Wrap a service without keys.

        Args:
            app: The service.
            loopback: It listens on loopback, so a ``Host`` that is not a name of loopback is a rebound one.
        """
        self._app, self._loopback = app, loopback
        self._begin: Callable[[CompleteRequest, Message], bool] | None = getattr(app, "begin", None)

    def begin(self, request: CompleteRequest, connection: Message) -> bool:
        """Take a request that is not to be refused; see `fanin.aggregator.http.exchange.DirectApp`."""
        if self._begin is None:
            return False
        head = request.head
        if _problem(head.method, dict(head.headers), loopback=self._loopback) is not None:
            return False
        return self._begin(request, connection)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = _problem(scope["method"], dict(scope["headers"]), loopback=self._loopback)
        if problem is None:
            await self._app(scope, receive, send)
            return
        error = CrossSiteError(problem)
        log.event(logging.WARNING, "refused", status=error.status, path=scope["path"][:200], reason=error)
        body = msgspec.json.encode({"error": error.code, "message": str(error)})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _problem(method: str, headers: dict[bytes, bytes], *, loopback: bool) -> str | None:
    """Why a request is refused; None if it is not."""
    host = headers.get(b"host", b"").decode("latin-1")
    if loopback and host and not is_loopback_host(host):
        return f"the host {quoted(host)} is not a name of this machine's loopback"
    if method in _SAFE:
        return None  # the page of another site cannot read the response
    if headers.get(b"sec-fetch-site") == b"cross-site":
        return "a browser sent it for another site"
    origin = headers.get(b"origin")
    if origin is not None and urlsplit(site := origin.decode("latin-1")).netloc != host:
        return f"a browser sent it for the site {quoted(site)}"
    return None


@lru_cache(maxsize=64)  # of a head's length at most; clients hardly ever use two
def is_loopback_host(host: str) -> bool:
    """Whether a ``Host`` header names loopback: ``localhost``, a name in it, or an address; with any port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    name = name.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
