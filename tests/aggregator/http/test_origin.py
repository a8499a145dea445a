"""The origin of status addresses: configured, forwarded by a trusted proxy, or the request's own."""

from pathlib import Path

import pytest

from fanin.aggregator.http.origin import Origin
from fanin.aggregator.proxies import LOOPBACK, parse_proxies
from tests.aggregator.services import EAST, PUSH, STATUS, service


def of(headers: dict[str, str], *, peer: str = "127.0.0.1", proxies: str = "", prefix: str = "") -> str:
    """The origin of a request with these headers."""
    given = [(name.encode(), value.encode()) for name, value in ({"host": "inner:8080"} | headers).items()]
    scope = {"headers": given, "scheme": "http", "client": (peer, 1), "root_path": prefix}
    return Origin(None, parse_proxies(proxies) if proxies else LOOPBACK).of(scope)


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({}, "http://inner:8080"),
        ({"x-forwarded-proto": "https"}, "https://inner:8080"),
        ({"x-forwarded-proto": "https,http"}, "https://inner:8080"),
        ({"x-forwarded-proto": "HTTPS , http"}, "https://inner:8080"),
        ({"x-forwarded-host": "fanin.example.org"}, "http://fanin.example.org"),
        ({"x-forwarded-host": "a.example:8443, b.example"}, "http://a.example:8443"),
        ({"x-original-host": "fanin.example.org"}, "http://fanin.example.org"),
        ({"x-forwarded-host": "[fd00::7]:80"}, "http://[fd00::7]:80"),
        ({"x-forwarded-prefix": "/fanin/"}, "http://inner:8080/fanin"),
        (
            {"forwarded": 'for=10.1.2.3;proto=https;host="f.example:8443", proto=http'},
            "https://f.example:8443",
        ),
        ({"forwarded": "Proto=https; Host=f.example"}, "https://f.example"),
        ({"forwarded": "proto=http", "x-forwarded-proto": "https"}, "https://inner:8080"),
    ],
)
def test_a_trusted_proxy_is_believed(headers: dict[str, str], origin: str) -> None:
    """The first of several values is the sender's."""
    assert of(headers) == origin


FORGED = {
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.example",
    "x-forwarded-prefix": "/evil",
    "forwarded": "host=evil.example",
}


@pytest.mark.parametrize(
    ("peer", "proxies", "trusted"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("::ffff:127.0.0.1", "", True),
        ("10.1.2.3", "", False),
        ("10.1.2.3", "10.1.0.0/16", True),
        ("::ffff:10.1.2.3", "10.1.2.3", True),
        ("10.2.0.1", "10.1.0.0/16,10.2.0.2", False),
        ("127.0.0.1", "10.1.2.3", False),
        ("192.0.2.1", "*", True),
        ("2001:db8::1", "*", True),
        ("a-socket", "*", False),
    ],
)
def test_proxies_are_trusted_by_address(peer: str, proxies: str, *, trusted: bool) -> None:
    """Anyone can send the headers."""
    origin = of(FORGED, peer=peer, proxies=proxies)

    assert origin == ("https://evil.example/evil" if trusted else "http://inner:8080")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-forwarded-proto", "javascript"), ("x-forwarded-proto", ""), ("x-forwarded-host", "a/b"),
        ("x-forwarded-host", "user@host"), ("x-forwarded-host", "a b"), ("x-forwarded-host", ", a.example"),
        ("x-forwarded-prefix", "no-slash"), ("x-forwarded-prefix", "//evil.example"),
        ("x-forwarded-prefix", "/a?b"), ("forwarded", "host=_hidden/x"), ("forwarded", "for=1;;;=,"),
    ],
)  # fmt: skip
def test_what_is_not_of_its_form_is_ignored(name: str, value: str) -> None:
    """It would become part of an address."""
    assert of({name: value}, prefix="/root") == "http://inner:8080/root"


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.1/16", "10.0.0.1,", "1.2.3"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """A name has changing addresses."""
    with pytest.raises(ValueError, match="write addresses or networks"):
        parse_proxies(text)


@pytest.mark.anyio
async def test_the_public_url_wins(tmp_path: Path) -> None:
    """Over the host that the request names, and what a proxy says."""
    async with service(tmp_path, FANIN_PUBLIC_URL="https://fanin.example.org/hooks/") as client:
        taken = await client.post(EAST, json=PUSH, headers={"x-forwarded-host": "evil.example"})
        state = await client.get(STATUS + "5b7c", headers={"host": "evil.example"})

    status = f"https://fanin.example.org/hooks{STATUS}5b7c"
    assert taken.headers["location"] == taken.json()["statusQueryGetUri"] == status
    assert state.headers["location"] == status


@pytest.mark.anyio
async def test_a_gateway_is_believed_by_the_service(tmp_path: Path) -> None:
    """The test's client comes from loopback."""
    async with service(tmp_path) as client:
        taken = await client.post(
            EAST,
            json=PUSH,
            headers={"x-forwarded-host": "fanin.example.org", "x-forwarded-proto": "https,http"},
        )

    assert taken.headers["location"] == f"https://fanin.example.org{STATUS}5b7c"
