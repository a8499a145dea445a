"""``scripts/find-python``: what `make` sets itself up with, on machines of every kind."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from tests.paths import ROOT

SCRIPT = ROOT / "scripts" / "find-python"
TOOLS = ("sh", "dirname", "cat")
REAL = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
TOO_OLD = "#!/bin/sh\nexit 1\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that is the whole PATH; the script lies in a checkout beside it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(which(tool) or tool)
    scripts = tmp_path / "checkout" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "find-python").write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    return programs


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def find(machine: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", str(machine.parent / "checkout" / "scripts" / "find-python")],
        env={"PATH": str(machine), "HOME": str(machine.parent), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_python_that_is_new_enough_is_found(machine: Path) -> None:
    """By any of its names, whatever ``python3`` is."""
    program(machine / "python3", TOO_OLD)
    program(machine / "python3.12", REAL)

    found = find(machine)

    assert (found.returncode, found.stdout.strip(), found.stderr) == (0, sys.executable, "")


def test_the_one_that_is_named_is_taken_or_refused(machine: Path) -> None:
    """Never another one in its place."""
    program(machine / "python3.12", REAL)
    program(machine / "old", TOO_OLD)

    assert find(machine, PYTHON=sys.executable).stdout.strip() == sys.executable
    refused = find(machine, PYTHON="old")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "PYTHON=old does not run, is older than 3.12" in refused.stderr


def test_uv_fetches_one_where_there_is_none(machine: Path, tmp_path: Path) -> None:
    """What it fetches is found by asking it, and that it does so is said."""
    program(machine / "python3", TOO_OLD)
    program(tmp_path / "fetched" / "python", REAL)
    program(
        machine / "uv",
        f'#!/bin/sh\n[ "$2" = find ] && echo "{tmp_path}/fetched/python"\nexit 0\n',
    )

    found = find(machine)

    assert found.stdout.strip() == sys.executable
    assert found.stderr == "No Python 3.12 or newer here: fetching Python 3.13 with uv ...\n"


def test_an_older_python_installs_uv_into_the_checkout(machine: Path, tmp_path: Path) -> None:
    """Nothing outside the checkout is changed by it."""
    program(tmp_path / "fetched" / "python", REAL)
    program(
        machine / "python3",
        "#!/bin/sh\n"
        '[ "$2" = pip ] || exit 1\n'  # too old for anything else
        'for folder; do [ "$last" = --target ] && break; last=$folder; done\n'
        f'/bin/mkdir -p "$folder/bin"\n/bin/cp "{tmp_path}/uv" "$folder/bin/uv"\n',
    )
    program(tmp_path / "uv", f'#!/bin/sh\n[ "$2" = find ] && echo "{tmp_path}/fetched/python"\nexit 0\n')

    found = find(machine)

    assert found.stdout.strip() == sys.executable
    assert os.access(tmp_path / "checkout" / ".uv" / "bin" / "uv", os.X_OK)


def test_where_nothing_helps_the_commands_for_common_systems_are_named(machine: Path) -> None:
    """One sentence, and a failure: no traceback, no empty line for a path."""
    program(machine / "python3", TOO_OLD)
    program(machine / "uv", "#!/bin/sh\necho 'error: no network' >&2\nexit 2\n")

    missing = find(machine)

    assert (missing.returncode, missing.stdout) == (1, "")
    assert "error: no network" in missing.stderr
    assert all(word in missing.stderr for word in ("apt install", "dnf install", "brew install", "PYTHON="))
