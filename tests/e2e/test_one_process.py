"""One process serves one folder: a second one ends with one line that names the first."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.serving import LIMIT_S, Service, environment

SETTINGS = {"FANIN_REGIONS": "eastus,westus", "FANIN_KEYS": "hunter2hunter2hunter2"}
UVICORN = (sys.executable, "-m", "uvicorn", "--factory", "fanin.aggregator.asgi:create", "--port", "0")
OUR_HTTP = ("--http", "fanin.aggregator.http.protocol:HttpProtocol")


def uvicorn(folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """The application under uvicorn's own command, with a log that the test reads."""
    return subprocess.Popen(  # noqa: S603 - our own module under a server of ours
        [*UVICORN, *(arguments if "--http" in arguments else (*OUR_HTTP, *arguments))],
        env=environment(FANIN_DATA_DIR=str(folder), **settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def complaints(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith(("ERROR", "Error"))]


def test_a_second_service_is_told_who_the_first_is(tmp_path: Path) -> None:
    """A process started twice, or a container that overlaps its successor; the first is not disturbed."""
    first = Service.start(tmp_path, **SETTINGS)
    second = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "fanin.aggregator", "--port", "0", "--data-dir", str(tmp_path)],
        env=environment(**SETTINGS), capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    code, log = first.end(signal.SIGTERM)

    assert second.returncode == 1
    owner = f"process {first.process.pid} on {os.uname().nodename}"
    assert second.stderr == (
        f"Error: {tmp_path} is in use by another process ({owner}): two would notify twice; "
        "stop the other one or choose another folder\n"
    )
    assert (code, log) == (0, "")


def test_a_successor_starts_as_soon_as_the_first_has_ended(tmp_path: Path) -> None:
    """Killed or stopped: nothing needs to be tidied up."""
    first = Service.start(tmp_path, **SETTINGS)
    first.process.kill()
    first.process.communicate()

    second = Service.start(tmp_path, **SETTINGS)
    assert second.end(signal.SIGTERM) == (0, "")


def test_workers_of_uvicorn_are_refused_and_do_not_start_for_ever(tmp_path: Path) -> None:
    """The one that comes second says why, and its supervisor stops instead of trying again."""
    process = uvicorn(tmp_path, "--workers", "2", **SETTINGS)
    _, log = process.communicate(timeout=LIMIT_S)

    (complaint, failed) = complaints(log)
    assert re.search(r"is in use by another process \(process \d+ on .*\): two would notify twice", complaint)
    assert complaint.endswith("run a single one, without --workers (why one is enough: docs/deploy.md)")
    assert "startup failed" in failed
    assert "Traceback" not in log


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_under_another_server_keys_are_wanted_wherever_it_listens(tmp_path: Path, workers: list[str]) -> None:
    """The application cannot know who reaches it."""
    process = uvicorn(tmp_path, *workers, FANIN_REGIONS="eastus")
    _, log = process.communicate(timeout=LIMIT_S)

    (complaint,) = set(complaints(log))
    assert complaint == (
        "Error: FANIN_KEYS: not set, and the addresses of this server are not known here; "
        "set it, or set FANIN_INSECURE_NO_KEYS=yes to accept webhooks without a key"
    )
    assert "Traceback" not in log


def test_a_key_does_not_reach_another_servers_log(tmp_path: Path) -> None:
    """Uvicorn logs addresses with their query unless it is told otherwise."""
    process = uvicorn(tmp_path, "--log-level", "info", **SETTINGS)
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if port := re.search(r"running on http://127.0.0.1:(\d+)", line):
            break
    assert port
    service = Service(process, int(port.group(1)), "")
    status, _, _ = asyncio.run(service.request("GET", "/instances?code=hunter2hunter2hunter2"))
    _, log = service.end(signal.SIGTERM)

    assert status == 200
    assert "hunter2" not in "".join(said) + log


@pytest.mark.parametrize(("implementation", "workers"), [("httptools", []), ("h11", ["--workers", "2"])])
def test_another_implementation_of_http_is_refused(
    tmp_path: Path, implementation: str, workers: list[str]
) -> None:
    """What one reads as a body, another reads as a request; the line says how to start it."""
    process = uvicorn(tmp_path, "--http", implementation, *workers, **SETTINGS)
    _, log = process.communicate(timeout=LIMIT_S)

    assert process.returncode != 0 or workers
    refusals = [line for line in complaints(log) if "reads HTTP in its own way" in line]
    assert refusals
    assert all(line.endswith("--http fanin.aggregator.http.protocol:HttpProtocol") for line in refusals)
    assert "Traceback" not in log
