"""Secrets from files: ``NAME_FILE`` names a file with the value of ``NAME``, as containers mount them.

Rules of this file: a content is never quoted; a file that cannot be read is an error, never an unset secret.
The file of function keys (`fanin.aggregator.auth`) is another matter, because it is reloaded.
"""

from collections.abc import Mapping
from pathlib import Path

from fanin.aggregator.errors import SettingsError

# Secrets, and addresses that usually contain one.
SECRETS = (
    "FANIN_HEADER_SECRET",
    "FANIN_SIGNING_SECRETS",
    "FANIN_NOTIFY_URL",
    "NOTIFY_URL",
    "FANIN_KEY",
    "FANIN_AZURE_TOKEN",
)
# Every secret is shorter.
BYTES_MAX = 64 << 10


def with_secret_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with each ``NAME_FILE`` of a secret replaced by ``NAME`` and the file's content.

    Raises:
        SettingsError: the secret is set in both ways, or its file cannot be read or is empty.
    """
    resolved = dict(environment)
    for name in SECRETS:
        path = resolved.pop(f"{name}_FILE", None)
        if path is None:
            continue
        if name in environment:
            raise SettingsError(f"{name}_FILE", f"set together with {name}; set only one of the two")
        try:
            resolved[name] = read_secret(Path(path.strip()).expanduser())
        except ValueError as exc:
            raise SettingsError(f"{name}_FILE", str(exc)) from exc
    return resolved


def read_secret(path: Path) -> str:
    """Read a file that holds one secret.

    Raises:
        ValueError: it cannot be read, is not UTF-8, or is empty.
    """
    try:
        with path.open("rb") as file:
            text = file.read(BYTES_MAX).decode("utf-8-sig").strip()
    except OSError as exc:
        raise ValueError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ValueError(f"{path} is not UTF-8 at byte {exc.start}") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text
