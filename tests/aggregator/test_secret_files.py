"""Secrets from files: read whole, refused by name, never shown."""

from pathlib import Path

import pytest

from fanin.aggregator.azure import TOKEN_NAME
from fanin.aggregator.errors import SettingsError
from fanin.aggregator.secret_files import SECRETS, with_secret_files
from fanin.aggregator.settings import Settings
from tests.paths import DOCS

REGIONS = {"FANIN_REGIONS": "eastus"}
VALUES = {
    "FANIN_HEADER_SECRET": "X-From: hunter2hunter2",
    "FANIN_SIGNING_SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "FANIN_NOTIFY_URL": "https://hooks.example/hunter2",
    "NOTIFY_URL": "https://hooks.example/hunter2",
}


@pytest.mark.parametrize("name", VALUES)
def test_a_file_has_the_value(tmp_path: Path, name: str) -> None:
    """With the line break that editors add, and the mark that Windows' add."""
    file = tmp_path / "secret"
    file.write_text(f"\N{ZERO WIDTH NO-BREAK SPACE}{VALUES[name]}\r\n", encoding="utf-8")

    assert Settings.from_environment(REGIONS | {f"{name}_FILE": f" {file} "}) == Settings.from_environment(
        REGIONS | {name: VALUES[name]}
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{file} is empty"),
        (b" \n", "{file} is empty"),
        (b"hunter2\xff", "{file} is not UTF-8 at byte 7"),
        (None, "cannot read {file}: No such file or directory"),
        (b"hunter2", None),
    ],
)
def test_a_file_without_a_secret_is_an_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    """An unset secret would let everyone in; the content is not quoted, whether it is read or refused."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment(REGIONS | {"FANIN_HEADER_SECRET_FILE": str(file)})

    assert refusal.value.setting in ("FANIN_HEADER_SECRET_FILE", "FANIN_HEADER_SECRET")
    assert "hunter2" not in str(refusal.value)
    assert message is None or message.format(file=file) in str(refusal.value)


def test_a_secret_is_set_in_one_way(tmp_path: Path) -> None:
    """Both might differ."""
    with pytest.raises(SettingsError, match=r"^FANIN_KEY_FILE: set together with FANIN_KEY"):
        with_secret_files({"FANIN_KEY": "a", "FANIN_KEY_FILE": str(tmp_path)})


def test_every_file_is_documented() -> None:
    """And the name of the token is that which is read."""
    manual = (DOCS / "aggregator.md").read_text(encoding="utf-8")

    assert [name for name in SECRETS if f"`{name}_FILE`" not in manual] == []
    assert TOKEN_NAME in SECRETS
