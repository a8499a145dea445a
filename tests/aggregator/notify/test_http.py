"""One attempt at a notification, against a real server that does as the test says."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.formats.json import render
from fanin.aggregator.notify.http import HttpTarget
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.target import Target
from tests.aggregator.notify.receiver import NOTIFICATION, OK, Answer, At, hang_up, says, server, target

LIMIT_S = 60  # reached only when something is broken


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Python's event loop, as in the simulated world, and the one that serves."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.mark.anyio
async def test_what_travels_is_what_the_contract_says() -> None:
    """The key, the time of this attempt, and exactly these fields."""
    async with server(says(OK)) as (url, requests), target(url) as it:
        await it.send(NOTIFICATION)

    ((head, body),) = requests
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    assert head[0] == "POST /hook/hunter2 HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("c0ffee", "1772323400")
    assert headers["user-agent"].startswith("fanin/")
    assert msgspec.json.decode(body) == {
        "id": "op-1",
        "outcome": "timed_out",
        "arrived": ["eastus"],
        "missing": ["westus"],
        "action": "push",
        "repository": "team/app",
        "tag": "1.0",
        "digest": None,
        "deadline": "2026-03-01T00:02:00.000Z",
        "registry": "h",
    }


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_accepts(status: int) -> None:
    """Receivers differ in what they say when they are content."""
    answer = b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status
    async with server(says(answer)) as (url, _), target(url) as it:
        await it.send(NOTIFICATION)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503])
async def test_nothing_else_does(status: int) -> None:
    """Redirects included: where they point to was not configured."""
    answer = b"HTTP/1.1 %d X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n" % status
    async with server(says(answer)) as (url, requests), target(url) as it:
        with pytest.raises(NotDeliveredError, match=f"^answered {status}$"):
            await it.send(NOTIFICATION)

    assert len(requests) == 1


@pytest.mark.anyio
async def test_a_2xx_whose_body_never_ends_is_a_2xx() -> None:
    """What was accepted must not become doubtful, and be sent again, because its body stalls."""
    stalling = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin"
    async with server(says(stalling), says(OK)) as (url, requests), target(url) as it:
        async with asyncio.timeout(LIMIT_S):
            await it.send(NOTIFICATION)
            await it.send(NOTIFICATION)

    assert len(requests) == 2


@pytest.mark.anyio
async def test_a_connection_is_used_again() -> None:
    """A handshake per notification would cost more than the notification."""
    ports = set()

    async def note(writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername"))
        writer.write(OK)

    async with server(note) as (url, _), target(url) as it:
        for _ in range(5):
            await it.send(NOTIFICATION)

    assert len(ports) == 1


@pytest.mark.anyio
async def test_a_refused_connection() -> None:
    """The reason names the trouble, not the URL: its path may hold a secret."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/hunter2"
    async with target(url) as it:
        with pytest.raises(NotDeliveredError) as failure:
            await it.send(NOTIFICATION)

    assert "refused" in str(failure.value).lower()
    assert "hunter2" not in str(failure.value)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [hang_up, says(b"SSH-2.0-OpenSSH\r\n\r\n"), says(b"HTTP/1.1 2")],
    ids=["nothing", "another protocol", "half a status"],
)
async def test_no_answer_that_can_be_read(answer: Answer) -> None:
    """It is unknown whether it was accepted; so it is sent again, with its key."""

    async def then_hang_up(writer: asyncio.StreamWriter) -> None:
        await answer(writer)
        writer.close()

    async with server(then_hang_up) as (url, _), target(url) as it:
        with pytest.raises(NotDeliveredError):
            async with asyncio.timeout(LIMIT_S):
                await it.send(NOTIFICATION)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        says(b"HTTP/1.1 100 Continue\r\n\r\n", OK),
        says(b"HTTP/1.1 103 X\r\nlink: </x>\r\n\r\nHTTP/1.1 ", b"200 OK\r\ncontent-length: 0\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", b"0\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok"),
        says(b"HTTP/1.0 200 OK\r\n\r\nok"),
        says(*(bytes([byte]) for byte in OK)),
    ],
    ids=["continue", "early hints", "chunked", "until the end", "HTTP/1.0", "byte by byte"],
)  # fmt: skip
async def test_every_way_to_say_200_is_understood(answer: Answer) -> None:
    """And whatever connection is used next, its answer belongs to its request."""
    refuse = says(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n")
    async with server(answer, refuse) as (url, requests), target(url) as it:
        await it.send(NOTIFICATION)
        with pytest.raises(NotDeliveredError, match="answered 500"):
            await it.send(NOTIFICATION)

    assert len(requests) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"HTTP/1.1 103 X\r\n\r\n" * 17 + OK, "too many informational responses"),
        (b"HTTP/1.1 200 " + b"a" * 70_000, "longer than 64 KiB"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 12_000, "longer than 64 KiB"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000, "longer than 64 KiB"),
    ],
    ids=["informational", "reason", "fields", "field"],
)
async def test_a_response_has_limits(sent: bytes, reason: str) -> None:
    """A receiver that sends without an end costs one attempt of its own."""
    async with server(says(sent)) as (url, _), target(url) as it:
        with pytest.raises(NotDeliveredError, match=reason):
            async with asyncio.timeout(LIMIT_S):
                await it.send(NOTIFICATION)


