"""What README and docs show is what the commands print."""

import re

from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.simulator.language.load import loads
from tests.paths import ROOT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of one kind, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [content for found, content in _BLOCK.findall(text) if found == kind]


def test_the_first_screen_of_the_readme_shows_a_run_that_goes_wrong() -> None:
    """`make bug` is `fanin bug`; what that prints is checked in tests/test_pages.py."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    bug, start, *_ = blocks("README.md", "sh")

    assert bug == "make bug name=timer-never-cancelled\n"
    assert "<!-- printed by: fanin bug timer-never-cancelled, lines " in readme
    assert "INVALID" in blocks("README.md", "text")[0]
    assert [line.split("#")[0].split() for line in start.splitlines()] == [
        ["make", "scenario", "name=slow-region"],
        ["make", "demo"],
        ["make", "test"],
    ]


def test_the_page_about_exploring_shows_a_real_run() -> None:
    """Its application is called what most people's are."""
    application = [
        "--app",
        "unmodified:create_app",
        "--app-dir",
        str(ROOT / "tests/harness/world/foreign_apps"),
    ]
    asked = ["--lacks", "process", "--seed", "12", "--runs", "1"]
    said = CliRunner().invoke(main, ["explore", *application, *asked]).stdout

    theirs = said.replace(" ".join(application), "--app myapp.main:create_app --app-dir src")
    assert blocks("docs/exploring.md", "text") == [theirs]


def test_the_scenario_in_the_readme_can_be_loaded() -> None:
    """A reader who copies it gets a scenario, not an error."""
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
