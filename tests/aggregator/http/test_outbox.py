"""The outbox over HTTP: listed with a key, and dead letters sent again on a clear request."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.aggregator.services import EAST, PUSH, WEST, Hand, service

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9/hunter2"  # the port "discard", where nothing listens
TARGETS = f"""
targets:
  - {{name: deploy, url: "{NOWHERE}", attempts_max: 1}}
  - {{name: oncall, url: "{NOWHERE}", on: timed_out}}
"""


async def dead(client: Any) -> list[dict[str, Any]]:
    """The dead letters, once there are some."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not found:
            await asyncio.sleep(0.01)
            found = (await client.get("/outbox?state=dead")).json()["entries"]
    return found


async def test_a_dead_letter_is_listed(tmp_path: Path) -> None:
    """With everything but the target's URL."""
    (tmp_path / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    async with service(tmp_path, FANIN_NOTIFY_FILE=str(tmp_path / "targets.yaml")) as client:
        for region in (EAST, WEST):
            await client.post(region, json=PUSH)
        (letter,) = await dead(client)
        whole = (await client.get("/outbox")).json()
        waiting = (await client.get("/outbox?state=waiting")).json()

    assert letter["error"]
    assert "hunter2" not in str(letter)
    assert len(letter.pop("key")) == 32
    assert letter | {"error": ""} == {
        "operation": "5b7c",
        "target": "deploy",
        "state": "dead",
        "outcome": "completed",
        "attempts": 1,
        "next_attempt": None,
        "dead_lettered": "2026-03-01T00:00:00.000Z",
        "error": "",
    }
    assert [one["target"] for one in whole["entries"]] == ["deploy"]
    assert waiting == {"entries": [], "next": None}


@pytest.mark.parametrize(
    ("query", "retried"),
    [("", 1), ("?target=deploy", 1), ("?operation=5b7c", 1), ("?operation=other", 0), ("?target=oncall", 0)],
)
async def test_dead_letters_are_sent_again(tmp_path: Path, query: str, retried: int) -> None:
    """As many as were chosen; the answer says how many."""
    (tmp_path / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    async with service(tmp_path, FANIN_NOTIFY_FILE=str(tmp_path / "targets.yaml")) as client:
        for region in (EAST, WEST):
            await client.post(region, json=PUSH)
        await dead(client)
        answer = await client.post(f"/outbox/retry{query}")

    assert (answer.status_code, answer.json()) == (200, {"retried": retried})


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/outbox?state=lost", "state='lost' is none of waiting, dead"),
        ("GET", "/outbox?limit=0", "limit='0' is not a number"),
        ("GET", "/outbox?after=x", "is not what a page gave as its next"),
        ("POST", "/outbox/retry?target=deploi", "no such target 'deploi'; did you mean 'deploy'?"),
        ("POST", "/outbox/discard", "target= or operation= is required"),
        ("POST", "/outbox/discard?target=deploi", "no such target 'deploi'; did you mean 'deploy'?"),
        ("POST", "/outbox/pause", "target= or operation= is required"),
        ("POST", "/outbox/resume?target=deploi", "no such target 'deploi'; did you mean 'deploy'?"),
        ("POST", "/outbox/retry?targt=deploy", "no such parameter 'targt'; did you mean 'target'?"),
    ],
)
async def test_an_invalid_request_changes_nothing(
    tmp_path: Path, method: str, path: str, message: str
) -> None:
    """A misspelling must not send everything again."""
    (tmp_path / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    async with service(tmp_path, FANIN_NOTIFY_FILE=str(tmp_path / "targets.yaml")) as client:
        answer = await client.request(method, path)

    assert answer.status_code == 400
    assert message in answer.json()["message"]


async def test_targets_are_listed_paused_and_resumed(tmp_path: Path) -> None:
    """While one is paused, nothing is attempted, over a restart too."""
    (tmp_path / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    async with service(tmp_path, FANIN_NOTIFY_FILE=str(tmp_path / "targets.yaml")) as client:
        paused = await client.post("/outbox/pause?target=deploy")
        for region in (EAST, WEST):
            await client.post(region, json=PUSH)
    async with service(tmp_path, FANIN_NOTIFY_FILE=str(tmp_path / "targets.yaml")) as client:
        await asyncio.sleep(0.1)
        (waiting,) = (await client.get("/outbox")).json()["entries"]
        listed = (await client.get("/outbox/targets")).json()["targets"]
        figures = (await client.get("/metrics")).text
        resumed = await client.post("/outbox/resume?target=deploy")
        await dead(client)

    assert paused.json() == {"paused": True, "notifications": None}
    assert (waiting["state"], waiting["attempts"], waiting["error"]) == ("waiting", 0, None)
    assert listed == [
        {"target": "deploy", "configured": True, "state": "paused", "waiting": 1, "dead": 0},
        {"target": "oncall", "configured": True, "state": "closed", "waiting": 0, "dead": 0},
    ]
    assert 'fanin_target_paused{target="deploy"} 1.0' in figures
    assert resumed.json() == {"paused": False, "notifications": None}


async def test_what_waits_for_a_removed_target_is_listed_and_discarded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said at the start, with the command that discards it."""
    (tmp_path / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    async with service(tmp_path, FANIN_NOTIFY_FILE=str(tmp_path / "targets.yaml")) as client:
        for region in (EAST, WEST):
            await client.post(region, json=PUSH)
        await dead(client)
    (tmp_path / "targets.yaml").write_text(TARGETS.replace("name: deploy", "name: other"), encoding="utf-8")
    async with service(tmp_path, FANIN_NOTIFY_FILE=str(tmp_path / "targets.yaml")) as client:
        before = (await client.get("/outbox/targets")).json()["targets"]
        discarded = await client.post("/outbox/discard?target=deploy")
        after = (await client.get("/outbox/targets")).json()["targets"]
        figures = (await client.get("/metrics")).text

    assert "fanin outbox discard --target deploy" in caplog.text
    assert {"target": "deploy", "configured": False, "state": None, "waiting": 0, "dead": 1} in before
    assert discarded.json() == {"discarded": 1}
    assert [it["target"] for it in after] == ["other", "oncall"]
    assert "fanin_dead_letters 0.0" in figures


async def test_the_outbox_asks_for_a_key(tmp_path: Path) -> None:
    """Reading the outbox and changing it is refused without a key, as every other request is."""
    async with service(tmp_path, FANIN_KEYS="hunter2") as client:
        shut = [await client.get("/outbox"), await client.post("/outbox/retry")]
        opened = [await client.get("/outbox?code=hunter2"), await client.post("/outbox/retry?code=hunter2")]

    assert [answer.status_code for answer in shut] == [401, 401]
    assert [answer.status_code for answer in opened] == [200, 200]


async def test_an_engine_without_an_outbox_says_so(tmp_path: Path) -> None:
    """Instead of an empty list, which would be a lie."""

    class Deaf:
        from fanin.aggregator.engine import Capabilities

        capabilities = Capabilities(survives_kill=False, exclusive=False, has_retention=False)

        async def open(self) -> None:
            return

        async def close(self) -> None:
            return

    async with service(tmp_path, engine=lambda *_: Deaf(), clock=Hand()) as client:
        answers = [await client.get("/outbox"), await client.post("/outbox/retry")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "cannot list its outbox" in answers[0].json()["message"]
