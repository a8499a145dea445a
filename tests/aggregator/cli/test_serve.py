"""``fanin serve``: what prevents a start, the socket, and the first line (the rest: e2e/test_serve)."""

import os
import socket
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fanin.aggregator.cli import serve as command
from fanin.aggregator.cli.serve import listen, serve
from fanin.aggregator.settings import Settings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - a setting
REGIONS = {"FANIN_REGIONS": "eastus,westus", "FANIN_TIMEOUT": "80s"}


def settings(**environment: str) -> Settings:
    return Settings.from_environment(REGIONS | environment)


def run(folder: Path, *options: str, **environment: str) -> tuple[int, str]:
    """The exit code of a start that fails, and its last line on stderr."""
    variables = {name: None for name in os.environ if name.startswith(("FANIN_", "LISTEN_", "Webhook"))}
    variables |= {"PORT": None, "NOTIFY_URL": None, "DATA_DIR": None}
    ran = CliRunner().invoke(
        serve, ["--data-dir", str(folder), *options], env=variables | REGIONS | environment
    )
    return ran.exit_code, ran.stderr.splitlines()[-1] if ran.stderr else ran.stdout


# --- what prevents a start ---


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (["--timeout", "80"], {}, "Error: --timeout: '80' has no unit; write 80s, 80m, 80h or 80d"),
        ([], {"FANIN_TIMOUT": "80s"}, "Error: FANIN_TIMOUT: no such setting; the nearest is FANIN_TIMEOUT"),
        (
            ["--host", EVERYWHERE], {},
            (
                "Error: FANIN_KEYS: not set, so anyone who can reach 0.0.0.0 could send webhooks; set it, "
                "listen on 127.0.0.1, or pass --insecure-no-keys"
            ),
        ),
        (["--local-backend"], {}, "Error: --local-backend: the engine sqlite needs no backend"),
        (["--local-backend", "--check"], {}, "Error: --local-backend: the engine sqlite needs no backend"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_a_usage_error(
    tmp_path: Path, options: list[str], environment: dict[str, str], message: str
) -> None:
    """Exit status 2, on which a supervisor does not restart."""
    assert run(tmp_path, *options, **environment) == (2, message)


def test_an_address_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """Before the store is opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = run(tmp_path / "data", "--port", str(port))

    reason = f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert failed == (1, f"Error: {reason}; choose another address with --host and --port")
    assert not (tmp_path / "data").exists()


def test_a_check_prints_its_report(tmp_path: Path) -> None:
    """Keys make any address right."""
    code, report = run(tmp_path, "--check", "--host", EVERYWHERE, FANIN_KEYS="a")

    assert code == 0
    assert "webhooks need the function key\n" in report


def test_a_check_of_an_address_that_is_not_this_machines_fails(tmp_path: Path) -> None:
    """As the start would; the port may be in use by the service itself."""
    code, line = run(tmp_path, "--check", "--host", "192.0.2.1", FANIN_KEYS="a")

    assert code == 1
    assert line.startswith("Error: cannot listen on 192.0.2.1")


# --- listening ---


def test_a_free_port_is_chosen_for_port_0() -> None:
    """On the address of the settings, also one of IPv6."""
    with listen(settings(FANIN_PORT="0")) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.getsockname()[1] > 0
    if socket.has_dualstack_ipv6():
        with listen(settings(FANIN_HOST="::1", FANIN_PORT="0")) as listener:
            assert listener.family is socket.AF_INET6


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_the_any_address_of_ipv6_has_ipv4_too() -> None:
    """As the name says; a published port of a container arrives over either."""
    with listen(settings(FANIN_HOST="::", FANIN_PORT="0")) as listener:
        port = listener.getsockname()[1]
        for loopback in ("127.0.0.1", "::1"):
            socket.create_connection((loopback, port), timeout=5).close()


def test_the_socket_of_systemd_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is passed as a file descriptor; only a TCP socket will do."""
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    with socket.create_server(("127.0.0.1", 0)) as passed:
        monkeypatch.setattr(command, "SYSTEMD_FD", os.dup(passed.fileno()))
        with listen(settings()) as listener:
            assert listener.getsockname() == passed.getsockname()
    with socket.socket(socket.AF_UNIX) as passed:
        monkeypatch.setattr(command, "SYSTEMD_FD", os.dup(passed.fileno()))
        with pytest.raises(click.ClickException, match="is not a TCP socket"):
            listen(settings())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), (EVERYWHERE, False),
     ("::", False), ("10.0.0.1", False), ("fanin.example", False)],
)  # fmt: skip
def test_only_loopback_needs_no_credentials(host: str, *, loopback: bool) -> None:
    """A name may lead anywhere."""
    assert command._is_loopback(host) == loopback


# --- the first line ---


@pytest.mark.parametrize(
    ("environment", "rest"),
    [
        ({"FANIN_DATA_DIR": "/data"}, "keeps its data in /data; no notify URL, so outcomes are only logged"),
        ({"FANIN_DATA_DIR": "/data", "FANIN_NOTIFY_URL": "http://a/"}, "keeps its data in /data"),
        ({"FANIN_ENGINE": "restate", "FANIN_NOTIFY_URL": "http://a/"}, "keeps its data in restate"),
    ],
)
def test_the_first_line_has_address_regions_and_store(environment: dict[str, str], rest: str) -> None:
    """The port is the one that was chosen."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = command._start_message(settings(**environment), listener)
        port = listener.getsockname()[1]

    start = f"fanin listens on http://127.0.0.1:{port}, waits up to 1m20s for eastus, westus, "
    assert line == start + rest
