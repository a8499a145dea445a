"""Finds scenarios: those that come with fanin, and files.

The built-in ones, the pack, are data files of this package in ``scenarios/``. A scenario is called what its
file is called, without the suffix.
"""

from importlib import resources
from pathlib import Path

from fanin.simulator.language.problems import NOWHERE, Problem, ScenarioError
from fanin.simulator.text import hint

_SUFFIXES = (".yaml", ".yml")


def names() -> list[str]:
    """The names of the built-in scenarios, sorted."""
    return sorted(_built_in())


def find(name_or_path: str) -> Path:
    """The file of a built-in scenario, or the file that a path names.

    A bare word is a built-in scenario's name if there is one, even where a file is called the same.

    Raises:
        ScenarioError: it is neither.
    """
    built_in = _built_in()
    if name_or_path in built_in:
        return built_in[name_or_path]
    path = Path(name_or_path)
    if path.exists() and not path.is_dir():  # it may be a pipe
        return path
    near = hint(path.stem, built_in)
    if path.is_dir():
        message = "a folder, not a scenario file"
    elif path.suffix in _SUFFIXES or path.name != name_or_path:
        message = f"there is no such file{near}"
    else:
        message = f"neither a built-in scenario nor a file; 'fanin scenarios' lists the built-in ones{near}"
    raise ScenarioError(name_or_path, [Problem(NOWHERE, message)])


def _built_in() -> dict[str, Path]:
    root = Path(str(resources.files("fanin.simulator") / "scenarios"))
    return {file.stem: file for file in root.glob("*.yaml")}
