"""Where a deployment's webhooks go, and who gets to see its key."""

import pytest

from fanin.harness.targets.endpoint import Endpoint, Secret, reveals
from fanin.simulator.wire import WebhookRequest, address, webhook_request

URL = "https://acr.example/api/ImagePush?region={region}&code={key}"
KEY = Secret("a/b+c==")


def request(uri: str = "/api/ImagePush?region={region}", region: str = "eastus") -> WebhookRequest:
    return webhook_request(address(uri, region), {}, b"{}")


def test_region_and_key_have_their_places() -> None:
    """Both percent-encoded: keys of Azure Functions end in ``==``."""
    assert (
        Endpoint(URL).url(request(), KEY)
        == "https://acr.example/api/ImagePush?region=eastus&code=a%2Fb%2Bc%3D%3D"
    )


def test_a_region_is_spelled_as_its_webhook_spells_it() -> None:
    """Letter case and spaces are what some scenarios are about."""
    odd = request("/api/ImagePush?region=%20EastUS%20")

    assert Endpoint(URL).target(odd, Secret("k")) == "/api/ImagePush?region=%20EastUS%20&code=k"


def test_no_region_is_no_parameter() -> None:
    """As a webhook that was set up without one."""
    plain = request()
    assert plain.address is not None
    nowhere = webhook_request(plain.address.with_region(None), {}, b"{}")

    assert Endpoint(URL).target(nowhere, Secret("k")) == "/api/ImagePush?code=k"


def test_the_region_may_be_a_part_of_the_path() -> None:
    """Whatever path the scenario's own webhook has."""
    endpoint = Endpoint("http://h:81/hooks/{region}/push")

    assert endpoint.url(request("/webhooks/{region}"), Secret("")) == "http://h:81/hooks/eastus/push"
    assert not endpoint.wants_key


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("acr.example/{region}", "not a URL"),
        ("ftp://h/{region}", "not a URL"),
        ("https:///{region}", "not a URL"),
        ("https://h/api?x=1", "names no region; write {region}"),
        ("https://h:port/{region}", "Port could not be cast"),
        ("https://h/{regoin}", r"{regoin} stands for nothing; there are {region} and {key}"),
        ("https://{key}/{region}", "a placeholder in the host's name"),
        ("https://u:p@h/{region}", "credentials before the host's name"),
        ("https://h/{region}#x", "a fragment"),
        ("https://h/{region} ", "spaces or characters beyond ASCII"),
        ("https://h/{region}?code=sesame", "the value of 'code' may be a secret; write code={key}"),
        ("https://h/{region}?access_token=sesame", "the value of 'access_token' may be a secret"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_and_not_quoted(url: str, complaint: str) -> None:
    """Whatever stands in it may be secret."""
    with pytest.raises(ValueError, match=complaint.replace("{", "[{]")) as caught:
        Endpoint(url)

    assert "sesame" not in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_a_secret_is_hidden_however_it_is_spelled() -> None:
    """Raw, percent-encoded, in text and in bytes, and in its own representation."""
    text = "code=a/b+c== and code=a%2Fb%2Bc%3D%3D"

    assert KEY.hidden(text) == "code=… and code=…"
    assert KEY.hidden_bytes(text.encode()).decode() == "code=… and code=…"
    assert "a/b" not in repr(KEY)
    assert Secret("").hidden("nothing") == "nothing"


@pytest.mark.parametrize(
    ("header", "value", "revealing"),
    [
        ("x-functions-key", "abc", True),
        ("Authorization", "Bearer abc", True),
        ("Authorization", "Bearer {key}", False),
        ("x-tenant", "abc", False),
    ],
)
def test_headers_that_hold_secrets_are_known_by_name(header: str, value: str, revealing: bool) -> None:  # noqa: FBT001 - a table
    """A target file is committed."""
    assert reveals(header, value) is revealing
