"""The application under another server, as far as no server is needed (the rest: e2e/test_one_process)."""

import asyncio
import logging
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from fanin.aggregator import asgi
from fanin.aggregator.http.exchange import Message
from fanin.harness.cli.main import main


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("FANIN_", "Webhook"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FANIN_REGIONS", "eastus,westus")
    monkeypatch.setenv("FANIN_KEYS", "hunter2hunter2")
    monkeypatch.setenv("FANIN_DATA_DIR", str(tmp_path))


def start_and_stop() -> list[Message]:
    """The messages of a lifespan that ends as soon as it has begun."""
    app, sent = asgi.create(), list[Message]()
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(received)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app({"type": "lifespan"}, receive, send))  # type: ignore[arg-type]
    return sent


# --- starting ---


def test_it_starts_and_stops() -> None:
    """As the ASGI specification has it."""
    assert [it["type"] for it in start_and_stop()] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FANIN_TIMEOUT", "80", "Error: FANIN_TIMEOUT: '80' has no unit; write 80s, 80m, 80h or 80d"),
        (
            "FANIN_KEYS",
            None,
            "Error: FANIN_KEYS: not set, and the addresses of this server are not known here",
        ),
    ],
)
def test_a_wrong_setting_ends_the_process_with_one_line(
    name: str, value: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server listens is not known, so keys are required."""
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        asgi.create()

    assert str(end.value.code).startswith(message)
    assert "\n" not in str(end.value.code)


def test_no_keys_are_needed_if_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting for that is written out: it is no default."""
    monkeypatch.delenv("FANIN_KEYS")
    monkeypatch.setenv("FANIN_INSECURE_NO_KEYS", "yes")

    assert callable(asgi.create())


def test_a_failed_start_is_one_line(tmp_path: Path) -> None:
    """Starlette would send a traceback."""
    (tmp_path / "fanin.db").write_text("not a database, but as long as one would be" * 100)
    (failed,) = start_and_stop()

    assert failed["type"] == "lifespan.startup.failed"
    assert "fanin.db" in failed["message"]
    assert "\n" not in failed["message"]


# --- requests ---


def test_a_request_that_another_http_has_read_is_not_served() -> None:
    """Servers that do not say at the start what reads their requests are caught at the first one."""
    app = asgi.create()

    async def never(*_: object) -> Message:
        raise AssertionError

    with pytest.raises(RuntimeError, match="reads HTTP in its own way"):
        asyncio.run(app({"type": "http", "path": "/healthz"}, never, never))  # type: ignore[arg-type]


def test_the_access_log_has_no_function_keys(caplog: pytest.LogCaptureFixture) -> None:
    """They may be in the query."""
    asgi.create()
    access = logging.getLogger("uvicorn.access")
    access.warning('%s - "%s %s" %d', "127.0.0.1", "POST", "/api/ImagePush?code=hunter2hunter2", 202)
    access.warning("no arguments")

    assert caplog.messages == ['127.0.0.1 - "POST /api/ImagePush" 202', "no arguments"]


def test_the_application_alone_can_be_judged_in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server, a log or a thread; with signatures too, whose library reads the wall clock."""
    for name in [name for name in os.environ if name.startswith("FANIN_")]:
        monkeypatch.delenv(name)
    judge = ["verify", "--app", "fanin.aggregator.asgi:in_process", "--capability", "signatures"]

    card = CliRunner().invoke(main, [*judge, "slow-region", "crash-after-ack", "signed"])

    assert card.exit_code == 0, card.output
    assert "3 valid" in card.output
