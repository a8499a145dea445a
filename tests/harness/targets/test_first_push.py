"""One push before the pack, played against a command."""

import asyncio
import shlex
import sys
from pathlib import Path

import pytest

from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.targets import first_push
from fanin.harness.targets.first_push import FirstPushError, check_first_push, push_to_command
from fanin.harness.targets.process import Container
from fanin.harness.targets.scale import TimeScale
from fanin.harness.world.asgi import StartError
from tests.harness.oracle.histories import EAST, both, history, notified, sent
from tests.paths import FOREIGN_APPS

TIME_SCALE = TimeScale(timeout_ms=1_000, tolerance_ms=500)
PYTHON = shlex.quote(sys.executable)
# Answers every POST with the status that stands in its place, and notifies nothing.
SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(int(sys.argv[1]))
        self.send_header("content-length", "0")
        self.end_headers()

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_any_notification_will_do() -> None:
    """Whether it is right is the pack's matter, and so is a refusal that did no harm."""
    assert check_first_push(history(both(), notified("timed_out", 120.1)), name="x") == ""
    refused_first = history(sent(EAST, 0, status=500), both(), notified("completed", 1))
    assert check_first_push(refused_first, name="x") == ""


def test_what_the_notification_lacks_is_a_note() -> None:
    """Unless the target is known not to hold it."""
    lacking = notified("completed", 1, tag=None)

    assert "has no tag;" in check_first_push(history(both(), lacking), name="x")
    assert check_first_push(history(both(), lacking, run={"unobservable": ("tag",)}), name="x") == ""


def test_a_broken_connection_is_named() -> None:
    """There is no status to name."""
    with pytest.raises(FirstPushError, match="x broke the connection without a response to POST"):
        check_first_push(history(sent(EAST, 0, error="reset")), name="x")


@pytest.mark.real_time
def test_a_right_command_is_pushed_to_and_stopped() -> None:
    """It says nothing."""
    command = f"{PYTHON} {shlex.quote(str(FOREIGN_APPS / 'threads.py'))}"

    assert asyncio.run(push_to_command(command, seed=0, time_scale=TIME_SCALE, dialect=CONTRACT)) == ""


@pytest.mark.real_time
def test_a_command_with_a_path_and_variables_of_its_own_is_pushed_to() -> None:
    """It reads none of the contract's variables, not even PORT."""
    env = {"REGION_LIST": "{regions}", "DEADLINE_S": "{timeout_s}", "SINK_URL": "sink={notify_url}"}
    dialect = Dialect(path="/hooks/{region}", env=env | {"HTTP_PORT": "{port}"})
    command = f"{PYTHON} {shlex.quote(str(FOREIGN_APPS / 'own_names.py'))}"

    asyncio.run(push_to_command(command, seed=0, time_scale=TIME_SCALE, dialect=dialect))


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (404, "answered 404 to POST /api/ImagePush?region=…: is there a route at that path?"),
        (500, "answered 500 to POST /api/ImagePush?region=…"),
        (202, "its sink was not notified within 1.5s"),
    ],
)
def test_a_command_that_takes_no_push_is_one_error(
    status: int, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it printed last, within a timeout."""
    monkeypatch.setattr(first_push, "WAITS_MS_MIN", 0)
    server = tmp_path / "server.py"
    server.write_text(SERVER, encoding="utf-8")
    command = f"{PYTHON} {shlex.quote(str(server))} {status}"

    with pytest.raises(FirstPushError) as raised:
        asyncio.run(push_to_command(command, seed=0, time_scale=TIME_SCALE, dialect=CONTRACT))

    assert complaint in str(raised.value)
    assert "its last output:" in str(raised.value)


@pytest.mark.real_time
def test_a_command_that_does_not_start_says_how_it_ended() -> None:
    """As before any other scenario."""
    with pytest.raises(StartError, match="exited with 3"):
        asyncio.run(push_to_command("exit 3", seed=0, time_scale=TIME_SCALE, dialect=CONTRACT))


@pytest.mark.real_time
def test_an_address_at_which_the_sink_cannot_listen_is_one_error() -> None:
    """It is named, with the reason."""
    elsewhere = Container(sink_host="192.0.2.1")

    with pytest.raises(StartError, match=r"^cannot listen for notifications at 192\.0\.2\.1: Cannot assign"):
        asyncio.run(
            push_to_command("exit 3", seed=0, time_scale=TIME_SCALE, dialect=CONTRACT, container=elsewhere)
        )
