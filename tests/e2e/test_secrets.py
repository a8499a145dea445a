"""Secrets are nowhere in what the service says, whatever is done to it."""

import asyncio
import base64
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.wire import BODY_BYTES_MAX
from tests.e2e.serving import LIMIT_S, Service, Sink, environment

KEY, OTHER_KEY = "key-of-the-registry-1", "key-of-the-registry-2"
HEADER = "value-of-the-header"
SIGNING = "whsec_" + base64.b64encode(b"secret-with-which-is-signed!").decode()
USER, PASSWORD, PATH, QUERY = (f"{word}-of-the-sink" for word in ("user", "password", "path", "query"))
SECRETS = (
    KEY, OTHER_KEY, HEADER, SIGNING, SIGNING.removeprefix("whsec_"), "secret-with-which-is-signed!",
    USER, PASSWORD, PATH, QUERY, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
)  # fmt: skip

BODY = b'{"id":"op-1","action":"push","target":{"repository":"team/app"}}'
OLD = "webhook-id: 1\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,YQ==\r\n"
HOOK = "/api/ImagePush?region=eastus"


async def say(port: int, method: str, target: str, body: bytes = b"", headers: str = "") -> bytes:
    """Send a request, well-formed or not, and return all that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    try:
        async with asyncio.timeout(LIMIT_S):
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer)
            return answer + await reader.readexactly(int(length.group(1)) if length else 0)
    except (ConnectionError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


async def every_way(port: int) -> list[bytes]:
    """Requests that are refused, each in its own way, with secrets wherever they may stand."""
    good = f"x-functions-key: {KEY}\r\nx-from: {HEADER}\r\n"
    almost = KEY[:-1]
    return [
        await say(port, "POST", HOOK, BODY),
        await say(port, "POST", f"{HOOK}&code={almost}", BODY),
        await say(port, "POST", HOOK, BODY, f"x-functions-key: {KEY}\r\n"),
        await say(port, "POST", HOOK, BODY, good),
        await say(port, "POST", HOOK, BODY, good + OLD),
        await say(port, "POST", f"/webhooks/mars?code={KEY}", BODY, f"x-from: {HEADER}\r\n"),
        await say(port, "PUT", f"{HOOK}&code={KEY}", BODY),
        await say(port, "GET", f"/nothing?code={KEY}"),
        await say(port, "POST", f"{HOOK}&code={KEY}", b" " * (BODY_BYTES_MAX + 1), good),
        await say(port, "POST", HOOK, BODY, good + f"x-long: {KEY * 3_000}\r\n"),
        await say(port, "BREW", f"{HOOK}&code={KEY}", BODY, good),
        await say(port, "GET", f"/instances?code={KEY}&state={almost[:3]}"),
        await say(port, "GET", f"/instances?code={KEY}"),
        await say(port, "GET", f"/outbox?code={KEY}"),
        await say(port, "GET", f"/metrics?code={OTHER_KEY}"),
        await say(port, "GET", f"/runtime/webhooks/durabletask/instances/op-2?code={KEY}"),
        await say(port, "GET", f"/readyz?code={KEY}"),
    ]  # fmt: skip


def test_no_secret_is_said_whatever_goes_wrong(tmp_path: Path) -> None:
    """Answers, log with every detail, greeting, complaints of other processes: searched for each of them."""
    keys = tmp_path / "keys"
    keys.write_text(f"{KEY}\n{OTHER_KEY}\n")

    async def story() -> tuple[list[bytes], str]:
        async with Sink(lambda nth: 500 if nth < 3 else 200) as sink:
            url = sink.url.replace("//", f"//{USER}:{PASSWORD}@").replace("/hook", f"/{PATH}?{QUERY}")
            settings = {
                "FANIN_REGIONS": "eastus,westus",
                "FANIN_DATA_DIR": str(tmp_path / "data"),
                "FANIN_KEYS_FILE": str(keys),
                "FANIN_TIMEOUT": "500ms",
                "NOTIFY_URL": url,
            }
            open_ = Service.start(tmp_path / "data", "--verbose", **settings)
            body = BODY.replace(b"op-1", b"op-2")
            said = [
                await say(open_.port, "POST", f"/webhooks/{region}?code={KEY}", body)
                for region in ("eastus", "eastus", "westus")
            ]
            await sink.until(lambda: len(sink.received) >= 1)
            second = _run(settings)
            _, log = open_.end(signal.SIGTERM)

            settings |= {"FANIN_HEADER_SECRET": f"X-From: {HEADER}", "FANIN_SIGNING_SECRETS": SIGNING}
            closed = Service.start(tmp_path / "data", "--verbose", "--log-format", "json", **settings)
            said += await every_way(closed.port)
            with sqlite3.connect(tmp_path / "data" / FILE, isolation_level=None) as db:
                db.execute("BEGIN IMMEDIATE")
                said.append(await say(closed.port, "GET", "/readyz"))
                db.execute("ROLLBACK")
            db.close()
            _, more = closed.end(signal.SIGTERM)
            broken = _run(settings | {"FANIN_HEADER_SECRET": HEADER})
        return said, open_.greeting + log + second + closed.greeting + more + broken

    said, texts = asyncio.run(story())

    everything = b"\n".join(said).decode() + texts
    assert [secret for secret in SECRETS if secret in everything] == []
    # Each kind of refusal was there, or nothing was proved.
    statuses = {answer.split(b" ", 2)[1].decode() for answer in said if answer}
    assert statuses >= {"200", "202", "400", "401", "404", "405", "413", "431", "503"}
    for event in ("decided", "notification-failed", '"event": "refused"', "in use by another process"):
        assert event in texts


def _run(settings: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "fanin.aggregator", "--port", "0"],
        env=environment(**settings), capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert ended.returncode
    return ended.stdout + ended.stderr
