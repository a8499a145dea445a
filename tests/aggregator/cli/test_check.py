"""``fanin serve --check``: the report, and what prevents a start."""

import asyncio
import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator import auth
from fanin.aggregator.azure import TOKEN_NAME
from fanin.aggregator.cli.check import checked
from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.errors import RegionsUnknownError, SettingsError, StoreUnusableError
from fanin.aggregator.settings import Settings
from tests.aggregator.fake_management import REGISTRY_ID, TOKEN, URL, management
from tests.aggregator.services import EAST, PUSH, service
from tests.heavy import needs_engine


def report(folder: Path, **environment: str) -> list[str]:
    names = {"FANIN_REGIONS": "eastus,westus", "FANIN_TIMEOUT": "80s", "FANIN_DATA_DIR": str(folder)}
    return checked(Settings.from_environment(names | environment)).splitlines()


def test_the_report_has_settings_and_data(tmp_path: Path) -> None:
    """Nothing is created."""
    assert report(tmp_path / "data") == [
        "waits up to 1m20s for eastus, westus",
        "webhooks need no credentials",
        "notifies 0 targets",
        f"{tmp_path / 'data' / FILE} does not exist yet and would be created",
    ]
    assert not (tmp_path / "data").exists()


def test_the_report_says_what_fans_in(tmp_path: Path) -> None:
    """A filter that was forgotten looks like a registry that is silent."""
    filters = {
        "FANIN_REPOSITORIES": "team/*,!team/x", "FANIN_TAGS": "1.*",
        "FANIN_TAGGED_ONLY": "yes", "FANIN_SKIP_ATTACHMENTS": "yes",
    }  # fmt: skip
    line = "repositories team/*, !team/x; tags 1.*; tagged pushes only; no signatures, attestations and SBOMs"

    assert report(tmp_path, **filters)[1] == f"ignores everything but: {line}"


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"FANIN_KEYS": "a"}, "webhooks need the function key"),
        ({"FANIN_KEYS": "a,b"}, "webhooks need one of 2 function keys"),
        (
            {
                "FANIN_KEYS": "a",
                "FANIN_HEADER_SECRET": "X-Secret: s",
                "FANIN_SIGNING_SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            },
            "webhooks need the function key and the header x-secret and a signature",
        ),
        ({"FANIN_NOTIFY_URL": "http://127.0.0.1:9/hunter2"}, "notifies 1 target"),
        pytest.param(
            {"FANIN_ENGINE": "restate"}, "keeps operations in restate", marks=needs_engine("restate")
        ),
    ],
)
def test_secrets_are_counted_and_not_shown(tmp_path: Path, environment: dict[str, Any], line: str) -> None:
    """The report has how many secrets there are, and neither a secret nor an address of a target."""
    assert line in report(tmp_path, **environment)


def test_a_file_of_keys_that_is_mounted_itself_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys could not be rotated."""
    file = tmp_path / "keys"
    file.write_text("key")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"41 22 8:1 /etc/fanin/keys {file} ro - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(auth, "_MOUNTS", mounts)

    lines = report(tmp_path, FANIN_KEYS_FILE=str(file))

    assert any(line.startswith(f"warning: {file} is itself a mount point") for line in lines)


def test_data_are_counted(tmp_path: Path) -> None:
    """The file is read only."""

    async def story() -> None:
        async with service(tmp_path) as client:
            await client.post(EAST, json=PUSH)

    asyncio.run(story())
    before = (tmp_path / FILE).read_bytes()

    assert report(tmp_path)[-1].startswith(f"{tmp_path / FILE} is intact and holds 1 operations (1 waiting)")
    assert (tmp_path / FILE).read_bytes() == before


def test_a_foreign_file_would_prevent_a_start(tmp_path: Path) -> None:
    """The message names it."""
    (tmp_path / FILE).write_text("not a database, but as long as one would be" * 100)

    with pytest.raises(StoreUnusableError, match=FILE):
        report(tmp_path)


def test_an_engine_that_is_not_installed_would_prevent_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the command that installs it."""
    monkeypatch.setitem(sys.modules, "restate", None)
    for module in [name for name in sys.modules if name.startswith("fanin.aggregator.engines.restate")]:
        monkeypatch.delitem(sys.modules, module)

    with pytest.raises(SettingsError, match=r"FANIN_ENGINE: restate needs the Python package"):
        report(tmp_path, FANIN_ENGINE="restate")


# --- the check says what the start says ---


def _same_refusal(folder: Path) -> str:
    """The message of the check, which is that of the start."""
    with pytest.raises(StoreUnusableError) as checked_refusal:
        report(folder)
    with pytest.raises(StoreUnusableError) as started:
        Store(folder)
    assert str(checked_refusal.value) == str(started.value)
    return str(started.value)


def test_a_file_in_the_folders_place_prevents_both(tmp_path: Path) -> None:
    """Or in the place of a folder above it."""
    file = tmp_path / "file"
    file.touch()

    assert _same_refusal(file) == f"cannot use {file}: Not a directory"
    assert _same_refusal(file / "data") == f"cannot use {file / 'data'}: Not a directory"


def test_a_folder_in_the_files_place_prevents_both(tmp_path: Path) -> None:
    """As a mount of a file that did not exist makes it."""
    (tmp_path / FILE).mkdir()

    assert _same_refusal(tmp_path) == f"{tmp_path / FILE} is not a file; choose another folder"


@pytest.mark.parametrize("name", ["", "data", "data/deeper"])
def test_a_folder_of_another_owner_prevents_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whether it is there, or would have to be created in one that is not writable."""
    monkeypatch.setattr("os.access", lambda path, _: path != tmp_path)

    refusal = _same_refusal(tmp_path / name)

    assert refusal.startswith(f"{tmp_path} is read-only for user {os.geteuid()} (it belongs to user ")
    assert refusal.endswith("with mode 0700); make it writable or choose another folder")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_entered_prevents_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mode 0700 above the folder: not even its owner can be seen."""
    folder = tmp_path / "private" / "data"

    def stat(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", stat)

    assert _same_refusal(folder) == f"cannot use {folder}: Permission denied"


def test_a_registry_is_asked_for_its_regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the start would fail."""
    monkeypatch.setenv(TOKEN_NAME, TOKEN)
    registry = {"FANIN_REGIONS": f"azure:{REGISTRY_ID}", "FANIN_AZURE_MANAGEMENT_URL": URL}
    with management() as fake:
        lines = report(tmp_path, **registry)
        fake.refusal = (403, {})
        with pytest.raises(RegionsUnknownError):
            report(tmp_path, **registry)

    assert lines[0] == "waits up to 1m20s for eastus, westeurope (the registry's regions)"
