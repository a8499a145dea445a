"""The page of a run: complete in itself, well made, and proof against whatever a judged aggregator writes."""

import html
import re
import unicodedata
from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from fanin.harness.history import (
    AttemptEnded,
    AttemptSent,
    End,
    History,
    NotificationReceived,
    SinkResponded,
    TargetState,
)
from fanin.harness.known_bugs import KNOWN_BUGS
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.html.run_page import render
from fanin.harness.report.player.bundle import content_policy
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.sink import SinkDown, SinkHangs
from fanin.simulator.faults.transport import Drop, Duplicate
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    crash,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    unsent,
)
from tests.harness.report.reported import HOSTILE, Outline

KNOWN = {
    "html", "head", "meta", "link", "title", "style", "body", "main", "header", "section", "nav", "article",
    "h1", "h2", "h3", "p", "span", "bdi", "a", "br", "ul", "ol", "li", "dl", "dt", "dd", "div", "pre", "code",
    "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "details", "summary",
    "script",
}  # fmt: skip


def page(played: History, verdict: Verdict | None = None) -> str:
    return render(played, verdict or judge(played), replay="fanin run by-hand --seed 0")


def recording_of(text: str) -> dict[str, Any]:
    """What the page's player plays."""
    found = re.search(r'<script type="application/json" id="recording">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    decoded: dict[str, Any] = msgspec.json.decode(found[1])
    return decoded


def completed() -> History:
    """Both regions in time, and notified."""
    return history(sent(EAST, 0), sent(WEST, 119), notified("completed", 119.006))


def told_twice() -> History:
    """A second outcome after a late copy."""
    return history(
        sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01), sent(WEST, 7, copy=1),
        notified("timed_out", 120.004, WEST), faults=(Duplicate(region=WEST, after=(2_000,)),),
    )  # fmt: skip


def stormy() -> History:
    """Every kind of sign at once: lost, refused, doubtful, dropped, crashes, state_intervals, strays."""
    return history(
        occurred("one", 0), sent(EAST, 0, op="one"), crash(1, 6), sent(WEST, 2, op="one", error="refused"),
        sent(NORTH, 7, op="one", error="lost", after=10_000), unsent(NORTH, 8, op="one"),
        fault_applied(8.5, 1),
        sent(WEST, 9, op="one", retry=1, error="reset"),
        sent(WEST, 12, op="one", invalid="no-id", status=400),
        sent(WEST, 14, op="one", status=503), sent(NORTH, 121, op="one"),
        notified("timed_out", 120.01, WEST, NORTH, op="one", error="hung", after=10_000),
        notified("timed_out", 140, WEST, NORTH, op="one"), occurred("two", 3), sent(EAST, 3, op="two"),
        regions=(EAST, WEST, NORTH),
        faults=(Crash(at=1_000), SinkDown(since=8_000, until=9_000), SinkHangs(since=110_000, until=130_000)),
    )  # fmt: skip


def thousand() -> History:
    """Many operations: nine in ten complete."""
    lines: list[Any] = []
    for number in range(1, 1001):
        op, at = f"push/{number}", number / 10
        lines += [occurred(op, at), sent(EAST, at, op=op)]
        if number % 10:
            lines += [sent(WEST, at + 1, op=op), notified("completed", at + 1.01, op=op)]
        else:
            lines += [unsent(WEST, at + 1, op=op), notified("timed_out", at + 120.01, WEST, op=op)]
    return history(*lines, faults=(Drop(region=WEST, chance=0.1),))


def empty() -> History:
    """A header and nothing else, as after a harness that died at once."""
    return History(completed().run, ())


RUNS = (completed, told_twice, stormy, thousand, empty)
every_run = pytest.mark.parametrize("build", RUNS, ids=lambda build: build.__name__)


