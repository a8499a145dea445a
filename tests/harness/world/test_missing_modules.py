"""That an optional module is not installed is found out once, and never said of one that is."""

import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder

import pytest

from fanin.harness.world import missing_modules

MISSING = "a_module_that_is_not_installed"


class Asked(MetaPathFinder):
    """Notes what the import system looks for, and finds nothing."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, name: str, _path: object, _target: object = None) -> None:
        self.names.append(name)


@pytest.fixture
def asked() -> Iterator[Asked]:
    finder = Asked()
    sys.meta_path.insert(0, finder)
    yield finder
    sys.meta_path.remove(finder)


def test_a_missing_module_is_looked_for_once(monkeypatch: pytest.MonkeyPatch, asked: Asked) -> None:
    """However often it is imported; afterwards, it is looked for again."""
    monkeypatch.setattr(missing_modules, "_OPTIONAL", (MISSING,))

    with missing_modules.found_out_once():
        for _ in range(3):
            with pytest.raises(ModuleNotFoundError):
                __import__(MISSING)

    assert asked.names == [MISSING]
    assert MISSING not in sys.modules


def test_an_installed_module_is_imported_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was imported before or not."""
    monkeypatch.setattr(missing_modules, "_OPTIONAL", ("json", "this"))

    with missing_modules.found_out_once():
        assert sys.modules["json"] is __import__("json")
        assert "this" not in sys.modules
