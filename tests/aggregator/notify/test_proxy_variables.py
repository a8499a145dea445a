"""The proxy that the environment names, and the hosts that are reached without it."""

import pytest

from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.proxy_variables import is_exempt, parse_proxy, proxy_of, unusable

PROXY, OTHER = "http://proxy.example:3128", "http://other.example:3128"
TLS, PLAIN = parse("https://hooks.example/x"), parse("http://hooks.example/x")


@pytest.mark.parametrize(
    ("variables", "over_tls", "in_the_clear"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": PROXY}, PROXY, None),
        ({"HTTP_PROXY": PROXY}, None, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY, PROXY),
        ({"ALL_PROXY": OTHER, "https_proxy": PROXY}, PROXY, OTHER),
        ({"HTTPS_PROXY": OTHER, "https_proxy": PROXY}, PROXY, None),
        ({"HTTPS_PROXY": " "}, None, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "hooks.example"}, None, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "elsewhere.example"}, PROXY, None),
        ({"HTTPS_PROXY": "socks5://proxy.example:1080"}, None, None),
    ],
)
def test_the_variables_are_those_of_other_programs(
    variables: dict[str, str], over_tls: str | None, in_the_clear: str | None
) -> None:
    """By the scheme of the target's URL; small letters win."""
    assert proxy_of(TLS, variables) == (parse(over_tls) if over_tls else None)
    assert proxy_of(PLAIN, variables) == (parse(in_the_clear) if in_the_clear else None)


@pytest.mark.parametrize(
    ("host", "no_proxy", "exempt"),
    [
        ("hooks.example", "", False),
        ("hooks.example", "*", True),
        ("hooks.example", "a.example, hooks.example", True),
        ("hooks.example", "example", True),
        ("hooks.example", ".example", True),
        ("hooks.example", "*.example", True),
        ("hooks.example", "HOOKS.example", True),
        ("ahooks.example", "hooks.example", False),
        ("hooks.example", "hooks.example:443", True),
        ("hooks.example", "hooks.example:8443", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("2001:db8::1", "2001:db8::/32", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("hooks.example", "10.0.0.0/8", False),
        ("hooks.example", " , ", False),
    ],
)
def test_no_proxy_covers_names_addresses_and_networks(host: str, no_proxy: str, *, exempt: bool) -> None:
    """As curl, Python and Go read it, and networks as Go does."""
    assert is_exempt(host, 443, no_proxy) == exempt


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.9", "[::1]"])
def test_loopback_needs_no_entry(host: str) -> None:
    """A proxy elsewhere would look for it on its own machine; one that is here as well is used."""
    here = parse(f"https://{host}:8443/")

    assert proxy_of(here, {"HTTPS_PROXY": PROXY}) is None
    assert proxy_of(here, {"HTTPS_PROXY": "http://127.0.0.1:3128"}) == parse("http://127.0.0.1:3128")
    assert proxy_of(here, {"HTTPS_PROXY": "http://127.0.0.1:3128", "NO_PROXY": host.strip("[]")}) is None


def test_a_proxy_needs_no_scheme() -> None:
    """As in curl; a name and a password may be in it."""
    assert parse_proxy("proxy.example:3128") == parse(PROXY)
    assert parse_proxy("http://me:hunter2@proxy.example:3128").authorization == "Basic bWU6aHVudGVyMg=="


def test_what_cannot_be_used_is_named_without_its_value() -> None:
    """It may hold a password."""
    sentences = list(
        unusable(
            {"HTTPS_PROXY": "socks5://hunter2@p:1", "http_proxy": "http://hunter2 @p/", "ALL_PROXY": PROXY}
        )
    )

    assert [sentence.partition(":")[0] for sentence in sentences] == [
        "HTTPS_PROXY is not used",
        "http_proxy is not used",
    ]
    assert "socks5 is not supported; http and https are" in sentences[0]
    assert "hunter2" not in str(sentences)
