"""The service as people run it: started, asked, stopped, mistyped."""

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fanin.aggregator.http.request_parser import HEAD_BYTES_MAX
from tests.e2e.serving import LIMIT_S, Service, Sink, environment

REGIONS = "eastus,westus"


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "fanin.aggregator", *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_from_webhooks_to_notification(tmp_path: Path) -> None:
    """Configured by the original's names: it says what it does, does it, and stops in order when told."""

    async def story() -> None:
        async with Sink() as sink:
            service = Service.start(
                tmp_path, WebhookRegions="EastUS,westus", WebhookTimeout="0:01:20", NOTIFY_URL=sink.url
            )
            assert service.greeting == (
                f"fanin listens on http://127.0.0.1:{service.port}, waits up to 1m20s for eastus, westus, "
                f"keeps its data in {tmp_path}\n"
            )
            assert [await service.push(region, "op-1") for region in ("eastus", "westus")] == [
                (202, "counted"),
                (202, "counted"),
            ]
            await sink.until(lambda: bool(sink.received))
            status, _, content = await service.request("GET", "/readyz")
            code, log = service.end(signal.SIGTERM)

        ((_, body),) = sink.received
        assert (body["id"], body["outcome"], body["arrived"]) == ("op-1", "completed", ["eastus", "westus"])
        assert (status, content) == (200, b'{"status":"ready"}')
        assert code == 0
        assert "info decided operation=op-1 outcome=completed arrived=eastus,westus\n" in log
        assert "hook" not in log
        assert "Traceback" not in log

    asyncio.run(story())


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_being_asked_to_stop_is_no_failure(tmp_path: Path, signum: signal.Signals) -> None:
    """Ctrl-C and a supervisor's SIGTERM: exit 0, without a traceback, also with a connection open."""
    service = Service.start(tmp_path, FANIN_REGIONS=REGIONS)
    with socket.create_connection(("127.0.0.1", service.port)):
        code, log = service.end(signum)

    assert (code, log) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "complaint"),
    [
        ([], {}, 2, "Error: FANIN_REGIONS: not set; name the regions to wait for"),
        ([], {"FANIN_REGIONS": REGIONS, "WebhookTimeout": "80"}, 2, "WebhookTimeout: '80' is a bare number"),
        ([], {"FANIN_REGIONS": REGIONS, "WebhookTimeOut": "0:01:20"}, 2, "WebhookTimeOut: differs from"),
        (["--regions", REGIONS, "--timeout", "80"], {}, 2, "Error: --timeout: '80' has no unit"),
        (["--regions", REGIONS, "--host", "0.0.0.0"], {}, 2, "or pass --insecure-no-keys"),  # noqa: S104 - refused
        (["--region", REGIONS], {}, 2, "No such option"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_one_clear_message(
    arguments: list[str], settings: dict[str, str], code: int, complaint: str
) -> None:
    """On stderr, exit 2, no traceback."""
    ended = run(*arguments, **settings)

    assert ended.returncode == code
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_is_one_clear_message(tmp_path: Path) -> None:
    """It names the address and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--regions", REGIONS, "--data-dir", str(tmp_path), "--port", str(port))

    assert ended.returncode == 1
    assert ended.stderr == (
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "choose another address with --host and --port\n"
    )


def test_data_in_use_is_one_clear_message(tmp_path: Path) -> None:
    """Two services on one folder would notify twice."""
    service = Service.start(tmp_path, FANIN_REGIONS=REGIONS)
    ended = run("--regions", REGIONS, "--data-dir", str(tmp_path), "--port", "0")
    service.end(signal.SIGTERM)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: {tmp_path} is in use by another process")
    assert "Traceback" not in ended.stderr


def test_keys_from_the_environment_open_the_door(tmp_path: Path) -> None:
    """With keys it may listen anywhere; the key is nowhere in what it prints."""

    async def story() -> None:
        service = Service.start(
            tmp_path, "--host", "127.0.0.1", FANIN_REGIONS=REGIONS, FANIN_KEYS="hunter2hunter2"
        )
        refused = await service.request("GET", "/instances")
        opened = await service.request("GET", "/instances?code=hunter2hunter2")
        _, log = service.end(signal.SIGTERM)

        assert (refused[0], refused[2], opened[0]) == (401, b"", 200)
        assert "hunter2" not in service.greeting + log

    asyncio.run(story())


def test_help_names_every_setting() -> None:
    """What can be set can be found."""
    text = run("--help").stdout

    for name in (
        "FANIN_REGIONS",
        "FANIN_KEYS",
        "WebhookTimeout",
        "--insecure-no-keys",
        "/api/ImagePush?region=",
    ):
        assert name in text


def test_rude_clients_get_answers_and_the_service_lives(tmp_path: Path) -> None:
    """Garbage, a request that is never finished, a body that is cut off: the next webhook is taken."""

    async def story() -> None:
        service = Service.start(tmp_path, FANIN_REGIONS=REGIONS)
        for bytes_ in (
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET / HTTP/9.9\r\n\r\n" * 3,
            b"POST /webhooks/eastus HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{",
            b"POST /webhooks/eastus HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(bytes_)
            await writer.drain()
            writer.close()
        taken = await service.push("eastus", "op-1")
        code, log = service.end(signal.SIGTERM)

        assert taken == (202, "counted")
        assert code == 0
        assert "Traceback" not in log

    asyncio.run(story())


@pytest.mark.parametrize(
    "head",
    [
        b"x-long: " + b"a" * HEAD_BYTES_MAX + b"\r\n\r\n",
        b"x-long: " + b"a" * HEAD_BYTES_MAX,  # and never ends
        b"".join(b"x-%d: a\r\n" % n for n in range(HEAD_BYTES_MAX // 4)),
    ],
)
def test_a_head_that_is_too_large_is_refused(tmp_path: Path, head: bytes) -> None:
    """431 and the connection is closed, whether the head ends or not; the next webhook is taken."""

    async def story() -> None:
        service = Service.start(tmp_path, FANIN_REGIONS=REGIONS)
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"POST /webhooks/eastus HTTP/1.1\r\nhost: localhost\r\n" + head)
        async with asyncio.timeout(LIMIT_S):
            answer = await reader.read(12)
        writer.close()
        taken = await service.push("eastus", "op-1")
        code, log = service.end(signal.SIGTERM)

        assert answer == b"HTTP/1.1 431"
        assert taken == (202, "counted")
        assert (code, "Traceback" in log) == (0, False)

    asyncio.run(story())


def test_a_large_body_is_no_large_head(tmp_path: Path) -> None:
    """In one piece with a head, or behind another request on the same connection."""
    body = b'{"id":"op-1","action":"push","target":{"repository":"team/app"},"x":"%s"}' % (b"y" * 300_000)
    request = b"POST /webhooks/eastus HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )

    async def story() -> None:
        service = Service.start(tmp_path, FANIN_REGIONS=REGIONS)
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        heads = []
        for _ in range(2):
            writer.write(request)
            async with asyncio.timeout(LIMIT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readuntil(b"}")
            heads.append(head[:12])
        writer.close()
        service.end(signal.SIGTERM)

        assert heads == [b"HTTP/1.1 202"] * 2

    asyncio.run(story())


def test_a_request_under_way_is_answered_before_it_stops(tmp_path: Path) -> None:
    """SIGTERM between head and body of a webhook: it is stored, answered, and there after the restart."""
    body = b'{"id":"op-1","action":"push","target":{"repository":"team/app"}}'

    async def story() -> None:
        service = Service.start(tmp_path, FANIN_REGIONS=REGIONS)
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(
            b"POST /webhooks/eastus HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n" % len(body)
        )
        writer.write(b"expect: 100-continue\r\n\r\n")
        async with asyncio.timeout(LIMIT_S):
            await reader.readuntil(b"\r\n\r\n")  # it waits for the body now
            service.process.send_signal(signal.SIGTERM)
            await _until_refused(service.port)
            writer.write(body)
            answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        service.process.communicate(timeout=LIMIT_S)
        again = Service.start(tmp_path, FANIN_REGIONS=REGIONS)
        repeated = await again.push("eastus", "op-1")
        again.end(signal.SIGTERM)

        assert answer.startswith(b"HTTP/1.1 202")
        assert repeated == (202, "duplicate")

    asyncio.run(story())


async def _until_refused(port: int) -> None:
    """It has heard the signal when it takes no more connections."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:  # refused, or reset while the socket closes
            return
        writer.close()
