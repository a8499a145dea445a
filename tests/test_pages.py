"""What the pages show of the code is the code's, and what they point to is there."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from tests.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
QUOTED = re.compile(r"<!-- from (?P<file>\S+) -->\n```\w+\n(?P<code>.*?)```", re.DOTALL)
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


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the project."""
    targets = [link["target"] for link in LINK.finditer(page.read_text(encoding="utf-8"))]

    assert [target for target in targets if not (page.parent / target).exists()] == []
