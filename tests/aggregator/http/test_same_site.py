"""What a browser sends for other sites is refused by a service without keys; what programs send is not."""

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from fanin.aggregator.http.app import create_app
from fanin.aggregator.http.exchange import Message
from fanin.aggregator.http.request_parser import RequestHead
from fanin.aggregator.http.same_site import SameSite, is_loopback_host
from fanin.aggregator.settings import Settings
from tests.aggregator.services import EAST, PUSH, Hand

pytestmark = pytest.mark.anyio

OURS = "127.0.0.1:8080"


class Left:
    """A webhook that has come as a whole, of a client that has left: nothing follows when it is taken."""

    def __init__(self, headers: dict[str, str]) -> None:
        fields = tuple((name.encode(), value.encode()) for name, value in headers.items())
        path, query = EAST.split("?")
        self.head = RequestHead(
            "POST", path.encode(), path, query.encode(), fields, 1, None, keep_alive=True,
            expects_continue=False,
        )  # fmt: skip

    def take_body(self) -> None:
        """There is none."""

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        raise AssertionError(status, headers, body)

    async def send(self, message: Message) -> None:
        raise AssertionError(message)


def begun(headers: dict[str, str]) -> tuple[Left, Message]:
    """What `SameSite.begin` is called with."""
    return Left(headers), {"scheme": "http", "server": ("127.0.0.1", 8080), "client": ("127.0.0.1", 1)}


async def statuses(folder: Path, headers: dict[str, str], *, loopback: bool) -> tuple[int, int]:
    """The statuses of a webhook and of a list, with these headers."""
    app = create_app(Settings(regions=("eastus", "westus"), data_dir=folder), clock=Hand())
    served = SameSite(app, loopback=loopback)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url=f"http://{OURS}") as client,
    ):
        webhook = await client.post(EAST, json=PUSH, headers=headers)
        assert served.begin(*begun({"host": OURS} | headers)) == (webhook.status_code != 403)
        if webhook.status_code == 403:
            assert webhook.json()["error"] == "cross-site"
        listed = await client.get("/instances", headers=headers)
        stored = len(listed.json().get("instances", ()))
        assert stored == (webhook.status_code == 202)
        return webhook.status_code, listed.status_code


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (202, 200)),
        ({"host": "localhost"}, (202, 200)),
        ({"sec-fetch-site": "same-origin", "origin": f"http://{OURS}"}, (202, 200)),
        ({"sec-fetch-site": "none"}, (202, 200)),
        ({"sec-fetch-site": "cross-site"}, (403, 200)),
        ({"origin": "https://evil.example"}, (403, 200)),
        ({"origin": "null"}, (403, 200)),
        ({"origin": "http://127.0.0.1:3000"}, (403, 200)),
        ({"host": "rebound.example:8080"}, (403, 403)),
        ({"host": "rebound.example:8080", "origin": "http://rebound.example:8080"}, (403, 403)),
        ({"host": "10.0.0.1"}, (403, 403)),
    ],
)
async def test_other_sites_are_refused_on_loopback(
    tmp_path: Path, headers: dict[str, str], expected: tuple[int, int]
) -> None:
    """A form, a script, and a page whose name was given our address."""
    assert await statuses(tmp_path, headers, loopback=True) == expected


async def test_elsewhere_any_host_is_accepted(tmp_path: Path) -> None:
    """With --insecure-no-keys it has names that are not known here; sites are refused all the same."""
    assert await statuses(tmp_path / "a", {"host": "fanin.example"}, loopback=False) == (202, 200)
    assert await statuses(tmp_path / "b", {"sec-fetch-site": "cross-site"}, loopback=False) == (403, 200)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("fanin.localhost", True),
        ("localhost.", True),
        ("127.0.0.1", True),
        ("127.3.4.5:80", True),
        ("[::1]:8080", True),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example", False),
        ("10.0.0.1", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_names_of_loopback(host: str, *, loopback: bool) -> None:
    """By name or by address, whatever the port."""
    assert is_loopback_host(host) is loopback
