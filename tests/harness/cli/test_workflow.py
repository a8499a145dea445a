"""The documented workflow can be copied: it is YAML of the right shape, and its commands run as they are."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.paths import ROOT

PAGE = ROOT / "docs" / "workflows" / "fan-in.yaml"
APPLICATION = """
import os
from fanin.aggregator.http.app import create_app as build
from fanin.aggregator.settings import Settings

def create_app():
    return build(Settings.from_environment(os.environ))
"""
# As long as CI has, a test has not.
SHORTER = {"--explore 60s": "--explore 5s", "--for 30m": "--runs 20"}


def workflow() -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(PAGE.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - `on` is no boolean
    return document


def steps() -> list[dict[str, Any]]:
    return [step for job in workflow()["jobs"].values() for step in job["steps"]]


def commands() -> list[str]:
    return [step["run"] for step in steps() if step.get("run", "").startswith("fanin ")]


def test_it_is_a_workflow() -> None:
    """Each job has a runner and a limit of time, and each step either uses an action or runs a command."""
    document = workflow()

    assert {"push", "schedule"} == set(document["on"])
    assert all({"runs-on", "timeout-minutes", "steps"} <= set(job) for job in document["jobs"].values())
    assert all(("uses" in step) != ("run" in step) for step in steps())
    assert all("@v" in step["uses"] for step in steps() if "uses" in step)


@pytest.mark.real_time
@pytest.mark.parametrize("command", commands(), ids=lambda it: " ".join(it.split()[:2]) + it[-9:])
def test_its_commands_pass_with_a_right_application(command: str, tmp_path: Path) -> None:
    """In a checkout with the application under src, by the shell that GitHub uses."""
    package = tmp_path / "src" / "myapp"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "main.py").write_text(APPLICATION, encoding="utf-8")
    for long, short in SHORTER.items():
        command = command.replace(long, short)
    summary = tmp_path / "summary.md"
    here = shlex.quote(sys.executable)

    ended = subprocess.run(  # noqa: S603 - our own commands
        ["bash", "-e", "-c", command.replace("fanin ", f"{here} -m fanin.harness ", 1)],  # noqa: S607
        cwd=tmp_path,
        env={**os.environ, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr[-2_000:] if ended.returncode else "") == (0, "")
    if " verify " in f" {command} ":
        assert summary.read_text(encoding="utf-8").startswith("## Webhook fan-in contract\n")
    if "--report" in command:
        assert (tmp_path / "report" / "index.html").is_file()
