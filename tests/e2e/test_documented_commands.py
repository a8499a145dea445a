"""The commands of docs/deploy.md and docs/aggregator.md, as they stand there, in their order.

Folders of the system lie below the test's own. What a test must not do to the machine, or cannot (``az``,
``docker``, ``kubectl``, users, units), is written down in place of being done; all else is really run.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fanin.aggregator.settings import Settings
from tests.e2e.serving import LIMIT_S, Service, environment
from tests.paths import ROOT

SYSTEM_FOLDERS = ("/etc/fanin", "/opt/fanin", "/var/lib/fanin", "/etc/systemd/system", "/backups")
WRITTEN_DOWN = ("az", "docker", "kubectl", "systemctl", "useradd", "chgrp", "python3.13", "pip")
# Writes down how it was called, and prints what a caller goes on with.
RECORDER = f"""#!{sys.executable}
import json, os, sys
name = os.path.basename(sys.argv[0])
with open(os.environ["CALLS"], "a", encoding="utf-8") as file:
    file.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
if sys.argv[1:3] == ["acr", "show"]:
    print("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/demo")
"""
# Runs a command as this user, and installs as this user, because there is no other one.
AS_THIS_USER = {
    "sudo": '#!/bin/sh\ntest "$1" = -u && test "$2" = fanin && shift 2 && exec "$@"\n',
    "install": """#!/usr/bin/env bash
