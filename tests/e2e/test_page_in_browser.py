"""The pages in a real browser: what is on them, that nothing sticks out, and that they ask for nothing.

Needs Chromium: ``apt-get install chromium``, ``brew install --cask chromium`` or the like.
"""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.report import folder
from fanin.harness.results import Card, Judged
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.e2e.browser import browser
from tests.e2e.browser import find as find_browser
from tests.harness.report.reported import HOSTILE, LACKING, bad, good, moot, named
from tests.harness.toy_aggregator import toy
from tests.heavy import needs

BINARY = find_browser()
pytestmark = needs("Chromium", there=BINARY is not None, get="apt-get install chromium")

PLAYED = ("crash-at-notify", "duplicate-after-done", "photo-finish", "sink-down", "storm")
DESKTOP, PHONE = 1200, 390

# Elements outside every box that scrolls by itself, and still wider than the window; what a table is about
# must be seen before anything is scrolled.
STICKING_OUT = """
(() => [...document.querySelectorAll('body *')]
  .filter(it => it.matches('caption > *') || !it.closest('.scroll, pre, svg, .visually-hidden'))
  .filter(it => it.getBoundingClientRect().right > innerWidth + 1)
  .map(it => it.tagName + ' ' + it.textContent.slice(0, 60)))()
"""
# Pairs of labels of one picture that cover each other, and labels that the picture cuts off.
COLLISIONS = """
(() => { const found = []; for (const svg of document.querySelectorAll('svg.timeline, svg.scene')) {
  const texts = [...svg.querySelectorAll('text')].filter(it => it.getBBox().width > 0)
    .map(it => [it.textContent, it.getBoundingClientRect()]);
  texts.forEach(([one, a], nth) => texts.slice(nth + 1).forEach(([other, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 4) found.push(one + ' | ' + other); }));
  const box = svg.getBoundingClientRect();
  for (const [text, rect] of texts)
    if (rect.right > box.right + 1 || rect.left < box.left - 1) found.push('cut: ' + text);
} return found; })()
"""


SHOWN = """
[...document.querySelectorAll('svg text')].filter(it => it.getBBox().width > 0).map(it => it.textContent)
"""
TO_THE_END = "document.getElementById('to-end')?.click()"
CLICKED = """
[...document.querySelectorAll('.evidence button')].at(-1).click();
document.querySelector('.caption').textContent
"""
# All that a page says: its text, and what pictures say to those who point at a sign or cannot see it.
SAID = """
[document.title, document.body.innerText,
 ...[...document.querySelectorAll('svg title')].map(it => it.textContent),
 ...[...document.querySelectorAll('[aria-label]')].map(it => it.ariaLabel)].join('\\n')
"""
WIDE_TABLES = """
[...document.querySelectorAll('.scroll')].filter(it => it.scrollWidth > it.clientWidth).length
"""
COLOURS = """
['ink', 'quiet', 'good', 'odd', 'fault', 'bad', 'brand', 'paper', 'raised', 'sunken'].map(name => {
  const it = document.createElement('i'); it.style.color = `var(--${name})`; document.body.append(it);
  return [name, getComputedStyle(it).color.match(/[0-9]+/g).slice(0, 3).map(Number)]; })
"""


@dataclass
class Sights:
    """What a browser saw on the pages of a report, each by its file's name."""

    urls: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    collisions: dict[str, list[str]] = field(default_factory=dict)
    sticking_out: dict[tuple[str, int], list[str]] = field(default_factory=dict)  # by name and width
    widths: dict[tuple[str, int], int] = field(default_factory=dict)  # of the content, by name and width
    wide_tables: int = 0  # of the card, on a phone
    said: dict[str, str] = field(default_factory=dict)  # by name; not of pages with hostile text
    shown: list[str] = field(default_factory=list)  # texts in the pictures of the accused run, in the end
    words: str = ""  # of the same, where scripts do not run
    clicked: str = ""
    colours: dict[bool, dict[str, list[int]]] = field(default_factory=dict)  # by darkness


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of several kinds of run: right, wrong, long, and with hostile text in it."""
    directory = tmp_path_factory.mktemp("report")
    histories = [play(load(find(name))) for name in PLAYED]
    histories.append(play(load(find("resurrection")), factory=toy("forgets")))
    histories += [named(good(), text[:200], seed) for seed, text in enumerate(HOSTILE)]
    runs = [Judged(history, judge(history)) for history in (*histories, bad())]
    folder.write(
        directory, Card("", runs), replay=lambda history: f"fanin run {history.run.scenario.scenario}"
    )
    return directory


@pytest.fixture(scope="module")
def innocent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report without any text that is odd on purpose: whatever is odd in it is ours."""
    directory = tmp_path_factory.mktemp("innocent")
    histories = [*(play(load(find(name))) for name in PLAYED), good(), bad(), moot()]
    runs = [Judged(history, judge(history)) for history in histories]
    folder.write(directory, Card("mine", [*runs, LACKING]), replay=lambda _: "fanin run it")
    return directory


@pytest.fixture(scope="module")
def sights(report: Path, innocent: Path) -> Sights:
    """One browser visits everything once."""
    assert BINARY is not None, "there is no Chromium; apt-get install chromium"
    return asyncio.run(visit(BINARY, report, innocent))


