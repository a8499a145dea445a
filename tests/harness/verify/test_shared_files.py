"""What one push leaves outside DATA_DIR is said; what it leaves alone, or hides, is not."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.verify.shared_files import note_about, snapshot

APP = """
from pathlib import Path

from fanin.harness.lessons.chapter_6 import create_app as right


def create_app():
    Path({path!r}).write_text("state")
    return right()
"""


@pytest.mark.parametrize(
    ("path", "is_named"),
    [
        ("app.db", True),
        ("data/app.db", True),
        ("there.db", True),  # it was there before
        (".cache", False),
        ("__pycache__/app.pyc", False),
        (".venv/app.db", False),
    ],
)
def test_files_that_appear_or_change_are_named(tmp_path: Path, path: str, is_named: bool) -> None:  # noqa: FBT001
    """Hidden files and those that Python compiles are no data."""
    (tmp_path / "there.db").write_text("before")
    (tmp_path / "left-alone.txt").write_text("before")
    before = snapshot(tmp_path)

    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("longer than before")
    note = note_about(before, snapshot(tmp_path))

    assert (path in note) is is_named
    assert bool(note) is is_named
    assert "left-alone" not in note


def test_of_many_files_a_few_are_named(tmp_path: Path) -> None:
    """The others are counted."""
    for number in range(5):
        (tmp_path / f"{number}.db").touch()

    assert "writes 0.db, 1.db, 2.db and 2 more in the current folder" in note_about({}, snapshot(tmp_path))


@pytest.mark.parametrize(("path", "is_named"), [("app.db", True), ("$DATA_DIR/app.db", False)])
def test_verify_says_which_files_scenarios_share(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    is_named: bool,  # noqa: FBT001
) -> None:
    """Before the pack, and on the card."""
    monkeypatch.chdir(tmp_path)
    text = APP.format(path=path)
    if path.startswith("$"):
        text = text.replace("Path('$DATA_DIR/app.db')", "Path(os.environ['DATA_DIR'], 'app.db')")
        text = "import os\n" + text
    (tmp_path / "shared_files_app.py").write_text(text)

    result = CliRunner().invoke(main, ["verify", "--app", "shared_files_app:create_app", "slow-region"])

    assert result.exit_code == 0, result.output
    assert ("the aggregator writes app.db in the current" in " ".join(result.stderr.split())) is is_named
    assert ("writes app.db" in " ".join(result.stdout.split())) is is_named