@every_run
def test_a_page_is_well_formed(build: Any) -> None:
    """Every element is closed where it was opened, every id is unique, and every reference has its target."""
    outline = Outline(page(build()))

    ids = Counter(outline.values("id"))
    wanted = [link[1:] for link in outline.values("href") if link.startswith("#")]
    wanted += [one for attribute in ("aria-labelledby",) for one in outline.values(attribute)]
    assert outline.wrong == []
    assert [name for name, count in ids.items() if count > 1] == []
    assert [name for name in wanted if name not in ids] == []


@every_run
def test_a_page_needs_nothing_but_itself(build: Any) -> None:
    """One script, which it contains, no resource, no address outside: it works from a file, in ten years."""
    text = page(build())
    outline = Outline(text)

    links = [link for link in (*outline.values("href"), *outline.values("src")) if not link.startswith("#")]
    assert links == ["data:,"]
    kinds = [it["type"] for it in outline.all("script")]
    assert kinds == ["application/json", "text/plain", "module"]
    assert not re.search(r"@import|url\((?!#)|javascript:|https?://(?!www[.]w3[.]org/2000/svg)", text)
    policies = [it["content"] for it in outline.all("meta") if "http-equiv" in it]
    assert policies == [content_policy(live=False)]


@every_run
def test_a_page_can_be_heard(build: Any) -> None:
    """Headings without gaps, tables with captions and headers."""
    outline = Outline(page(build()))

    levels = [int(name[1]) for name, _ in outline.elements if name in ("h1", "h2", "h3")]
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert len(outline.all("caption")) == len(outline.all("table")) >= 1
    assert all("scope" in known for known in outline.all("th"))
    scrolling = [it for it in outline.all("div") if "scroll" in it.get("class", "")]
    assert all(it["tabindex"] == "0" and it["aria-label"] for it in scrolling)


def hostile_history(text: str) -> History:
    """The same text wherever foreign text can stand, also where it cannot by the scenario's rules."""
    played = history(
        occurred("op1", 0, action=text, tag=text, repository=text, digest=text, ids={EAST: text, WEST: text}),
        sent(EAST, 0), sent(WEST, 1, url_region=text), sent(WEST, 2, invalid=text, status=400),
        notified("completed", 5, key=text, id=text),
        notified(text, 6, key=text, repository=text, missing=[text]),
        verdict="valid",
    )  # fmt: skip
    run = msgspec.structs.replace(
        played.run,
        target=text,
        version=text,
        scenario=msgspec.structs.replace(
            played.run.scenario, title=text, description=text, regions=(EAST, WEST, text), registry=text
        ),
    )
    extra = (
        TargetState(7_000, "down", "failed", error=text),
        AttemptSent(8_000, 900, "op1", text, id=text, url_region=text),
        AttemptEnded(8_001, 900, 202, retry_after=text),
        NotificationReceived(9_000, 900, text, {"outcome": {text: [text]}, text: text}),
        SinkResponded(9_001, 900, 200),
    )
    end = [entry for entry in played.entries if isinstance(entry, End)]
    others = [entry for entry in played.entries if not isinstance(entry, End)]
    return History(run, (*others, *extra, *end))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_of_others_becomes_markup(text: str) -> None:
    """Payloads, keys, errors and names are text, whatever they look like."""
    played = hostile_history(text)
    finding = Finding(Rule.OUTCOME, text, "op1", (0, 1, 2), (text, text), (text,))
    accused = Verdict(Validity.INVALID, (finding,), (text,), judge(played).judgements)

    outline = Outline(render(played, accused, replay=text))

    handlers = [name for _, known in outline.elements for name in known if name.startswith("on")]
    assert {name for name, _ in outline.elements} <= KNOWN
    assert handlers == []
    assert outline.wrong == []


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_character_steers_the_reader(text: str) -> None:
    """No control characters, no markers that turn text round, nothing that UTF-8 cannot say."""
    steering = {
        character
        for character in render(hostile_history(text), judge(hostile_history(text)), replay=text)
        if unicodedata.category(character) in ("Cc", "Cf", "Cs") and character != "\n"
    }

    assert steering == set()


