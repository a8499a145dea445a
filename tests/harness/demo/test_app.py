"""The demo's server answers the page that it served, and no other."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from fanin.harness.cli.demo import offered
from fanin.harness.demo.app import BODY_BYTES_MAX, Demo, create_app
from fanin.harness.demo.plays import PlayRequest, Plays
from fanin.harness.demo.worker import PlayWorker
from fanin.harness.report.player.bundle import content_policy, script, style
from fanin.harness.report.player.page import page
from fanin.simulator.pack import find

TOKEN = "a-token"  # noqa: S105 - of this test
JSON = {"content-type": "application/json"}
PLAY = f"/{TOKEN}/api/play"


class Here(PlayWorker):
    """Plays in this process."""

    def __init__(self) -> None:
        super().__init__(Plays)

    def start(self) -> None:
        pass

    async def play(self, request: PlayRequest) -> bytes:
        return msgspec.json.encode(Plays().play(request))


class Client:
    """Asks the application without a socket."""

    def __init__(self) -> None:
        live: dict[str, Any] = {"scenarios": [], "bugs": [], "lessons": []}
        self._app = create_app(Demo(live, Here(), TOKEN))

    def request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                return await client.request(method, path, **sent)

        return asyncio.run(ask())

    def get(self, path: str, **sent: Any) -> httpx.Response:
        return self.request("GET", path, **sent)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        return self.request("POST", path, **sent)


@pytest.fixture
def client() -> Client:
    return Client()


def body(**fields: Any) -> bytes:
    return msgspec.json.encode({"yaml": find("slow-region").read_text(encoding="utf-8"), **fields})


def test_the_page_is_whole(client: Client) -> None:
    """Script and style are in it, and it may ask only its own server."""
    response = client.get(f"/{TOKEN}/")

    assert response.status_code == 200
    assert script() in response.text
    assert style() in response.text
    assert "connect-src &#39;self&#39;" in response.text
    assert response.headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in response.headers


def test_all_that_a_browser_is_sent_is_under_300_kb() -> None:
    """The page with the whole pack, the zoo and the course in it, and the first recording."""
    live = offered("slow-region", seed=0, target="fanin", app="")
    shown = page("fanin demo", live=live).encode()
    recording = msgspec.json.encode(Plays().play(PlayRequest(live["first"]["yaml"])))

    assert len(live["scenarios"]) > 60
    assert len(shown) + len(recording) < 300_000


def test_a_play_is_answered_with_its_recording(client: Client) -> None:
    """Text in, document out."""
    response = client.post(PLAY, content=body(seed=2), headers=JSON)

    assert response.json()["recording"]["run"]["seed"] == 2


@pytest.mark.parametrize(
    ("path", "headers", "words"),
    [
        ("/another/api/play", {}, "no valid token"),
        (PLAY, {"host": "fanin.example:8000"}, "'fanin.example' is no name of this machine"),
        (PLAY, {"host": "127.0.0.1.evil.example"}, "no name of this machine"),
        (PLAY, {"origin": "http://evil.example"}, "another page"),
        (PLAY, {"origin": "http://127.0.0.1:9000"}, "another page"),
        (PLAY, {"origin": "null"}, "another page"),
        (PLAY, {"sec-fetch-site": "cross-site"}, "another page"),
    ],
)
def test_other_pages_are_refused(client: Client, path: str, headers: dict[str, str], words: str) -> None:
    """Without the token, under a name that was rebound, or from another origin."""
    response = client.post(path, content=body(), headers=JSON | headers)

    assert response.status_code == 403
    assert words in response.text


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_every_name_of_loopback_will_do(client: Client, host: str) -> None:
    """A browser behind a tunnel, or one that is given ``localhost``, gets the page."""
    assert client.get(f"/{TOKEN}/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (body(), {"content-type": "text/plain"}, 415),
        (b"{", JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (body(more=1), JSON, 400),
        (body(seed="x"), JSON, 400),
        (body(seed=-1), JSON, 400),
        (body(change=5), JSON, 400),
        (body(change={"change": "remove-fault", "index": "0"}), JSON, 400),
        (b" " * (BODY_BYTES_MAX + 1), JSON, 413),
    ],
)
def test_what_is_not_asked_for_is_refused(
    client: Client, content: bytes, headers: dict[str, str], status: int
) -> None:
    """A form of another page can send text, and nothing else."""
    assert client.post(PLAY, content=content, headers=headers).status_code == status


def test_completions_are_answered(client: Client) -> None:
    """JSON: ``{start, offers: [{text, detail}]}``."""
    response = client.post(f"/{TOKEN}/api/complete", json={"yaml": "sce", "cursor": 3})

    assert response.json()["offers"][0]["text"] == "scenario: "


@pytest.mark.parametrize(
    "recording", [5, {"scenario": 5}, {"scenario": None}, {"scenario": []}, {"scenario": {"name": 5}}]
)
def test_what_is_no_recording_is_not_saved(client: Client, recording: object) -> None:
    """400, as for any other value of the wrong type."""
    response = client.post(f"/{TOKEN}/api/save", json={"recording": recording})

    assert response.status_code == 400
    assert "recording" in response.text


@pytest.mark.parametrize("asked", [{"yaml": 5, "cursor": 1}, {"yaml": "a", "cursor": "1"}, {"yaml": "a"}, []])
def test_what_is_no_place_in_a_text_is_not_completed(client: Client, asked: object) -> None:
    """Likewise."""
    assert client.post(f"/{TOKEN}/api/complete", json=asked).status_code == 400


def test_a_saved_page_holds_its_recording_and_asks_no_server(client: Client) -> None:
    """Text that looks like markup cannot end the element in which it stands."""
    recording = {"scenario": {"name": "</script><script>alert(1)"}}

    text = client.post(f"/{TOKEN}/api/save", json={"recording": recording}).text

    assert "</script><script>alert(1)" not in text
    assert "connect-src &#39;none&#39;" in text
    assert content_policy(live=False).startswith("default-src 'none'; script-src 'sha256-")
