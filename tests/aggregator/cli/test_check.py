"""``fanin serve --check``: the report, and what prevents a start."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator import auth
from fanin.aggregator.azure import TOKEN_NAME
from fanin.aggregator.cli.check import checked
from fanin.aggregator.engines.sqlite.file import FILE
from fanin.aggregator.errors import RegionsUnknownError, StoreUnusableError
from fanin.aggregator.settings import Settings
from tests.aggregator.fake_management import REGISTRY_ID, TOKEN, URL, management
from tests.aggregator.services import EAST, PUSH, service


def report(folder: Path, **environment: str) -> list[str]:
    names = {"FANIN_REGIONS": "eastus,westus", "FANIN_TIMEOUT": "80s", "FANIN_DATA_DIR": str(folder)}
    return checked(Settings.from_environment(names | environment)).splitlines()


def test_the_report_has_settings_and_data(tmp_path: Path) -> None:
    """Nothing is created."""
    assert report(tmp_path / "data") == [
        "waits up to 1m20s for eastus, westus",
        "requires no credentials of webhooks",
        "notifies 0 targets",
        f"{tmp_path / 'data' / FILE} does not exist yet and would be created",
    ]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"FANIN_KEYS": "a"}, "requires the function key of webhooks"),
        ({"FANIN_KEYS": "a,b"}, "requires one of 2 function keys of webhooks"),
        (
            {
                "FANIN_KEYS": "a",
                "FANIN_HEADER_SECRET": "X-Secret: s",
                "FANIN_SIGNING_SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            },
            "requires the function key and the header x-secret and a signature of webhooks",
        ),
        ({"FANIN_NOTIFY_URL": "http://127.0.0.1:9/hunter2"}, "notifies 1 target"),
        ({"FANIN_ENGINE": "restate"}, "keeps operations in restate"),
    ],
)
def test_secrets_are_counted_and_not_shown(tmp_path: Path, environment: dict[str, Any], line: str) -> None:
    """Nor are addresses."""
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
