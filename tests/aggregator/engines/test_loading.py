"""Engines are loaded by name; one that needs what is not installed says how to install it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from fanin.aggregator import engines
from fanin.aggregator.cli.serve import serve
from fanin.aggregator.engine_registry import EngineEntry
from fanin.aggregator.errors import SettingsError

ABSENT = EngineEntry(
    "no_such_sdk.engine",
    "Engine",
    dev_backend="no_such_sdk.dev_backend:start_backend",
    needs=("no_such_sdk",),
    extra="absent",
)
SENTENCE = r"^FANIN_ENGINE: absent needs the Python package .* pip install .*'\.\[absent\]' installs it$"


@pytest.fixture(autouse=True)
def _absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "ENGINES", {"absent": ABSENT})


def test_an_engine_whose_package_is_not_installed_says_how_to_install_it() -> None:
    """A user's mistake is never a traceback."""
    with pytest.raises(SettingsError, match=SENTENCE):
        engines.load("absent")


def test_so_does_a_backend(tmp_path: Path) -> None:
    """It is started before the engine is loaded."""
    with pytest.raises(SettingsError, match=SENTENCE):
        engines.start_backend("absent", tmp_path)


def test_the_command_line_says_it_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fanin serve --engine NAME --local-backend`."""
    monkeypatch.setattr(engines, "ENGINES", {"durable-task": ABSENT._replace(extra="durable-task")})
    options = ["--engine", "durable-task", "--local-backend", "--regions", "eastus", "--port", "0"]

    result = CliRunner().invoke(serve, [*options, "--data-dir", str(tmp_path)])

    assert result.exit_code == 2
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert "pip install -c constraints.txt -e '.[durable-task]'" in error
    assert "Traceback" not in result.stderr


def test_a_missing_module_that_is_no_part_of_the_engine_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its traceback names it."""
    monkeypatch.setattr(engines, "ENGINES", {"absent": ABSENT._replace(needs=("another",))})

    with pytest.raises(ModuleNotFoundError):
        engines.load("absent")
