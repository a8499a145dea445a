"""Notify URLs, taken apart."""

import pytest

from fanin.aggregator.notify.address import Address, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://sink", Address(False, "sink", 80, "sink", "/", None)),
        ("https://sink/", Address(True, "sink", 443, "sink", "/", None)),
        ("https://sink:443/a", Address(True, "sink", 443, "sink", "/a", None)),
        ("http://Sink.A:8080/a/b?c=d&e", Address(False, "sink.a", 8080, "sink.a:8080", "/a/b?c=d&e", None)),
        ("http://sink/a#fragment", Address(False, "sink", 80, "sink", "/a", None)),
        ("http://sink?x=1", Address(False, "sink", 80, "sink", "/?x=1", None)),
        ("http://sink/ü%20%C3%BC", Address(False, "sink", 80, "sink", "/%C3%BC%20%C3%BC", None)),
        ("http://bücher.a/", Address(False, "xn--bcher-kva.a", 80, "xn--bcher-kva.a", "/", None)),
        ("http://[::1]:9/", Address(False, "::1", 9, "[::1]:9", "/", None)),
        ("http://127.0.0.1/", Address(False, "127.0.0.1", 80, "127.0.0.1", "/", None)),
        ("http://me:p%40ss@sink/", Address(False, "sink", 80, "sink", "/", "Basic bWU6cEBzcw==")),
        (" http://sink/ ", Address(False, "sink", 80, "sink", "/", None)),
    ],
)  # fmt: skip
def test_a_url_says_where_to_connect_and_what_to_ask_for(url: str, address: Address) -> None:
    """Host, port, the Host header, the path as it travels, and credentials as a header."""
    assert parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "", "sink", "sink/hunter2", "ftp://sink/hunter2", "http://", "http:///hunter2", "//sink/hunter2",
        "http://sink:0/hunter2", "http://sink:99999/hunter2", "http://sink:x/hunter2", "http://[::1/hunter2",
        "http://sink/a b/hunter2", "http://sink/a\nx-forged: hunter2", "http://a..b/hunter2",
    ],
)  # fmt: skip
def test_anything_else_is_refused_unseen(url: str) -> None:
    """The message never quotes the URL."""
    with pytest.raises(ValueError, match=r"^not a URL like https://host/path") as refusal:
        parse(url)

    assert "hunter2" not in str(refusal.value)


def test_the_representation_keeps_secrets() -> None:
    """Path, query and credentials may each be one."""
    assert repr(parse("https://hunter2:hunter2@sink/hunter2?hunter2")) == "Address(sink)"
