"""What people deploy with: every name in it exists, and what can be run is run."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from fanin.aggregator.engines.durable_task.options import PREFIX
from fanin.aggregator.metrics import Metrics, StoreFigures
from fanin.aggregator.secret_files import SECRETS
from fanin.aggregator.settings import NOT_OURS, SPELLINGS
from tests.e2e.serving import LIMIT_S, Service, environment
from tests.heavy import needs
from tests.paths import ROOT

DEPLOY = ROOT / "deploy"
TEXTS = (
    *(path for path in DEPLOY.iterdir() if path.is_file()),
    *(DEPLOY / "kubernetes").rglob("*.yaml"),
    ROOT / "docs" / "deploy.md",
)


def test_every_setting_that_is_named_exists() -> None:
    """A misspelt one would stop the start."""
    named = {
        name for path in TEXTS for name in re.findall(r"\bFANIN_[A-Z_]+", path.read_text(encoding="utf-8"))
    }

    assert len(named) > 5
    unknown = named - set(SPELLINGS) - NOT_OURS - {f"{name}_FILE" for name in SECRETS}
    assert {name for name in unknown if not name.startswith(PREFIX)} == set()  # the engine reads those


def test_every_figure_that_is_named_exists() -> None:
    """An alert on a figure that the service does not write never fires."""
    metrics = Metrics()
    metrics.lag_s["eastus"].observe(1)
    metrics.region_refreshes["ok"] += 1
    metrics.owns_store = True
    metrics.breakers["default"] = "open"
    metrics.paused["default"] = True
    metrics.measure_store = lambda: StoreFigures(free_bytes=1)
    page = metrics.render().decode()
    there = set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    asked = {name for rule in rules for name in re.findall(r"\bfanin_\w+", rule["expr"])}
    shown = set(re.findall(r"`(fanin_\w+)", (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")))

    assert {name.removesuffix("_bucket") for name in asked} - there == set()
    assert shown == there
    assert all(rule["annotations"]["summary"].endswith(".") for rule in rules)


def test_the_image_is_made_of_what_is_let_in() -> None:
    """What is copied exists and is not ignored; it runs as a number that is not root's."""
    recipe = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", recipe, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    (user,) = re.findall(r"^USER (\d+):", recipe, re.MULTILINE)

    assert "aggregator" in copied
    assert [source for source in copied if not (ROOT / source).exists() or f"!{source}" not in ignored] == []
    assert int(user) > 0


def test_the_health_check_says_whether_it_answers(tmp_path: Path) -> None:
    """0 while it does, 1 when it does not."""
    service = Service.start(tmp_path, FANIN_REGIONS="eastus")
    port = str(service.port)
    up = [
        _health_check(FANIN_PORT=port),
        _health_check(FANIN_PORT="tcp://10.0.12.7:8080", PORT=port, FANIN_HOST="0.0.0.0"),  # noqa: S104
    ]
    service.end(signal.SIGTERM)

    assert up == [(0, ""), (0, "")]
    assert _health_check(FANIN_PORT=port) == (1, "")
    assert _health_check(FANIN_PORT="http") == (1, "")


@needs("IPv6", there=socket.has_dualstack_ipv6(), get="a kernel with IPv6")
def test_the_health_check_asks_the_address_that_is_listened_on(tmp_path: Path) -> None:
    """Every address of the machine, or one of them."""
    for host in ("::", "::1"):
        settings = {"FANIN_HOST": host, "FANIN_REGIONS": "eastus", "FANIN_INSECURE_NO_KEYS": "yes"}
        service = Service.start(tmp_path, **settings)
        healthy = _health_check(FANIN_HOST=host, FANIN_PORT=str(service.port))
        service.end(signal.SIGTERM)
        assert healthy == (0, "")


def _health_check(**settings: str) -> tuple[int, str]:
    """The exit code of the image's health check, and what it printed."""
    ran = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(DEPLOY / "healthcheck.py")],
        env=environment(**settings), timeout=LIMIT_S, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return ran.returncode, ran.stdout + ran.stderr


def test_a_socket_that_systemd_holds_is_taken_over(tmp_path: Path) -> None:
    """A client that connects while no service runs waits, and is served when one starts (again)."""
    body = b'{"id":"op-1","action":"push","target":{"repository":"team/app"}}'
    head = b"POST /webhooks/eastus HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    answers = []
    with socket.create_server(("127.0.0.1", 0)) as held:
        for _ in range(2):
            with socket.create_connection(held.getsockname(), timeout=LIMIT_S) as sender:
                sender.sendall(head + body)
                with _holding(held, tmp_path) as service:
                    answers.append(sender.recv(12))
                    service.send_signal(signal.SIGTERM)
                    service.communicate(timeout=LIMIT_S)
                    assert service.returncode == 0

    assert answers == [b"HTTP/1.1 202"] * 2


def test_a_held_socket_on_every_address_wants_keys(tmp_path: Path) -> None:
    """Where it listens is systemd's choice then, not that of the settings."""
    with socket.create_server(("0.0.0.0", 0)) as held:  # noqa: S104 - refused
        service = _holding(held, tmp_path)
        _, complaint = service.communicate(timeout=LIMIT_S)

    assert service.returncode == 2
    assert b"FANIN_KEYS: not set, so anyone who can reach 0.0.0.0 could send webhooks" in complaint


def _holding(held: socket.socket, folder: Path) -> subprocess.Popen[bytes]:
    """Start the service as systemd does: the socket is descriptor 3, and the environment says for whom."""
    return subprocess.Popen(  # noqa: S603 - our own module
        ["bash", "-c", f'exec 3<&{held.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "bash",  # noqa: S607
         sys.executable, "-m", "fanin.aggregator", "--data-dir", str(folder), "--regions", "eastus,westus"],
        env=environment(), pass_fds=(held.fileno(),), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@needs("systemd-analyze", there=bool(shutil.which("systemd-analyze")), get="apt-get install systemd")
def test_systemd_understands_the_unit_and_finds_it_confined(tmp_path: Path) -> None:
    """No warning, and an exposure (0 to 10) that systemd calls OK."""
    unit = tmp_path / "fanin.service"
    text = (DEPLOY / "fanin.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/fanin/bin/fanin", sys.executable))

    holder = shutil.copy(DEPLOY / "fanin.socket", tmp_path)

    verified = _analyze("verify", str(unit), str(holder))
    judged = _analyze("security", "--offline=true", "--threshold=20", str(unit))

    assert (verified.returncode, verified.stderr) == (0, "")
    assert judged.returncode == 0, judged.stdout[-200:]


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - fixed words
        ["systemd-analyze", *arguments],  # noqa: S607 - it is on PATH
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