@pytest.mark.anyio
async def test_sixteen_informational_responses_are_read() -> None:
    """More than any server sends."""
    async with server(says(b"HTTP/1.1 103 X\r\n\r\n" * 16 + OK)) as (url, _), target(url) as it:
        await it.send(NOTIFICATION)


@pytest.mark.anyio
async def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    """Servers close what is idle; that must not cost the next notification an attempt."""

    async def then_close(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    async with server(then_close, says(OK)) as (url, requests), target(url) as it:
        await it.send(NOTIFICATION)
        async with asyncio.timeout(LIMIT_S):
            # The end of a connection is no event that can be awaited.
            while any(each.reusable for each in it._connections._idle):  # noqa: ASYNC110
                await asyncio.sleep(0)
        await it.send(NOTIFICATION)

    assert len(requests) == 2


HALF = b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\nhal"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"200 OK", b"200 OK\r\nconnection: close"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        OK.replace(b": 2", b": 3"),
        OK + HALF,
        OK + OK,
    ],
    ids=["connection: close", "HTTP/1.0", "more to come", "half an answer too many", "an answer too many"],
)
async def test_a_connection_whose_state_is_in_doubt_is_not_used_again(answer: bytes) -> None:
    """The next answer must be the answer to the next request."""
    peers = []

    async def note(writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername"))
        writer.write(answer)

    async with server(note) as (url, _), target(url) as it:
        await it.send(NOTIFICATION)
        await it.send(NOTIFICATION)

    assert len(set(peers)) == 2


@pytest.mark.anyio
async def test_unsolicited_bytes_close_the_connection() -> None:
    """Half an answer to nothing, then the next request: its answer is not the other half."""
    writers: list[asyncio.StreamWriter] = []

    async def note(writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(OK)

    async with server(note) as (url, requests), target(url) as it:
        await it.send(NOTIFICATION)
        writers[0].write(HALF)
        async with asyncio.timeout(LIMIT_S):
            # Unsolicited bytes are no event that can be awaited.
            while any(each.reusable for each in it._connections._idle):  # noqa: ASYNC110
                await asyncio.sleep(0)
        await it.send(NOTIFICATION)

    assert len(requests) == len(set(writers)) == 2


@pytest.mark.anyio
async def test_a_connection_that_idled_too_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may be closing it this very moment."""
    monkeypatch.setattr("fanin.aggregator.notify.connection.IDLE_S", -1)
    peers = set()

    async def note(writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername"))
        writer.write(OK)

    async with server(note) as (url, _), target(url) as it:
        for _ in range(3):
            await it.send(NOTIFICATION)

    assert len(peers) == 3


@pytest.mark.anyio
async def test_the_next_address_of_a_host_is_tried() -> None:
    """A name may have an address that does not work from here, IPv6 above all."""

    async def two(_: str, port: int) -> list[tuple[str, int]]:
        return [("127.0.0.2", 9), ("127.0.0.1", port)]

    async with server(says(OK)) as (url, requests):
        port = int(url.split(":")[2].split("/")[0])
        address = parse(url.replace("127.0.0.1", "two.example"))
        with closing(HttpTarget(Target(address=address), render, At(), lookup=two)) as it:
            await it.send(NOTIFICATION)

    ((head, _),) = requests
    assert f"host: two.example:{port}" in head


@pytest.mark.anyio
async def test_a_name_that_does_not_exist() -> None:
    """The resolver's own words."""
    async with target("http://nowhere.invalid/hunter2") as it:
        with pytest.raises(NotDeliveredError) as failure:
            await it.send(NOTIFICATION)

    assert str(failure.value)
    assert "hunter2" not in str(failure.value)


@pytest.mark.anyio
async def test_over_tls_only_a_certificate_that_is_trusted_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verified for the host's name; what is trusted follows SSL_CERT_FILE."""
    certificate, key = certified("localhost", tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with server(says(OK), tls=context) as (url, requests):
        async with target(url.replace("127.0.0.1", "localhost")) as it:
            with pytest.raises(NotDeliveredError, match="certificate"):
                await it.send(NOTIFICATION)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with target(url.replace("127.0.0.1", "localhost")) as it:
            await it.send(NOTIFICATION)
        async with target(url) as it:
            with pytest.raises(NotDeliveredError, match="certificate"):
                await it.send(NOTIFICATION)

    assert len(requests) == 1


def certified(name: str, folder: Path) -> tuple[Path, Path]:
    """A certificate of our own making for ``name``, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = f"/CN={name}"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", subject, "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key)]
    subprocess.run([*command, "-out", str(certificate)], check=True, capture_output=True)  # noqa: S603 - fixed words
    return certificate, key


@pytest.mark.anyio
async def test_an_attempt_that_is_cut_short_leaves_nothing_behind() -> None:
    """Its connection is closed, not used for the next one, which would read the wrong answer."""
    hanging = asyncio.Event()

    async def hang(_: asyncio.StreamWriter) -> None:
        hanging.set()

    async with server(hang, says(OK)) as (url, requests), target(url) as it:
        first = asyncio.ensure_future(it.send(NOTIFICATION))
        await hanging.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await it.send(NOTIFICATION)

    assert len(requests) == 2
