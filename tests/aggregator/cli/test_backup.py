"""``fanin backup`` and ``fanin restore``: copies, and errors of one line."""

import asyncio
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from fanin.aggregator.cli.backup import backup, restore_command
from fanin.aggregator.engines.sqlite.file import FILE
from tests.aggregator.services import EAST, PUSH, service

HOLDS = "holds 1 operations (1 waiting) and 0 pending notifications, 0.1 MiB, schema "


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data of a service that waits for one operation."""

    async def story() -> None:
        async with service(tmp_path / "data") as client:
            await client.post(EAST, json=PUSH)

    asyncio.run(story())
    return tmp_path / "data"


def test_a_copy_can_be_restored(data: Path, tmp_path: Path) -> None:
    """Into another folder, or over the data that it was made of, which are kept."""
    copy, other = tmp_path / "copy.db", tmp_path / "other"
    made = CliRunner().invoke(backup, [str(copy), "--data-dir", str(data)])
    placed = CliRunner().invoke(restore_command, [str(copy), "--data-dir", str(other)])
    again = CliRunner().invoke(restore_command, [str(copy), "--data-dir", str(data)])

    assert (made.exit_code, placed.exit_code, again.exit_code) == (0, 0, 0)
    assert made.stdout.startswith(f"{copy} {HOLDS}")
    assert placed.stdout.startswith(f"{other / FILE} {HOLDS}")
    assert "; the replaced data are in " not in placed.stdout
    assert f"; the replaced data are in {data / 'replaced-1.db'}\n" in again.stdout


@pytest.mark.parametrize("name", ["FANIN_DATA_DIR", "DATA_DIR"])
def test_the_environment_names_the_folder(
    data: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an option, the command reads the same variable as the service."""
    monkeypatch.setenv(name, str(data))

    assert CliRunner().invoke(backup, [str(tmp_path / "copy.db")]).exit_code == 0


def test_what_cannot_be_copied_is_one_line(data: Path, tmp_path: Path) -> None:
    """The command says why in one line, and overwrites nothing."""
    copy = tmp_path / "copy.db"
    copy.write_text("precious")
    taken = CliRunner().invoke(backup, [str(copy), "--data-dir", str(data)])
    absent = CliRunner().invoke(backup, [str(tmp_path / "new.db"), "--data-dir", str(tmp_path / "nowhere")])
    foreign = CliRunner().invoke(restore_command, [str(copy), "--data-dir", str(data)])

    assert [(it.exit_code, it.stderr.count("\n")) for it in (taken, absent, foreign)] == [(1, 1)] * 3
    assert f"Error: {copy} exists already" in taken.stderr
    assert copy.read_text() == "precious"


@pytest.mark.parametrize("umask", [0, 0o777])
def test_a_copy_is_its_owners_alone(data: Path, tmp_path: Path, umask: int) -> None:
    """Whatever the umask of the shell; so are the folder and the file of a restored one."""
    other = tmp_path / "other"
    before = os.umask(umask)
    try:
        CliRunner().invoke(backup, [str(tmp_path / "copy.db"), "--data-dir", str(data)])
        CliRunner().invoke(
            restore_command, [str(tmp_path / "copy.db"), "--data-dir", str(tmp_path / "other")]
        )
    finally:
        os.umask(before)

    other = tmp_path / "other"
    modes = {it: it.stat().st_mode & 0o777 for it in (tmp_path / "copy.db", other, *other.iterdir())}
    assert modes.pop(other) == 0o700
    assert set(modes.values()) == {0o600}
