"""The URL of a target, parsed to the parts that a request needs."""

import base64
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
# Characters of a path or a query that are not percent-encoded. RFC 3986, section 3.3.
_SAFE = "/?%:@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True)
class Address:
    """Host, port and path of a URL. Its path, query and authorization may be secrets."""

    tls: bool
    host: str  # for DNS and TLS
    port: int
    host_header: str
    path: str  # with the query
    authorization: str | None  # from ``user:password@`` in the URL

    def __repr__(self) -> str:
        return f"Address({self.host_header})"


def parse(url: str) -> Address:
    """Parse a URL.

    Raises:
        ValueError: not an absolute http or https URL, or its host or port is invalid. The message does not
            quote the URL, because it may hold a secret.
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
