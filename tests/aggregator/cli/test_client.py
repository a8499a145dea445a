"""The client of a running service: pages, credentials, and errors of one line."""

from pathlib import Path

import click
import httpx
import pytest
import respx

from fanin.aggregator.cli.client import RequestFailedError, ServiceClient

URL = "http://fanin.example:8080"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FANIN_URL", "FANIN_PORT", "PORT", "FANIN_KEY", "FANIN_KEYS", "FANIN_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("FANIN_HEADER_SECRET", raising=False)


def numbers(request: httpx.Request) -> httpx.Response:
    """A list of five numbers, two on a page."""
    begin = int(request.url.params.get("after", "0"))
    following = str(begin + 2) if begin + 2 < 5 else None
    entries = [{"n": n} for n in range(5)][begin : begin + 2]
    return httpx.Response(200, json={"numbers": entries, "next": following})


# --- which service ---


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"PORT": "81"}, "http://127.0.0.1:81"),
        ({"PORT": "81", "FANIN_PORT": "82"}, "http://127.0.0.1:82"),
        ({"FANIN_PORT": "tcp://10.0.12.7:8080", "PORT": "83"}, "http://127.0.0.1:83"),
        ({"FANIN_PORT": "82", "FANIN_URL": "http://fanin.example/"}, "http://fanin.example"),
    ],
)
def test_the_environment_names_the_service(
    environment: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does for the service itself."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert ServiceClient(None).url == url
    assert ServiceClient("http://other.example").url == "http://other.example"


# --- lists ---


@pytest.mark.parametrize(
    ("limit", "found", "more"),
    [
        (None, [0, 1, 2, 3, 4], False),
        (5, [0, 1, 2, 3, 4], False),
        (4, [0, 1, 2, 3], True),
        (3, [0, 1, 2], True),
    ],
)
def test_a_list_is_read_page_by_page(limit: int | None, found: list[int], *, more: bool) -> None:
    """Up to the limit; and whether there are more is known without reading them."""
    with respx.mock as router:
        router.get(f"{URL}/numbers").mock(side_effect=numbers)
        entries, rest = ServiceClient(URL).entries("/numbers", "numbers", {}, limit=limit)

    assert ([entry["n"] for entry in entries], rest) == (found, more)


def test_the_query_goes_with_every_page() -> None:
    """With a page as large as a service gives."""
    with respx.mock as router:
        route = router.get(f"{URL}/numbers").mock(side_effect=numbers)
        ServiceClient(URL).entries("/numbers", "numbers", {"state": "dead"})

    queries = [dict(call.request.url.params) for call in route.calls]
    assert queries == [
        {"limit": "500", "state": "dead"},
        {"limit": "500", "state": "dead", "after": "2"},
        {"limit": "500", "state": "dead", "after": "4"},
    ]


# --- credentials ---


@pytest.mark.parametrize(
    ("environment", "headers"),
    [
        ({}, {}),
        ({"FANIN_KEY": " k \n"}, {"x-functions-key": "k"}),
        ({"FANIN_KEYS": "new, old"}, {"x-functions-key": "new"}),
        ({"FANIN_KEY": "k", "FANIN_KEYS": "new"}, {"x-functions-key": "k"}),
        ({"FANIN_HEADER_SECRET": "X-Secret: s"}, {"x-secret": "s"}),
    ],
)
def test_credentials_come_from_the_environment(
    environment: dict[str, str], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command's own key first, then the service's."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with respx.mock as router:
        route = router.get(f"{URL}/x").respond(json={})
        ServiceClient(URL).request("GET", "/x", {})

    sent = route.calls.last.request.headers
    assert {name: sent[name] for name in ("x-functions-key", "x-secret") if name in sent} == headers


def test_a_file_has_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As platforms mount secrets; one that cannot be read is named."""
    file = tmp_path / "key"
    file.write_text("from-a-file\n")
    monkeypatch.setenv("FANIN_KEY_FILE", str(file))
    with respx.mock:
        route = respx.get(f"{URL}/numbers").respond(json={"numbers": [], "next": None})
        ServiceClient(URL).request("GET", "/numbers", {})
    file.unlink()

    assert route.calls[0].request.headers["x-functions-key"] == "from-a-file"
    with pytest.raises(RequestFailedError, match=r"no key to send: FANIN_KEY_FILE: cannot read"):
        ServiceClient(URL).request("GET", "/numbers", {})


def test_a_file_of_keys_gives_its_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was added last, if keys are rotated as documented."""
    (tmp_path / "keys").write_text("# keys\nfirst\nsecond\n")
    monkeypatch.setenv("FANIN_KEYS_FILE", str(tmp_path / "keys"))
    with respx.mock as router:
        route = router.get(f"{URL}/x").respond(json={})
        ServiceClient(URL).request("GET", "/x", {})

    assert route.calls.last.request.headers["x-functions-key"] == "first"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FANIN_KEY", "schlüssel", "FANIN_KEY is not printable ASCII"),
        ("FANIN_KEYS", "a,,b", "no key to send: has an empty key"),
        ("FANIN_KEYS_FILE", "/nowhere/keys", "no key to send: cannot read /nowhere/keys"),
        ("FANIN_HEADER_SECRET", "nonsense", "no secret header to send: not of the form 'Name: value'"),
    ],
)
def test_credentials_that_cannot_be_sent_are_an_error(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent."""
    monkeypatch.setenv(name, value)
    with respx.mock, pytest.raises(RequestFailedError, match=message):
        ServiceClient(URL).request("GET", "/x", {})


# --- errors ---


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (httpx.Response(401), f"{URL} requires a key, or another one: set FANIN_KEY"),
        (httpx.Response(400, json={"message": "limit=0 is wrong"}), f"{URL} responded 400: limit=0 is wrong"),
        (httpx.Response(302), f"{URL} responded 302: it is not an aggregator"),
        (httpx.Response(200, text="<html>"), f"{URL} responded 200: it is not an aggregator"),
        (httpx.Response(200, json=[1]), f"{URL} responded 200: it is not an aggregator"),
        (httpx.Response(200, json={"next": None}), f"{URL} responded with no list: it is not an aggregator"),
        (httpx.ReadTimeout(""), f"{URL} did not respond within 30 s"),
        (
            httpx.ConnectError("[Errno 111] Connection refused"),
            f"{URL}: Connection refused; name the service with --url or FANIN_URL",
        ),
        (
            httpx.RemoteProtocolError(""),
            f"{URL}: RemoteProtocolError; name the service with --url or FANIN_URL",
        ),
    ],
)
def test_every_failure_is_one_line(response: httpx.Response | Exception, message: str) -> None:
    """With the service's URL, and without the key."""
    with respx.mock as router:
        if isinstance(response, Exception):
            router.get(f"{URL}/numbers").mock(side_effect=response)
        else:
            router.get(f"{URL}/numbers").mock(return_value=response)
        with pytest.raises(RequestFailedError) as failure:
            ServiceClient(URL).entries("/numbers", "numbers", {})

    assert failure.value.message == message


@pytest.mark.parametrize("url", ["nonsense", "ftp://fanin.example", "http://[::1"])
def test_what_is_no_url_is_named(url: str) -> None:
    """The message quotes what was given and shows a URL that would do."""
    with pytest.raises(click.UsageError, match=r"is not a URL like http://127\.0\.0\.1:8080"):
        ServiceClient(url).request("GET", "/x", {})
