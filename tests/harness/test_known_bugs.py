"""The sentences about bugs, and the page that they stand on."""

import re

from fanin.harness.known_bugs import KNOWN_BUGS
from tests.paths import ROOT


def test_the_sentences_are_those_of_the_page() -> None:
    """Every bug of docs/bugs.md, in its order, word by word."""
    page = (ROOT / "docs" / "bugs.md").read_text(encoding="utf-8")

    rows = re.findall(r"^\| (B\w+) \| (.*?) \| (.*?) \|", page, re.MULTILINE)

    assert rows == [(number, bug.symptom, bug.cause) for number, bug in KNOWN_BUGS.items()]
