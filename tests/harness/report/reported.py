"""Small runs to report on, hostile texts to put into them, and an eye for pages."""

from html.parser import HTMLParser

import msgspec

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.analysis import RunAnalysis, analyse
from fanin.harness.results import Skipped
from tests.harness.oracle.histories import EAST, WEST, history, notified, occurred, sent

# Whatever a judged aggregator, a payload or a scenario may hold.
HOSTILE = (
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "'--><svg/onload=alert(1)>",
    "</title></style></svg><iframe src=//evil.example>",
    "{{ 7 * 7 }} {% raw %} {# #}",
    "&lt;b&gt; &amp;amp; &#60;",
    "\x00\x1b[31m\x07\x7f\x9b\u2028\r\n",
    "\u202egnp.exe\u2066\u200f\ufeff",
    "x" * 3_000,
)

LACKING = Skipped("wrong-key", ("function-keys",))
VOID = {"meta", "link", "br", "img", "input", "hr"}


def good(name: str = "good", seed: int = 0) -> History:
    return named(history(sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01)), name, seed)


def bad(name: str = "bad", seed: int = 0) -> History:
    return named(history(sent(EAST, 0), sent(WEST, 5)), name, seed)


def moot(name: str = "moot", stated: str = "valid") -> History:
    played = history(sent(EAST, 0, error="lost", after=10_000), verdict=stated)
    return named(played, name, 0)


def named(played: History, name: str, seed: int) -> History:
    scenario = msgspec.structs.replace(played.run.scenario, scenario=name)
    run = msgspec.structs.replace(played.run, scenario=scenario, seed=seed, target="theirs <v2>")
    return History(run, played.entries)


def replay(played: History) -> str:
    return f"fanin run {played.run.scenario.scenario} --seed {played.run.seed}"


def analysed(played: History) -> RunAnalysis:
    """A run with the oracle's verdict."""
    return analyse(played, judge(played))


def many(count: int) -> History:
    """So many operations, one a second, each completed."""
    lines = []
    for number in range(count):
        op = f"push/{number + 1}"
        lines += [occurred(op, number), sent(EAST, number, op=op), sent(WEST, number + 2, op=op)]
        lines += [notified("completed", number + 2.01, op=op)]
    return history(*lines)


class Outline(HTMLParser):
    """A page as a browser's parser would see it, roughly: elements, their attributes, and their text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += [f"<{name}> is never closed" for name in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.wrong.append(f"<{tag}/> {attrs}")

    def handle_endtag(self, tag: str) -> None:
        opened = self._open.pop() if self._open else "nothing"
        if opened != tag:
            self.wrong.append(f"</{tag}> closes <{opened}>")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, name: str) -> list[dict[str, str]]:
        return [attributes for element, attributes in self.elements if element == name]

    def values(self, attribute: str) -> list[str]:
        return [known[attribute] for _, known in self.elements if attribute in known]
