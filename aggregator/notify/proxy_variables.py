"""The proxy that the environment names: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, and NO_PROXY. Pure.

Rules of this file: a variable in small letters wins over one in capitals, as in curl and Python; loopback is
reached directly, as in Go, because a proxy elsewhere has another one; values are not quoted, because a
proxy's URL may hold a password.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from fanin.aggregator.notify.address import Address
from fanin.aggregator.notify.address import parse as parse_url

SCHEMES = ("http", "https")
_VARIABLES = {True: ("https_proxy", "all_proxy"), False: ("http_proxy", "all_proxy")}


def parse_proxy(text: str) -> Address:
    """Parse a proxy's URL; without a scheme it is one of ``http``.

    Raises:
        ValueError: it is none, or of a kind that is not supported.
    """
    url = text.strip() if "://" in text else f"http://{text.strip()}"
    scheme = urlsplit(url).scheme
    if scheme.startswith("socks"):
        raise ValueError(f"a proxy of the kind {scheme} is not supported; http and https are")
    try:
        return parse_url(url)
    except ValueError:
        raise ValueError(
            "not a proxy's URL like http://proxy.example.org:3128 (the value is not shown because it may "
            "hold a secret)"
        ) from None


def proxy_of(address: Address, environment: Mapping[str, str]) -> Address | None:
    """The proxy through which an address is reached, or None where it is reached directly.

    A variable that cannot be used is passed over; `unusable` names it.
    """
    if is_exempt(address.host, address.port, _value(environment, "no_proxy")):
        return None
    for variable in _VARIABLES[address.tls]:
        if value := _value(environment, variable):
            try:
                proxy = parse_proxy(value)
            except ValueError:
                return None
            return proxy if is_loopback(proxy.host) or not is_loopback(address.host) else None
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or its address."""
    number = _number(host)
    return host == "localhost" or host.endswith(".localhost") or (number is not None and number.is_loopback)


def unusable(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each proxy variable that is set and cannot be used."""
    for variable in ("https_proxy", "http_proxy", "all_proxy"):
        for name in (variable, variable.upper()):
            if environment.get(name, "").strip():
                try:
                    parse_proxy(environment[name])
                except ValueError as exc:
                    yield f"{name} is not used: {exc}"


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY covers a host.

    NO_PROXY is a list with commas of host names, which cover the names below them (with or without a dot in
    front), addresses, networks such as ``10.0.0.0/8``, each also with a port; ``*`` covers everything.
    """
    number = _number(host)
    return any(_covers(entry, host, port, number) for entry in no_proxy.replace(" ", ",").split(",") if entry)


def _covers(
    entry: str, host: str, port: int, number: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if entry == "*":
        return True
    if number is not None:
        try:
            return number in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass  # a name, or an address with a port
    name, colon, wanted = entry.rpartition(":")
    if not (colon and wanted.isdecimal()):
        name, wanted = entry, str(port)
    name = name.strip("[]").removeprefix("*").lstrip(".").casefold()
    return wanted == str(port) and bool(name) and (host == name or host.endswith(f".{name}"))


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _value(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(name.upper()) or "").strip()
