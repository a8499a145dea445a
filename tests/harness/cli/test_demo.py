"""``fanin demo``: what it refuses before a page is opened, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from tests.e2e.demo_page import demo
from tests.harness.terminal import started


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["slow-regoin"], "slow-region"),
        (["--bug", "counts-deliverys"], "there is no bug 'counts-deliverys'"),
        (["slow-region", "--bug", "nosuch"], "there is no bug 'nosuch'"),
        (["mine.yaml"], "Error: mine.yaml: there is no such file"),
        (["--app", "nowhere:app"], "--app nowhere:app: cannot import 'nowhere'"),
        (["--app", "a:b", "--bug", "counts-deliveries"], "one aggregator at a time"),
        (["--seed", "-1"], "-1"),
        (["--app-dir", "."], "--app-dir is the folder of --app, which is not given"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], message: str) -> None:
    """And exit code 2, before anything is started."""
    result = CliRunner().invoke(main, ["demo", "--no-open", *words])

    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_port_that_is_taken_is_named() -> None:
    """With what to do instead."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = CliRunner().invoke(main, ["demo", "--no-open", "--port", str(port)])

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--port {port}: Address already in use; 0 takes one that is free" in result.stderr


def test_a_scenario_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """As `fanin run` refuses it."""
    file = tmp_path / "mine.yaml"
    file.write_text("scenario: mine\ntitel: x\n")

    result = CliRunner().invoke(main, ["demo", "--no-open", str(file)])

    assert result.exit_code == 2
    assert f"{file}:2:1" in result.stderr


@pytest.mark.real_time
def test_an_application_of_ones_own_is_played(tmp_path: Path) -> None:
    """In the process that plays, imported from the folder that was named."""
    (tmp_path / "mine.py").write_text("from fanin.aggregator.asgi import in_process\n")
    yaml = "scenario: a\ntitle: A\noperations: [{image: b}]\n"

    with demo("--app", "mine:in_process", "--app-dir", str(tmp_path)) as address:
        request = msgspec.json.encode({"yaml": yaml, "target": "app"})
        headers = {"content-type": "application/json"}
        response = httpx.post(f"{address}api/play", content=request, headers=headers, timeout=60)

    recording = response.json()["recording"]
    assert (recording["run"]["target"], recording["verdict"]["validity"]) == ("mine:in_process", "valid")


@pytest.mark.real_time
def test_ctrl_c_ends_it_and_leaves_no_process_behind() -> None:
    """The one that plays, too."""
    command = [sys.executable, "-m", "fanin.harness", "demo", "--no-open"]
    process = subprocess.Popen(  # noqa: S603 - ours
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    assert httpx.get(address, timeout=60).status_code == 200

    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Traceback" not in complaints
    until = time.monotonic() + 30
    while is_there(process.pid) and time.monotonic() < until:
        time.sleep(0.05)  # until the system has collected the last of them
    assert not is_there(process.pid)


@pytest.mark.real_time
def test_ctrl_c_while_it_still_starts_prints_no_traceback() -> None:
    """A terminal interrupts the process that plays as well, which imports for a second."""
    process = started([sys.executable, "-m", "fanin.harness", "demo", "--no-open"], text=True)
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    assert httpx.get(address, timeout=60).status_code == 200  # it serves, and the other has just begun

    os.killpg(process.pid, signal.SIGINT)
    _, complaints = process.communicate(timeout=60)

    assert (process.returncode, complaints.splitlines()[1:]) == (0, [])


def is_there(group: int) -> bool:
    """Whether a process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