async def visit(binary: str, report: Path, innocent: Path) -> Sights:
    sights = Sights()
    accused = report / "runs" / "resurrection.seed-0.html"
    async with browser(binary) as tab:
        for page in (innocent / "index.html", *sorted((innocent / "runs").iterdir())):
            await tab.open(page.as_uri())
            sights.said[page.name] = await tab.evaluate(SAID)
        tab.requests.clear()
        for page in (report / "index.html", *sorted((report / "runs").iterdir())):
            sights.urls.add(page.as_uri())
            for width in (PHONE, DESKTOP):
                await tab.open(page.as_uri(), width=width)
                sights.sticking_out[page.name, width] = await tab.evaluate(STICKING_OUT)
                sights.widths[page.name, width] = await tab.evaluate("document.documentElement.scrollWidth")
                await tab.evaluate(TO_THE_END)
                sights.collisions[page.name] = await tab.evaluate(COLLISIONS)
        await tab.open((report / "index.html").as_uri(), width=PHONE)
        sights.wide_tables = await tab.evaluate(WIDE_TABLES)
        for dark in (True, False):
            await tab.open(accused.as_uri(), dark=dark)
            sights.colours[dark] = dict(await tab.evaluate(COLOURS))
        await tab.evaluate(TO_THE_END)
        sights.shown = await tab.evaluate(SHOWN)
        sights.clicked = await tab.evaluate(CLICKED)
        await tab.ask("Emulation.setScriptExecutionDisabled", value=True)
        await tab.open(accused.as_uri())
        sights.words = await tab.evaluate("document.body.innerText")
    sights.requests, sights.complaints = tab.requests, tab.complaints
    return sights


def test_no_page_complains(sights: Sights) -> None:
    """No error and no warning in the console; not even from hostile text."""
    assert sights.complaints == []


def test_no_page_asks_for_anything_but_itself(sights: Sights) -> None:
    """No font, no picture, no icon, no network."""
    asked = [url for url in sights.requests if not url.startswith("data:")]

    assert set(asked) == sights.urls
    assert len(sights.urls) > len(PLAYED) + len(HOSTILE)


def test_every_page_says_what_it_was_meant_to_say(sights: Sights) -> None:
    """No sign of ours is taken for a harmful one, no value is missing, no template is left unfilled."""
    unwanted = re.compile(r"\N{REPLACEMENT CHARACTER}|\bNone\b|\{\{|\{%|%\}|undefined|<\w+ object|&\w+;")
    found = {name: unwanted.findall(text) for name, text in sights.said.items() if unwanted.search(text)}

    assert found == {}
    assert len(sights.said) == len(PLAYED) + 4
    assert all(len(text) > 500 for text in sights.said.values())
    assert "95\N{NO-BREAK SPACE}completed" in sights.said["index.html"]


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_nothing_sticks_out_of_the_window(sights: Sights, width: int) -> None:
    """What is wide scrolls in its own box; the page itself never scrolls sideways."""
    sticking_out = {
        name: found for (name, its), found in sights.sticking_out.items() if its == width and found
    }
    wider = {name: wide for (name, its), wide in sights.widths.items() if its == width and wide > width}

    assert (sticking_out, wider) == ({}, {})


def test_the_tables_of_a_card_fit_a_phone(sights: Sights) -> None:
    """A row is a block there; what went wrong would be beyond the edge otherwise."""
    assert sights.wide_tables == 0


def test_no_label_covers_another(sights: Sights) -> None:
    """Every label of every picture can be read, in the font that this machine has."""
    assert {name: found for name, found in sights.collisions.items() if found} == {}


def test_the_picture_shows_the_runs_lanes_and_outcome(sights: Sights) -> None:
    """What a reader looks for is rendered, and visible: lanes, the set, the outcome, what the sink got."""
    assert {"northeurope", "westeurope", "eastus", "aggregator", "sink"} <= set(sights.shown)
    assert {"timed_out", "outbox"} <= set(sights.shown)
    assert sights.shown.count("timed_out") >= 2


def test_a_link_of_a_finding_leads_to_its_event(sights: Sights) -> None:
    """Clicking on the evidence shows its event on the stage."""
    assert "timed_out" in sights.clicked


def test_a_page_can_be_read_where_scripts_do_not_run(sights: Sights) -> None:
    """Verdict, finding, evidence, events, scenario and command, in words."""
    for expected in (
        "INVALID",
        "4-outcome",
        "What decides it",
        "timed_out",
        "scenario: resurrection",
        "fanin run",
    ):
        assert expected in sights.words
    assert "Play it again" in sights.words


def luminance(colour: list[int]) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [channel / 255 for channel in colour]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[int], other: list[int]) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_can_be_read(sights: Sights, scheme: str) -> None:
    """At least 4.5 to 1 against the paper, by day and by night (WCAG 2.2, 1.4.3)."""
    colours = sights.colours[scheme == "dark"]
    papers = [colours[name] for name in ("paper", "raised", "sunken")]

    weak = {
        name: round(least, 2)
        for name, colour in colours.items()
        if name not in ("paper", "raised", "sunken")
        and (least := min(contrast(colour, it) for it in papers)) < 4.5
    }

    assert weak == {}
    assert (luminance(papers[0]) < 0.1) is (scheme == "dark")
