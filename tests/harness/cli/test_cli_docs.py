"""What README and docs show is what the commands print."""

import re

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.simulator.language.load import loads
from tests.paths import ROOT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TRACE = re.compile(r"trace=\w+")


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of one kind, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [content for found, content in _BLOCK.findall(text) if found == kind]


def report_of(name: str) -> str:
    """What `fanin run` prints, without the trace: any change of the records changes that."""
    return _TRACE.sub("trace=…", CliRunner().invoke(main, ["run", name]).stdout)


def test_the_first_screen_of_the_readme_is_the_report_of_its_command() -> None:
    """One sentence, one command, and what it prints."""
    shown = blocks("README.md", "text")[0]

    assert blocks("README.md", "sh")[0] == "make scenario name=slow-region\n"
    assert _TRACE.sub("trace=…", shown) == report_of("slow-region")


@pytest.mark.parametrize("block", range(3))
def test_the_page_about_reports_shows_a_real_one(block: int) -> None:
    """Heading, timeline and verdict of one run."""
    shown = blocks("docs/reading-a-report.md", "text")[block]

    assert _TRACE.sub("trace=…", shown) in report_of("dropped-region")


def test_the_page_about_exploring_shows_a_real_run() -> None:
    """Its application is called what most people's are."""
    strangers = [
        "--app",
        "unmodified:create_app",
        "--app-dir",
        str(ROOT / "tests/harness/world/foreign_apps"),
    ]
    asked = ["--lacks", "process", "--seed", "2", "--runs", "1"]
    said = CliRunner().invoke(main, ["explore", *strangers, *asked]).stdout

    theirs = said.replace(" ".join(strangers), "--app myapp.main:create_app --app-dir src")
    assert blocks("docs/exploring.md", "text") == [theirs]


def test_the_scenario_in_the_readme_can_be_loaded() -> None:
    """Whoever copies it must not meet an error first."""
    assert loads(blocks("README.md", "yaml")[0]).scenario == "my-first"


def test_every_link_leads_somewhere() -> None:
    """Pages that point at nothing cost trust."""
    pages = [
        "README.md",
        "CONTRIBUTING.md",
        "docs/exploring.md",
        "docs/reading-a-report.md",
        "docs/glossary.md",
    ]

    broken = [
        f"{page}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (ROOT / page).read_text(encoding="utf-8"))
        if "://" not in target and not (ROOT / page).parent.joinpath(target).exists()
    ]

    assert broken == []
