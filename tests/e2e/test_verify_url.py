"""``fanin verify --url`` against the real service: a deployment on loopback, with a key."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli.main import main
from fanin.harness.targets.process import free_port
from fanin.simulator.pack import names
from tests.e2e.serving import LIMIT_S, environment

KEY = "s3sam3+/op3n=="
REGIONS = "northeurope,westeurope,eastus,westus,japaneast"
VALID, USAGE = 0, 2
URL = "http://127.0.0.1:{port}/api/ImagePush?region={{region}}&code={{key}}"
# Some of what no deployment can be made to do, or what this one is not configured for.
BEYOND_IT = {
    "process": {
        "crash-after-ack", "crash-at-notify", "crash-at-the-deadline", "crash-at-the-finish",
        "crash-before-response", "crash-in-a-burst", "crash-mid-request", "down-over-the-deadline",
        "endless-retries", "restart-every-30s", "storm",
    },
    "own-sink": {"sink-down"},
    "image-correlation": {"distinct-ids"},
    "action-filter": {"ping-and-unwanted"},
}  # fmt: skip


class Deployment:
    """The service, and how it is called. Its log goes to a file: a pipe that is not read would fill up."""

    def __init__(self, folder: Path) -> None:
        self.sink_port = free_port()
        targets = folder / "targets.yaml"
        # An attempt that hangs must end well within the grace for notifying again.
        target = f"{{name: sink, url: 'http://127.0.0.1:{self.sink_port}/', timeout: 3s}}"
        targets.write_text(f"targets: [{target}]\n", encoding="utf-8")
        settings = {
            "FANIN_REGIONS": REGIONS,
            "FANIN_TIMEOUT": "2s",
            "FANIN_NOTIFY_FILE": str(targets),
            "FANIN_KEYS": KEY,
        }
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "fanin.harness", "serve", "--port", "0", "--data-dir", str(folder)],
                env=environment(**settings),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        greeting = self.process.stdout.readline()
        port = re.search(r":(\d+),", greeting)
        assert port, f"it said {greeting!r}, then {(folder / 'log').read_text()}"
        self.url = URL.format(port=port[1])

    def verify(self, *arguments: str, key: str = KEY, **options: str) -> Result:
        """As a user would call it; ``options`` are said in place of the right ones."""
        said = {
            "url": self.url,
            "regions": REGIONS,
            "timeout": "2s",
            "listen": f"127.0.0.1:{self.sink_port}",
            "public_url": f"http://127.0.0.1:{self.sink_port}/",
            "tolerance": "3s",
            "redelivery_grace": "20s",
            "max_rate": "200",
            "capability": "function-keys",
        } | options
        words = [word for name, value in said.items() for word in (f"--{name.replace('_', '-')}", value)]
        return CliRunner().invoke(main, ["verify", *words, *arguments], env={"FANIN_TARGET_KEY": key})


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployed = Deployment(tmp_path_factory.mktemp("data"))
    yield deployed
    deployed.process.terminate()
    deployed.process.communicate(timeout=LIMIT_S)


def test_the_whole_pack_is_valid_and_what_is_not_possible_is_skipped_by_name(
    deployment: Deployment, tmp_path: Path
) -> None:
    """And the key is in nothing that is printed or stored, however it is spelled."""
    result = deployment.verify("--report", str(tmp_path))

    said = json.loads((tmp_path / "report.json").read_bytes())
    skipped = {it["scenario"]: it["lacks"] for it in said["skipped"]}
    assert result.exit_code == VALID, result.output
    beyond_it = {name: [lack] for lack, those in BEYOND_IT.items() for name in those}
    assert {name: skipped.get(name) for name in beyond_it} == beyond_it
    assert not [name for name, lacks in skipped.items() if not lacks or "function-keys" in lacks]
    assert {it["scenario"] for it in said["runs"]} == set(names()) - set(skipped)
    assert {it["verdict"] for it in said["runs"] if it["stated"] == "valid"} == {"valid"}
    assert {it["status"] for it in said["rules"] if it["rule"] != "11-ping"} == {"kept"}
    assert [
        note for note in said["notes"] if "regions without which their story is the same" not in note
    ] == []
    # The same seed would be the same ids, which it knows by then.
    assert not [it for it in said["runs"] if "--seed" in it["replay"]]
    written = [result.stdout, result.stderr, *(it.read_text() for it in tmp_path.rglob("*") if it.is_file())]
    assert len(written) > 80
    for spelling in (KEY, quote(KEY), quote(KEY, safe=""), KEY.replace("+", "%2B")):
        assert not [text for text in written if spelling in text]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"url": URL.format(port=1)}, "cannot reach {shown}: Connection refused"),
        ({"key": "wrong"}, "{shown} answered 401 to a push from 'northeurope'; is the key right? It comes"),
        (
            {"regions": "northeurope,westeurope,mars"},
            "{shown} answered 422 to a push from 'mars'; is 'mars' one of its regions? --regions says which",
        ),
        (
            {"regions": REGIONS.removesuffix(",japaneast")},
            "its notification names 'japaneast' as missing, which --regions does not list; it lists",
        ),
        (
            {"listen": "127.0.0.1:0", "public_url": "http://127.0.0.1:1/", "timeout": "100ms"},
            "no notification came to the sink at 127.0.0.1:",
        ),
        ({"listen": "198.51.100.7:9000"}, "cannot listen at 198.51.100.7:9000: Cannot assign requested"),
        ({"key": ""}, "the target has a place for a key, {{key}}, and there is none; set FANIN_TARGET_KEY"),
        (
            {"url": URL.format(port=2) + "&sig=abc"},
            "--url: the value of 'sig' may be a secret; write sig={{key}}",
        ),
    ],
    ids=["unreachable", "key", "region", "regions", "sink", "listen", "no-key", "secret"],
)
def test_what_makes_all_of_it_pointless_is_one_clear_error(
    deployment: Deployment, said: dict[str, str], complaint: str
) -> None:
    """Told by the first push, before fifty scenarios would say the same in other words."""
    result = deployment.verify("slow-region", **said)

    wanted = complaint.format(shown=said.get("url") or deployment.url)
    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert wanted in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_named(deployment: Deployment) -> None:
    """Perhaps by the sink of another run."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        result = deployment.verify("slow-region", listen=address)

    assert result.exit_code == USAGE
    assert result.stderr.endswith(f"Error: cannot listen at {address}: Address already in use\n")
