"""Notifications by way of a proxy, to receivers with and without TLS, on both event loops."""

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.formats.json import render
from fanin.aggregator.notify.http import HttpTarget
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.proxy_variables import parse_proxy
from fanin.aggregator.notify.target import Target
from fanin.aggregator.notify.trust import TlsFiles
from tests.aggregator.notify.receivers import ForwardProxy, Receiver, authority, listening, server_tls
from tests.aggregator.notify.test_timeouts import NOTIFICATION, At

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def ca(tmp_path: Path) -> Any:
    """An authority, whose certificate is in ``ca.pem``."""
    made = authority()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def target(url: str, proxy: str, ca_file: Path | None = None) -> HttpTarget:
    configured = Target(
        address=parse(url), proxy=parse_proxy(proxy), tls_files=TlsFiles(ca_file=ca_file), timeout_ms=5_000
    )
    return HttpTarget(configured, render, At())


async def sent(target: HttpTarget, times: int = 1) -> None:
    with closing(target):
        for _ in range(times):
            await target.send(NOTIFICATION)


async def refusal(target: HttpTarget) -> str:
    with pytest.raises(NotDeliveredError) as failure:
        await sent(target)
    return str(failure.value)


async def test_over_tls_a_proxy_is_asked_for_a_tunnel(ca: Any, tmp_path: Path) -> None:
    """One tunnel serves many notifications; the proxy sees host and port, and nothing else."""
    receiver, proxy = Receiver(), ForwardProxy()
    async with (
        listening(receiver.serve, server_tls(ca, "hooks.example")) as port,
        listening(proxy.serve) as proxy_port,
    ):
        url = f"https://hooks.example:{port}/hook"
        await sent(target(url, f"127.0.0.1:{proxy_port}", ca_file=tmp_path / "ca.pem"), times=3)

    assert proxy.requests == [f"CONNECT hooks.example:{port} HTTP/1.1"]
    assert [head[0] for head in receiver.heads] == ["POST /hook HTTP/1.1"] * 3
    assert not [line for head in receiver.heads for line in head if line.startswith("proxy-")]


async def test_in_the_clear_a_proxy_gets_the_request_itself() -> None:
    """In absolute form; the name is not looked up here."""
    receiver, proxy = Receiver(), ForwardProxy(user="me:hunter2")
    async with listening(receiver.serve) as port, listening(proxy.serve) as proxy_port:
        await sent(target(f"http://hooks.example:{port}/hook", f"http://me:hunter2@127.0.0.1:{proxy_port}"))

    assert proxy.requests == [f"POST http://hooks.example:{port}/hook HTTP/1.1"]
    assert f"host: hooks.example:{port}" in receiver.heads[0]


async def test_the_proxy_itself_may_speak_tls(ca: Any, tmp_path: Path) -> None:
    """TLS with the receiver is spoken inside that; the target's authority counts for both."""
    receiver, proxy = Receiver(), ForwardProxy(user="me:hunter2")
    async with (
        listening(receiver.serve, server_tls(ca, "hooks.example")) as port,
        listening(proxy.serve, server_tls(ca, "localhost")) as proxy_port,
    ):
        url, by = f"https://hooks.example:{port}/", f"https://me:hunter2@localhost:{proxy_port}"
        await sent(target(url, by, ca_file=tmp_path / "ca.pem"))

    assert (len(proxy.requests), len(receiver.heads)) == (1, 1)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", "the proxy makes no connection: it answered 403"),
        (b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n", "the proxy makes no connection: it answered 502"),
        (b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n", "the proxy answered 407: it wants another name"),
        (b"SSH-2.0-OpenSSH\r\n", "the response is not HTTP"),
    ],
)
async def test_a_proxy_that_makes_no_tunnel_is_the_reason(answers: bytes, reason: str) -> None:
    """The receiver has not been asked."""
    proxy = ForwardProxy(answers=answers)
    async with listening(proxy.serve) as port:
        assert reason in await refusal(target("https://hooks.example/", f"127.0.0.1:{port}"))


async def test_a_proxy_that_hangs_is_named() -> None:
    """The reason of the failure names the proxy and not the receiver."""
    proxy = ForwardProxy(answers=b"")
    async with listening(proxy.serve) as port:
        configured = Target(
            address=parse("https://hooks.example/"), proxy=parse_proxy(f"127.0.0.1:{port}"), timeout_ms=300
        )
        reason = await refusal(HttpTarget(configured, render, At()))

    assert reason == "timed out after 300ms while waiting for the proxy to connect"


async def test_a_wrong_password_of_a_proxy_is_named_and_not_quoted() -> None:
    """Over http the answer is the proxy's as well."""
    proxy = ForwardProxy(user="me:another")
    async with listening(proxy.serve) as port:
        reason = await refusal(target("http://hooks.example/", f"http://me:hunter2@127.0.0.1:{port}"))

    assert (reason, "hunter2" in reason) == ("answered 407: the proxy wants another name and password", False)


