"""A notify URL, taken apart into what a request needs."""

import base64
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
# What a path or a query may hold as it stands; everything else is percent-encoded. RFC 3986, section 3.3.
_SAFE = "/?%:@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect, and what to ask for there. Its path, query and authorization may be secrets."""

    tls: bool
    host: str  # as it is looked up
    port: int
    host_header: str
    path: str  # with the query
    authorization: str | None  # from ``user:password@`` in the URL

    def __repr__(self) -> str:
        return f"Address({self.host_header})"


def parse(url: str) -> Address:
    """Take a URL apart.

    Raises:
        ValueError: not an absolute http or https URL, or a host or port that cannot be. The message does not
            quote it, because it may hold a secret.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:  # UnicodeError is one
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in _PORTS or not host or port == 0 or any(sign.isspace() for sign in url.strip()):
        raise ValueError(
            "not a URL like https://host/path (the value is not shown because it may hold a secret)"
        )
    default = _PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    path = quote(parts.path or "/", safe=_SAFE) + (
        f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    )
    authorization = None
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(secret.encode()).decode()
    return Address(
        tls=parts.scheme == "https",
        host=host,
        port=port or default,
        host_header=shown if port in (None, default) else f"{shown}:{port}",
        path=path,
        authorization=authorization,
    )