given=()
while (($#)); do case $1 in -o|-g) shift 2;; *) given+=("$1"); shift;; esac; done
exec /usr/bin/install "${given[@]}"
""",
}


def blocks(page: str) -> list[str]:
    """The blocks of shell commands of a page."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


@dataclass(frozen=True)
class Sandbox:
    """Where the commands are run."""

    root: Path

    def run(self, script: str, **settings: str) -> str:
        """Run a block to its successful end; return what it printed."""
        done = subprocess.run(  # noqa: S603 - the pages' own commands
            ["bash", "-euo", "pipefail", "-c", self.moved(script)],  # noqa: S607 - it is on PATH
            cwd=ROOT, env=self._environment(**settings), capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def serve(self, script: str, *, until: str, **settings: str) -> str:
        """Run a command that serves until it says that it does, and end it with SIGTERM."""
        process = subprocess.Popen(  # noqa: S603 - the pages' own commands
            ["bash", "-euc", "exec " + self.moved(script)],  # noqa: S607 - it is on PATH
            cwd=ROOT, env=self._environment(**settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = ""
        try:
            while until not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            process.send_signal(signal.SIGTERM)
            said += process.communicate(timeout=LIMIT_S)[0]
        finally:
            process.kill()
        assert process.returncode in (0, -signal.SIGTERM), said
        return said

    def calls(self, program: str) -> list[list[str]]:
        """How a program was called that was not run."""
        text = (self.root / "calls").read_text(encoding="utf-8")
        return [words for words in map(json.loads, text.splitlines()) if words[0] == program]

    def moved(self, script: str) -> str:
        for folder in SYSTEM_FOLDERS:
            script = re.sub(rf"(?<![\w/]){re.escape(folder)}\b", f"{self.root}{folder}", script)
        return script

    def _environment(self, **settings: str) -> dict[str, str]:
        programs = f"{self.root / 'stubs'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = {
            "PATH": programs,
            "CALLS": str(self.root / "calls"),
            "group": "g",
            "identity": "i",
            "registry": "demo",
        }
        return environment(**given) | settings


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    for folder in (*SYSTEM_FOLDERS[2:], "/opt/fanin/bin", "/stubs"):
        (tmp_path / folder[1:]).mkdir(parents=True)
    for name in WRITTEN_DOWN:
        (tmp_path / "stubs" / name).write_text(RECORDER, encoding="utf-8")
    for name, text in AS_THIS_USER.items():
        (tmp_path / "stubs" / name).write_text(text, encoding="utf-8")
    for path in (tmp_path / "stubs").iterdir():
        path.chmod(0o755)
    (tmp_path / "opt/fanin/bin/pip").symlink_to(tmp_path / "stubs" / "pip")
    (tmp_path / "opt/fanin/bin/fanin").symlink_to(Path(sys.executable).with_name("fanin"))
    return Sandbox(tmp_path)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A running service with one operation, whose data the commands are about."""
    started = Service.start(tmp_path / "running", FANIN_REGIONS="eastus,westeurope")
    yield started
    if started.process.poll() is None:
        started.end(signal.SIGKILL)


@pytest.mark.anyio
async def test_the_commands_of_the_deployment_page(sandbox: Sandbox, service: Service) -> None:
    """From the key to the copy, in one go."""
    await service.push("eastus", "op-1")
    at = {"FANIN_DATA_DIR": str(sandbox.root / "running")}
    said = []
    for script in blocks("deploy.md"):
        if script.startswith("uvicorn"):
            settings = {"FANIN_REGIONS": "eastus", "FANIN_KEYS": "0123456789abcdef", "UVICORN_PORT": "0"}
            data = str(sandbox.root / "uvicorn")
            said.append(sandbox.serve(script, until="Uvicorn running", FANIN_DATA_DIR=data, **settings))
        else:
            said.append(sandbox.run(script, **(at if "backup" in script else {})))
        if "# then edit it" in script:
            settings_file = sandbox.root / "etc/fanin/fanin.env"
            settings_file.write_text(sandbox.moved(settings_file.read_text()))

    key = (sandbox.root / "etc/fanin/keys").read_text().strip()
    assert len(key) == 48
    assert any("webhooks need the function key" in it and "notifies 1 target" in it for it in said)
    created = [call for call in sandbox.calls("az") if call[1:4] == ["acr", "webhook", "create"]]
    assert [call[call.index("--uri") + 1] for call in created] == [
        f"https://fanin.example.org/api/ImagePush?region={it}"
        for it in ("northeurope", "westeurope", "eastus")
    ]
    assert {call[-1] for call in created} == {f"x-functions-key={key}"}
    (reader,) = [call for call in sandbox.calls("az") if call[1:3] == ["role", "assignment"]]
    assert reader[-1].endswith("/registries/demo")
    assert [path.name for path in (sandbox.root / "backups").iterdir()] == [f"fanin-{time.strftime('%F')}.db"]
    assert all((ROOT / path).exists() for path in _files(sandbox))
    (ran,) = [call for call in sandbox.calls("docker") if call[1] == "run"]
    pairs = dict(ran[nth + 1].split("=", 1) for nth, word in enumerate(ran) if word == "-e")
    assert Settings.from_environment(
        pairs | {"FANIN_KEYS_FILE": str(sandbox.root / "etc/fanin/keys")}
    ).targets


def _files(sandbox: Sandbox) -> list[str]:
    """The repository's files that are named to programs that were not run."""
    words = [word for name in WRITTEN_DOWN for call in sandbox.calls(name) for word in call]
    return [word for word in words if word.startswith("deploy/")]


def test_the_check_of_the_settings_reads_values_with_blanks(sandbox: Sandbox) -> None:
    """As systemd does: a header has a blank in its value, always."""
    check = next(script for script in blocks("deploy.md") if "xargs" in script)
    (sandbox.root / "etc/fanin").mkdir()
    (sandbox.root / "etc/fanin/fanin.env").write_text(
        "# a comment\n\nFANIN_REGIONS=West Europe, eastus\n"
        "FANIN_HEADER_SECRET=Authorization: Bearer sesame-0123456789\n"
    )

    said = sandbox.run(check)

    assert "waits up to 2m for west europe, eastus" in said
    assert "webhooks need the header authorization" in said


@pytest.mark.anyio
async def test_the_commands_of_the_aggregators_page(sandbox: Sandbox, service: Service) -> None:
    """A service is started, asked, copied, restored and checked."""
    *starts, operate = blocks("aggregator.md")
    await service.push("eastus", "op-1")
    data = {"FANIN_DATA_DIR": str(sandbox.root / "running"), "FANIN_REGIONS": "eastus,westeurope"}
    instances, backup, restore, check = operate.splitlines()

    started = [
        sandbox.serve(
            start.replace(".venv/bin/", ""),
            until="fanin listens",
            FANIN_PORT="0",
            FANIN_DATA_DIR=str(sandbox.root / "another"),
        )
        for start in starts
    ]
    listed = sandbox.run(instances, FANIN_URL=f"http://127.0.0.1:{service.port}")
    sandbox.run(backup, **data)
    service.end(signal.SIGTERM)
    sandbox.run(restore, **data)
    checked = sandbox.run(check, **data)

    assert "waits up to 2m for northeurope, westeurope, eastus" in started[0]
    assert all("waits up to" in it for it in started)
    assert "op-1" in listed
    assert "holds 1 operations (1 waiting)" in checked
