"""Refuses what a browser sends on behalf of other sites, to a service that asks for no key.

A service on loopback without keys trusts every client that can reach it. A browser on the same machine can,
and sends for any page that it shows: a form's POST to ``http://127.0.0.1:8080``, or a request to a name of
the page's own that suddenly has the address 127.0.0.1 (DNS rebinding).
"""

import ipaddress
import logging
from urllib.parse import urlsplit

import msgspec

from fanin.aggregator import log
from fanin.aggregator.errors import CrossSiteError, quoted
from fanin.aggregator.http.exchange import AsgiApp, Message, Receive, Send

_NAMES = frozenset((b"host", b"origin", b"sec-fetch-site"))
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


def refuse_cross_site(app: AsgiApp, *, loopback: bool) -> AsgiApp:
    """Wrap a service without keys.

    Args:
        app: The service.
        loopback: It listens on loopback, so a ``Host`` that is not a name of loopback is a rebound one.
    """

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        given = {name: value.decode("latin-1") for name, value in scope["headers"] if name in _NAMES}
        problem = _problem(scope["method"], given, loopback=loopback)
        if problem is None:
            await app(scope, receive, send)
            return
        error = CrossSiteError(problem)
        log.event(logging.WARNING, "refused", status=error.status, path=scope["path"][:200], reason=error)
        body = msgspec.json.encode({"error": error.code, "message": str(error)})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return serve


def _problem(method: str, given: dict[bytes, str], *, loopback: bool) -> str | None:
    """Why a request is refused; None if it is not."""
    host = given.get(b"host", "")
    if loopback and host and not is_loopback_host(host):
        return f"the host {quoted(host)} is not a name of this machine's loopback"
    if method in _SAFE:
        return None  # the page of another site cannot read the response
    if given.get(b"sec-fetch-site", "none") == "cross-site":
        return "a browser sent it for another site"
    origin = given.get(b"origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return f"a browser sent it for the site {quoted(origin)}"
    return None


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
