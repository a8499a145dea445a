"""The SQLite file as a whole: refused when it is damaged."""

from pathlib import Path

import pytest

from fanin.aggregator.engines.sqlite import file
from fanin.aggregator.engines.sqlite.store import Store
from fanin.aggregator.errors import StoreUnusableError
from tests.aggregator.engines.sqlite.stores import filled, names


def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """At the start, not when a webhook later meets the damage; the file is not changed."""
    path = filled(tmp_path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content)

    with pytest.raises(StoreUnusableError, match=r"fanin.db is damaged: .*; put a copy back with `fanin "):
        Store(tmp_path)
    assert path.read_bytes() == content


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """A copy that was interrupted, or a disk that was full."""
    path = filled(tmp_path)
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size // 2)

    with pytest.raises(StoreUnusableError, match=r"fanin.db is damaged: "):
        Store(tmp_path)


def test_the_integrity_of_a_large_file_is_not_checked_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start takes no longer with a million operations."""
    filled(tmp_path)
    monkeypatch.setattr(file, "CHECK_BYTES_MAX", 1)
    monkeypatch.setattr(file, "check_integrity", pytest.fail)

    assert len(names(tmp_path)) == 2_000