def test_what_was_written_stands_there_as_text() -> None:
    """Escaped once, not twice, and not left out."""
    outline = Outline(page(hostile_history("<b>&amp;</b>")))

    assert "<b>&amp;</b>" in outline.texts


def test_findings_come_first_and_point_into_the_events() -> None:
    """The page of an invalid run begins with what broke, and one click shows where."""
    played = told_twice()
    verdict = judge(played)
    text = page(played)

    rows = re.findall(r'<tr id="(event-\d+)" class="deciding">', text)
    links = re.findall(r'<a href="#(event-\d+)">', text)
    assert verdict.validity is Validity.INVALID
    assert text.index(str(verdict.findings[0].rule)) < text.index("<table")
    assert links
    assert set(links) <= set(rows)


def test_a_finding_says_what_is_usually_behind_it() -> None:
    """The sentence, in the words and in the player; a number alone would have to be looked up."""
    played = told_twice()
    number = judge(played).findings[0].looks_like[0]
    text = page(played)

    sentence = f"{number}: {KNOWN_BUGS[number].cause}"
    assert f"Looks like {sentence} (docs/bugs.md)." in html.unescape(text)
    assert recording_of(text)["verdict"]["findings"][0]["looks_like"][0] == sentence


def test_the_player_plays_what_the_words_say() -> None:
    """The same findings, at events; the same events; the scenario and the command."""
    recording = recording_of(page(told_twice()))

    assert recording["verdict"]["validity"] == "invalid"
    assert (
        recording["events"][recording["verdict"]["findings"][0]["evidence"][-1]["event"]]["kind"]
        == "notification"
    )
    assert recording["yaml"].startswith("scenario:")
    assert recording["run"]["replay"] == "fanin run by-hand --seed 0"


def test_a_valid_run_says_why_it_is_right() -> None:
    """A verdict without a reason teaches nothing."""
    outline = Outline(page(completed()))

    assert "Why it is right" in outline.texts
    assert any(text.startswith("all 2 of 2 arrived before") for text in outline.texts)


def test_an_unknown_run_says_what_is_in_doubt() -> None:
    """Unknown is not valid, and the page says why."""
    played = history(sent(EAST, 0, error="lost", after=10_000), verdict="unknown")
    verdict = judge(played)
    outline = Outline(page(played))

    assert verdict.validity is Validity.UNKNOWN
    assert set(verdict.doubts) <= set(outline.texts)
    assert any("as stated" in text for text in outline.texts)


def test_the_replay_command_stands_there_to_be_copied() -> None:
    """The last thing on the page is how to see it again."""
    outline = Outline(page(told_twice()))

    assert outline.texts.index("Play it again") < outline.texts.index("fanin run by-hand --seed 0")


def test_the_same_run_is_the_same_page() -> None:
    """A report can be compared with another, and cached."""
    assert page(stormy()) == page(stormy())


def test_a_long_run_stays_small_and_useful() -> None:
    """A thousand operations: counts, one example of each kind, and the one with a finding."""
    played = thousand()
    verdict = judge(played)
    broken = Finding(
        Rule.CONTENT, "push/777 was reported wrongly", "push/777", (played.entries.index(_of(played)),)
    )
    accused = msgspec.structs.replace(verdict, validity=Validity.INVALID, findings=(broken,))

    text = page(played, accused)
    outline = Outline(text)

    assert len(text.encode()) < 400_000
    played_ops = {it["name"] for it in recording_of(text)["operations"]}
    assert {"push/1", "push/10", "push/777"} <= played_ops
    assert len(played_ops) < 5
    assert any(re.search("the others, 898.completed, 99.timed_out", text) for text in outline.texts)


def _of(played: History) -> Any:
    return next(it for it in played.entries if isinstance(it, NotificationReceived) and it.op == "push/777")


def test_a_history_without_its_end_is_still_shown() -> None:
    """A run that was cut off is one that needs looking at."""
    played = stormy()
    cut = History(played.run, [entry for entry in played.entries if not isinstance(entry, End)])

    assert Outline(page(cut)).wrong == []
