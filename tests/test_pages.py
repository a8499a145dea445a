"""What the pages show of the code is the code's, samples are what commands print, and links lead somewhere.

After a change that is meant, ``FANIN_ACCEPT_PAGES=1 pytest tests/test_pages.py`` (part of ``make docs``)
writes what the commands print today into the pages; the difference is what to review.
"""

import os
import re
import shlex
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.mutants.registry import MUTANTS
from fanin.simulator.pack import names
from tests.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
QUOTED = re.compile(r"<!-- from (?P<file>\S+) -->\n```\w+\n(?P<code>.*?)```", re.DOTALL)
# Of long output, a page may show some lines; the first is 1, and both ends are in.
PRINTED = re.compile(
    r"<!-- printed by: fanin (?P<arguments>[^,>]+?)(?:, lines (?P<first>\d+)-(?P<last>\d+))? -->\n"
    r"```text\n(?P<text>.*?)```",
    re.DOTALL,
)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#)(?P<target>[^)#\s]+)")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_there_are_quotations() -> None:
    """A pattern that finds nothing would prove nothing."""
    page = (ROOT / "docs" / "durable-fan-in.md").read_text(encoding="utf-8")

    assert len(QUOTED.findall(page)) == 3


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_quoted_code_is_in_its_file(page: Path) -> None:
    """A page that says where its code is from is changed together with it."""
    for quotation in QUOTED.finditer(page.read_text(encoding="utf-8")):
        source = (ROOT / quotation["file"]).read_text(encoding="utf-8")
        assert dedent(quotation["code"]) in dedent(source) or quotation["code"] in source


@cache
def printed(arguments: str) -> list[str]:
    """What a command prints on stdout, line by line."""
    return CliRunner().invoke(main, shlex.split(arguments)).stdout.splitlines(keepends=True)


def today(sample: re.Match[str]) -> str:
    """What a page should show in place of a sample."""
    lines = printed(sample["arguments"])
    if sample["first"] is not None:
        lines = lines[int(sample["first"]) - 1 : int(sample["last"])]
    whole, start, end = sample[0], sample.start("text") - sample.start(), sample.end("text") - sample.start()
    return f"{whole[:start]}{''.join(lines)}{whole[end:]}"


@pytest.mark.parametrize(
    "page", [it for it in PAGES if PRINTED.search(it.read_text(encoding="utf-8"))], ids=named
)
def test_a_sample_is_what_its_command_prints(page: Path) -> None:
    """To the last digit of the trace; `make docs` writes the samples anew."""
    text = page.read_text(encoding="utf-8")

    right = PRINTED.sub(today, text)

    if os.environ.get("FANIN_ACCEPT_PAGES"):
        page.write_text(right, encoding="utf-8")
    assert text == right


def test_there_are_samples() -> None:
    """The first page and the page about reports have some, and no report stands there without its command."""
    for name, samples in (("README.md", 1), ("docs/reading-a-report.md", 4)):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert len(PRINTED.findall(text)) == samples
        assert "trace=" not in PRINTED.sub("", text)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the project."""
    targets = [link["target"] for link in LINK.finditer(page.read_text(encoding="utf-8"))]

    assert [target for target in targets if not (page.parent / target).exists()] == []


# Commands in pages that name a bug or a scenario; a capital letter, a file or an option is no name.
NAMES_A_BUG = re.compile(r"(?:fanin bug|make bug name=)\s?(?P<name>[a-z][a-z0-9-]+)(?=[\s`)])")
NAMES_A_SCENARIO = re.compile(
    r"(?:fanin (?:run|show)|make scenario name=)\s?(?P<name>[a-z][a-z0-9-]+)(?=[\s`)])"
)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_bugs_and_scenarios_in_commands_exist(page: Path) -> None:
    """A reader types what a page says."""
    text = page.read_text(encoding="utf-8")

    bugs = {it["name"] for it in NAMES_A_BUG.finditer(text)}
    scenarios = {it["name"] for it in NAMES_A_SCENARIO.finditer(text)}

    assert bugs <= MUTANTS.keys()
    assert scenarios <= set(names())
