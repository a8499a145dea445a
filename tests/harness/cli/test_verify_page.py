"""The page about `fanin verify`: complete, and what it shows is so."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from fanin.harness.capabilities import CAPABILITIES
from fanin.harness.cli.main import main
from fanin.harness.dialect import NotificationDialect, ResponseDialect
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.status_body import Activities
from fanin.harness.verdict import Exit
from fanin.harness.verify.config import TargetConfig
from fanin.harness.verify.config_file import load
from fanin.harness.verify.config_validation import missing_settings
from tests.paths import FOREIGN_APPS, ROOT

PAGES = ("docs/verify.md", "docs/reports.md", "docs/pytest.md")
PAGE = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")


def blocks(page: str, kind: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands() -> Iterator[list[str]]:
    """Every command of ours that a page shows, in words."""
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["fanin"]:
                    yield words[1:]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "src" / "myapp"
    package.mkdir(parents=True)
    shutil.copy(FOREIGN_APPS / "unmodified.py", package / "main.py")
    (package / "__init__.py").touch()
    (tmp_path / "target.yaml").write_text(blocks("docs/verify.md", "yaml")[0], encoding="utf-8")
    return tmp_path


def test_every_command_can_be_said(project: Path) -> None:
    """Options that exist, with values that they take."""
    said = list(commands())

    for name, *arguments in said:
        command = main.commands[name]
        with command.make_context(name, arguments):
            assert project.exists()
    assert len(said) > 9


def test_the_card_that_is_shown_is_the_card_of_its_command(project: Path) -> None:
    """Line by line."""
    (said,) = (words for words in commands() if "crash-after-ack" in words)

    result = CliRunner().invoke(main, said)

    assert project.exists()
    assert result.exit_code == Exit.INVALID
    shown = blocks("docs/verify.md", "text")[1]
    if os.environ.get("FANIN_ACCEPT_PAGES"):  # as tests/test_pages.py has it
        page = ROOT / "docs" / "verify.md"
        page.write_text(PAGE.replace(shown, result.stdout), encoding="utf-8")
    assert result.stdout == shown


def test_the_time_scale_that_is_shown_is_the_default() -> None:
    """A limit that changes is changed on the page."""
    usual = TimeScale()

    assert blocks("docs/verify.md", "text")[0] == f"real time, {usual.jobs} at the same time: {usual}\n"


def test_the_target_file_that_is_shown_is_one(project: Path) -> None:
    """Complete for a deployment."""
    target = load(project / "target.yaml")

    assert target.headers == {"x-functions-key": "{key}"}
    assert list(missing_settings(target)) == []


def test_its_dialect_reads_an_aggregator_that_speaks_so(project: Path) -> None:
    """Another target on the command line keeps the file's dialect; what is not said is not judged."""
    arguments = [
        "--app",
        "abroad:create_app",
        "--app-dir",
        str(FOREIGN_APPS),
        "slow-region",
        "dropped-region",
    ]

    result = CliRunner().invoke(main, ["verify", "--target", str(project / "target.yaml"), *arguments])

    assert result.exit_code == Exit.VALID, result.output
    assert "VALID  abroad:create_app: 2 valid\n" in result.stdout
    assert "  partly   9-content              not seen: arrived, action\n" in result.stdout


def test_the_mistake_that_is_shown_is_told_so(project: Path) -> None:
    """File, line, column, and the nearest name."""
    file = project / "target.yaml"
    file.write_text(file.read_text().replace("max_rate:", "max_rates:"), encoding="utf-8")

    result = CliRunner().invoke(main, ["verify", "--target", "target.yaml"])

    begins, ends = blocks("docs/verify.md", "text")[2].split("…")
    assert result.exit_code == Exit.USAGE
    assert result.stderr.startswith(begins)
    assert result.stderr.endswith(ends)


@pytest.mark.parametrize("shape", [TargetConfig, ResponseDialect, NotificationDialect, Activities])
def test_every_field_of_a_target_file_is_explained(shape: Any) -> None:
    """In the words of the shape itself."""
    described = dict(re.findall(r"^ {4}(\w+): (.+)$", cleandoc(shape.__doc__), re.MULTILINE))

    for field in msgspec.structs.fields(shape):
        assert f"| `{field.name}` | {described[field.name].replace('{', '`{').replace('}', '}`')} |\n" in PAGE


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """Pages that point at nothing cost trust."""
    found = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (ROOT / page).read_text(encoding="utf-8"))

    links = [link for link in found if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_every_capability_is_explained() -> None:
    """A report names a missing capability; the page says what it is."""
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE[PAGE.index("## What is skipped") :], re.MULTILINE))

    assert rows >= set(CAPABILITIES)
