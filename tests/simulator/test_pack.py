"""Where scenarios are found."""

from pathlib import Path

import pytest

from fanin.simulator.language.load import ScenarioError
from fanin.simulator.pack import find, names

NEITHER = "neither a built-in scenario nor a file; 'fanin scenarios' lists the built-in ones"


def test_the_built_in_scenarios_have_names_of_their_own() -> None:
    """Sorted, each once, and each is found."""
    assert names() == sorted(set(names()))
    assert "slow-region" in names()
    assert [find(name).stem for name in names()] == names()


def test_a_path_is_a_path(tmp_path: Path) -> None:
    """Any file will do, whatever it is called."""
    file = tmp_path / "mine"
    file.touch()

    assert find(str(file)) == file


def test_a_built_in_name_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bare name runs does not depend on the current folder; ./name is the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow-region").touch()

    assert find("slow-region").suffix == ".yaml"
    assert find("./slow-region") == Path("slow-region")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("slow-regoin", f"{NEITHER}; did you mean 'slow-region'?"),
        ("zzz", NEITHER),
        ("slow-region.yaml", "there is no such file; did you mean 'slow-region'?"),
        ("here/zzz.yml", "there is no such file"),
    ],
)
def test_what_is_not_found_names_the_nearest(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt name says which one was probably meant, and how to see them all."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ScenarioError) as caught:
        find(name)

    assert str(caught.value) == f"{name}: {message}"


def test_a_folder_is_no_scenario(tmp_path: Path) -> None:
    """A folder is not played file by file without being asked for."""
    with pytest.raises(ScenarioError, match="a folder, not a scenario file"):
        find(str(tmp_path))
