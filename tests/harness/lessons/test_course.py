"""Each chapter of the guide is what its page says: short, right about the past, wrong in one new way."""

import ast

import pytest

from fanin.harness.capabilities import missing_capabilities
from fanin.harness.lessons.course import CAPABILITIES, LESSONS, Lesson, difference, earlier
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity, Verdict
from fanin.harness.world.play import play_foreign_app
from fanin.simulator.language.load import load
from fanin.simulator.pack import find, names
from tests.paths import DOCS

FAILING = [it for it in LESSONS if it.fails]


def title(it: Lesson) -> str:
    return f"chapter-{it.number}"


def played(it: Lesson, name: str) -> Verdict:
    return judge(play_foreign_app(load(find(name)), it.build, name=title(it)))


def code_lines(source: str) -> int:
    """Lines that are neither empty nor the module's docstring."""
    docstring = ast.parse(source).body[0]
    assert docstring.end_lineno is not None
    return sum(1 for row in source.splitlines()[docstring.end_lineno :] if row.strip())


@pytest.mark.parametrize("it", LESSONS, ids=title)
def test_a_chapter_survives_what_earlier_ones_failed(it: Lesson) -> None:
    """What was learnt is not forgotten."""
    assert [name for name in earlier(it) if played(it, name).validity is not Validity.VALID] == []


@pytest.mark.parametrize("it", FAILING, ids=title)
def test_a_chapter_fails_its_scenario_and_the_next_survives_it(it: Lesson) -> None:
    """The difference between the two is what the reader learns."""
    assert it.fails
    verdicts = [played(chapter, it.fails).validity for chapter in (it, LESSONS[it.number])]

    assert verdicts == [Validity.INVALID, Validity.VALID]
    assert it.fails not in earlier(it)
    assert any(row.startswith("+") for row in difference(it))


@pytest.mark.parametrize("name", names())
def test_the_last_chapter_is_right_on_the_whole_pack(name: str) -> None:
    """It needs nothing that goes beyond the contract, so scenarios that do are not asked of it."""
    scenario = load(find(name))
    if missing_capabilities(scenario, CAPABILITIES):
        assert scenario.verdict == "valid"
        return

    assert played(LESSONS[-1], name).validity == scenario.verdict


@pytest.mark.parametrize("it", LESSONS, ids=title)
def test_a_chapter_fits_a_page(it: Lesson) -> None:
    """Thirty lines to a page of sixty-four: short enough to be read in one go."""
    assert 30 <= code_lines(it.source) <= 64


@pytest.mark.parametrize("it", LESSONS, ids=title)
def test_a_chapter_has_a_page(it: Lesson) -> None:
    """Under its number and title."""
    page = DOCS / "guide" / f"{it.number}-{it.title.lower().replace(' ', '-')}.md"

    assert page.read_text(encoding="utf-8").startswith(f"# {it.number}. {it.title}\n")
