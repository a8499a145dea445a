"""Test messages over HTTP: sent the way that notifications take, marked, and counted nowhere."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.formats import FORMATS, load
from fanin.aggregator.notify.rehearsal import message_of_test
from tests.aggregator.notify.receivers import OK, listening
from tests.aggregator.services import service

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9/hunter2"  # the port "discard", where nothing listens


class Sink:
    """Accepts everything, and keeps heads and bodies."""

    def __init__(self) -> None:
        self.received: list[tuple[list[str], bytes]] = []

    async def serve(self, reader: Any, writer: Any) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            (length,) = (int(line[15:]) for line in head if line.startswith("content-length:"))
            self.received.append((head, await reader.readexactly(length)))
            writer.write(OK)


def configured(folder: Path, port: int) -> dict[str, Any]:
    path = folder / "targets.yaml"
    path.write_text(
        f"""
targets:
  - {{name: deploy, url: "http://127.0.0.1:{port}/hook", on: completed, signing_secret_env: SECRET}}
  - {{name: oncall, url: "{NOWHERE}", on: timed_out}}
""",
        encoding="utf-8",
    )
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's example
    return {"FANIN_NOTIFY_FILE": str(path), "SECRET": secret}


async def test_every_target_gets_a_message_and_its_answer_is_told(tmp_path: Path) -> None:
    """Whatever outcomes it is configured for; nothing is counted, stored or repeated."""
    sink = Sink()
    async with listening(sink.serve) as port, service(tmp_path, **configured(tmp_path, port)) as client:
        before = (await client.get("/metrics")).text
        answer = await client.post("/outbox/test")
        after = (await client.get("/metrics")).text
        outbox = (await client.get("/outbox")).json()

    deploy, oncall = answer.json()["targets"]
    ((head, content),) = sink.received
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    body = msgspec.json.decode(content)
    assert answer.status_code == 200
    assert deploy["took_ms"] >= 0
    assert (deploy["target"], deploy["accepted"], deploy["error"]) == ("deploy", True, None)
    assert (oncall["target"], oncall["accepted"], oncall["error"]) == ("oncall", False, "Connection refused")
    assert (body["outcome"], body["test"], body["arrived"]) == ("test", True, ["eastus", "westus"])
    assert headers["webhook-id"] == body["id"]
    assert headers["webhook-id"].startswith("test-")
    assert headers["webhook-signature"].startswith("v1,")
    for name in ("fanin_operations_total", "fanin_notification_attempts_total", "fanin_outbox"):
        assert [x for x in before.splitlines() if x.startswith(name)] == [
            x for x in after.splitlines() if x.startswith(name)
        ]
    assert outbox == {"entries": [], "next": None}


async def test_one_target_may_be_chosen(tmp_path: Path) -> None:
    """And only it is asked."""
    sink = Sink()
    async with listening(sink.serve) as port, service(tmp_path, **configured(tmp_path, port)) as client:
        answer = await client.post("/outbox/test?target=deploy")

    assert [one["target"] for one in answer.json()["targets"]] == ["deploy"]
    assert len(sink.received) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?target=deploi", "no such target 'deploi'; did you mean 'deploy'?"),
        ("?operation=op-1", "no such parameter 'operation'; there are target"),
    ],
)
async def test_what_cannot_be_tested_is_refused(tmp_path: Path, query: str, message: str) -> None:
    """The message says what there is, and what may be asked for."""
    async with service(tmp_path, **configured(tmp_path, 9)) as client:
        answer = await client.post(f"/outbox/test{query}")

    assert (answer.status_code, answer.json()["message"]) == (400, message)


async def test_without_targets_there_is_nothing_to_test(tmp_path: Path) -> None:
    """And without the key it is refused."""
    async with service(tmp_path) as client:
        none = await client.post("/outbox/test")
    async with service(tmp_path, FANIN_KEYS="hunter2hunter2hunter2", FANIN_NOTIFY_URL=NOWHERE) as client:
        shut = await client.post("/outbox/test")

    assert (none.status_code, none.json()["message"]) == (
        400,
        "no target is configured, so there is nothing to test",
    )
    assert shut.status_code == 401


@pytest.mark.parametrize("name", FORMATS)
async def test_in_every_format_a_test_is_told_from_an_outcome(name: str) -> None:
    """No receiver that looks for an outcome takes it for one; one who reads it sees what it is."""
    message: Notification = message_of_test(("eastus",), 1_772_323_200_000)

    rendered = load(name).render(message)

    written = rendered.body.decode() + str(rendered.headers)
    assert "test" in written.casefold()
    assert "confirmed" not in written
    assert not {"completed", "timed_out", "fanin-completed"} & set(written.replace(".", '"').split('"'))