async def test_only_a_certificate_for_the_receivers_name_will_do(ca: Any, tmp_path: Path) -> None:
    """A proxy in between does not change whose name the certificate must have."""
    receiver, proxy = Receiver(), ForwardProxy()
    async with (
        listening(receiver.serve, server_tls(ca, "other.example")) as port,
        listening(proxy.serve) as proxy_port,
    ):
        it = target(f"https://hooks.example:{port}/", f"127.0.0.1:{proxy_port}", ca_file=tmp_path / "ca.pem")
        reason = await refusal(it)

    assert "its certificate is not trusted: Hostname mismatch" in reason
    assert receiver.heads == []


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("handshake_s", "timeout_ms"), [(5.0, 1_500), (0.3, 20_000)], ids=["in the next attempt", "in the same"]
)
async def test_an_address_that_accepts_and_then_is_silent_does_not_hide_the_next_one(
    ca: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handshake_s: float, timeout_ms: int
) -> None:
    """As a load balancer does whose machines are gone: in the same attempt, or else in the next one."""
    monkeypatch.setattr("fanin.aggregator.notify.connector.HANDSHAKE_S", handshake_s)
    receiver, balancer = Receiver(), ForwardProxy(answers=b"")
    async with (
        listening(receiver.serve, server_tls(ca, "hooks.example")) as port,
        listening(balancer.serve) as silent,
    ):

        async def both(_host: str, _port: int) -> list[tuple[str, int]]:
            return [("127.0.0.1", silent), ("127.0.0.1", port)]

        files = TlsFiles(ca_file=tmp_path / "ca.pem")
        address = parse("https://hooks.example/")
        configured = Target(address=address, tls_files=files, timeout_ms=timeout_ms)
        with closing(HttpTarget(configured, render, At(), lookup=both)) as it:
            if timeout_ms < handshake_s * 1_000:
                with pytest.raises(NotDeliveredError, match="while agreeing on TLS"):
                    await it.send(NOTIFICATION)
            await it.send(NOTIFICATION)

    assert len(receiver.heads) == 1


# --- client certificates ---


def client_files(ca: Any, folder: Path) -> tuple[Path, Path]:
    made = ca.issue_cert("fanin.example")
    certificate, key = folder / "client.pem", folder / "client.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(key)
    return certificate, key


async def test_a_receiver_that_wants_a_certificate_gets_ours(ca: Any, tmp_path: Path) -> None:
    """Mutual TLS; without it, the receiver ends the connection."""
    receiver, theirs = Receiver(), authority()
    certificate, key = client_files(theirs, tmp_path)
    async with listening(receiver.serve, server_tls(ca, "localhost", requires_client=theirs)) as port:
        address, ca_file = parse(f"https://localhost:{port}/"), tmp_path / "ca.pem"
        files = TlsFiles(ca_file=ca_file, client_cert=certificate, client_key=key)
        await sent(HttpTarget(Target(address=address, tls_files=files), render, At()))
        without = Target(address=address, tls_files=TlsFiles(ca_file=ca_file))
        reason = await refusal(HttpTarget(without, render, At()))

    assert len(receiver.clients) == 1
    assert receiver.clients[0]
    assert reason


async def test_a_certificate_that_was_renewed_is_used_without_a_restart(ca: Any, tmp_path: Path) -> None:
    """With the next connection; one that cannot be read leaves the last in force."""
    receiver = Receiver()
    certificate, key = client_files(ca, tmp_path)
    async with listening(receiver.serve, server_tls(ca, "localhost", requires_client=ca)) as port:
        files = TlsFiles(ca_file=tmp_path / "ca.pem", client_cert=certificate, client_key=key)
        it = HttpTarget(Target(address=parse(f"https://localhost:{port}/"), tls_files=files), render, At())
        for change in (lambda: None, lambda: client_files(ca, tmp_path), lambda: key.write_bytes(b"half")):
            change()
            await it.send(NOTIFICATION)
            it.close()

    first, second, third = receiver.clients
    assert first != second == third


# --- a proxy that others wrote ---


@contextmanager
def proxy_py(*arguments: str) -> Iterator[int]:
    """The proxy of the package proxy.py, as a process of its own."""
    if importlib.util.find_spec("proxy") is None:
        pytest.skip("pip install proxy.py: a forward proxy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", str(port)]
    command += ["--num-workers", "1", "--num-acceptors", "1", "--log-level", "ERROR", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - fixed words
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.real_time
async def test_a_proxy_of_others_is_understood(ca: Any, tmp_path: Path) -> None:
    """With a password, over both schemes; and without it neither arrives."""
    secure, plain = Receiver(), Receiver()
    async with (
        listening(secure.serve, server_tls(ca, "localhost")) as secure_port,
        listening(plain.serve) as plain_port,
    ):
        with proxy_py("--basic-auth", "me:hunter2") as port:
            for known in (True, False):
                proxy = f"http://{'me:hunter2@' if known else ''}127.0.0.1:{port}"
                over_tls = target(f"https://localhost:{secure_port}/", proxy, ca_file=tmp_path / "ca.pem")
                in_the_clear = target(f"http://127.0.0.1:{plain_port}/", proxy)
                for it in (over_tls, in_the_clear):
                    if known:
                        await sent(it, times=2)
                    else:
                        assert "407" in await refusal(it)

    assert (len(secure.heads), len(plain.heads)) == (2, 2)
