"""The commands of ``fanin`` that have no file of their own, and its help."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fanin.aggregator.cli.outbox import outbox
from fanin.harness.cli.main import main
from fanin.harness.world import play as world
from fanin.simulator.pack import names

VALID, INVALID, USAGE, UNKNOWN = 0, 1, 2, 3


def fanin(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="fanin")


def test_a_stored_history_is_judged_to_the_same_report(tmp_path: Path) -> None:
    """The verdict follows from the history alone."""
    file = tmp_path / "run.jsonl"

    played = fanin("run", "dropped-region", "--history", file)
    judged = fanin("judge", file)

    assert judged.exit_code == VALID
    assert judged.stdout == played.stdout


def test_judging_exits_with_the_verdict(tmp_path: Path) -> None:
    """As the run itself did."""
    file = tmp_path / "run.jsonl"

    fanin("run", "nothing-happened", "--history", file)

    assert fanin("judge", file).exit_code == UNKNOWN
    assert json.loads(fanin("judge", file, "--format", "json").stdout)["verdict"] == "unknown"


def test_the_pack_is_listed_one_line_each() -> None:
    """With the verdict that it must get, where that is not valid."""
    lines = fanin("scenarios").stdout.splitlines()

    assert [line.split()[0] for line in lines] == names()
    assert [line.split()[0] for line in lines if line.endswith("(unknown)")] == ["nothing-happened"]


@pytest.mark.parametrize("name", names())
def test_every_scenario_of_the_pack_can_be_explained(name: str) -> None:
    """Title, lesson, world, verdict and file."""
    result = fanin("show", name)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{name}: ")
    assert "The world\n  Regions: " in result.stdout
    assert f"Play: fanin run {name}\n" in result.stdout
    assert [
        line for line in result.stdout.splitlines() if len(line) > 100 and not line.startswith("File:")
    ] == []


def test_the_schema_is_json() -> None:
    """Editors read it."""
    assert json.loads(fanin("schema").stdout)["type"] == "object"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        ("", "empty"),
        (
            "no json\n",
            "; a history, as `fanin run --history` writes it",
        ),
        ('{"type":"end","at":0}\n', "starts with a line whose type is 'run'"),
    ],
)
def test_a_history_that_cannot_be_read_is_named_by_file_and_line(
    tmp_path: Path, content: str | None, complaint: str
) -> None:
    """No traceback for a file that came from elsewhere."""
    file = tmp_path / "run.jsonl"
    if content is not None:
        file.write_text(content, encoding="utf-8")

    result = fanin("judge", file)

    assert result.exit_code == USAGE
    assert str(file) in result.stderr
    assert complaint in result.stderr


def test_a_folder_is_no_history(tmp_path: Path) -> None:
    """Though `fanin run --history` writes one."""
    assert f"{tmp_path}: a folder; name one of the histories in it" in fanin("judge", tmp_path).stderr


def test_a_bad_line_in_the_middle_of_a_history_is_named(tmp_path: Path) -> None:
    """Counted from 1, as editors do."""
    file = tmp_path / "run.jsonl"
    fanin("run", "slow-region", "--history", file)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines[:3], '{"type":"attempt-sent"}', *lines[4:]]), encoding="utf-8")

    result = fanin("judge", file)

    assert result.exit_code == USAGE
    assert f"{file}:4: " in result.stderr


def test_an_interrupted_run_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """130, as a shell counts."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world, "play", interrupt)

    result = fanin("run", "slow-region")

    assert (result.exit_code, result.stderr) == (130, "fanin: interrupted\n")


def commands() -> list[tuple[str, click.Command]]:
    """All but ``serve``, whose options are the aggregator's own."""
    return [(name, command) for name, command in main.commands.items() if name != "serve"]


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_and_option_explains_itself(name: str, command: click.Command) -> None:
    """Help that does not teach is a list of words."""
    text = fanin(name, "--help").stdout

    assert len(command.help or "") > 30
    assert "Example" in text
    assert f"fanin {name}" in text
    assert [
        option.name for option in command.params if isinstance(option, click.Option) and not option.help
    ] == []


@pytest.mark.parametrize(
    "words",
    [[], *([name] for name in main.commands), *(["outbox", name] for name in outbox.commands)],
    ids=str,
)
def test_help_fits_eighty_columns(words: list[str]) -> None:
    """Examples and tables too, which are not wrapped; and no summary is cut."""
    lines = fanin(*words, "--help").stdout.splitlines()

    assert [line for line in lines if len(line) > 80 or (line.endswith("...") and "Usage" not in line)] == []


@pytest.mark.parametrize(
    "words",
    [["scenarios"], ["show", "storm"], ["bug"], ["bug", "lost-update"], ["lesson", "1", "-q"]],
    ids=str,
)
def test_what_is_printed_fits_the_terminal(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Down to 72 columns; what is meant to be copied may be wider."""
    monkeypatch.setenv("COLUMNS", "72")

    lines = fanin(*words).stdout.splitlines()

    copied = ("File: ", "  replay: ")
    assert [line for line in lines if len(line) > 72 and not line.startswith(copied)] == []


def test_what_is_skipped_fits_the_terminal_and_is_one_line_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools read lines."""
    assert len(fanin("run", "zombie").stdout.splitlines()) == 1
    monkeypatch.setenv("COLUMNS", "80")

    assert max(map(len, fanin("run", "zombie").stdout.splitlines())) <= 80


def test_help_lists_every_command() -> None:
    """Serve too, although it is not loaded."""
    text = fanin("--help").stdout

    assert [name for name in main.commands if f"\n  {name} " not in text] == []


def test_serve_passes_its_options_on_to_the_aggregator() -> None:
    """Its help is the aggregator's own, and so are its complaints."""
    known, unknown = fanin("serve", "--help"), fanin("serve", "--no-such-option")

    assert known.exit_code == VALID
    assert known.stdout.startswith("Usage: fanin serve [OPTIONS]")
    assert "--notify-url" in known.stdout
    assert unknown.exit_code == USAGE
    assert "--no-such-option" in unknown.stderr


def test_the_version_is_printed() -> None:
    """Bug reports begin with it."""
    assert fanin("--version").stdout.startswith("fanin, version ")
