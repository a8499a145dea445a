"""Rows as lanes: one column per region, then the aggregator, the timer and the sink, against the clock.

    clock     eastus          westus          aggregator      timer           sink
     +0.0s    ● sent → 202    │               ● 1 of 2        ● armed: …      │

A lane is a lifeline: ``│`` as a rule, ``┊`` while a timer runs, ``✗`` while the aggregator is down.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fanin.harness.report.line import WIDTH, Line, Tone, line, wrap
from fanin.harness.report.record_text import ABBREVIATIONS
from fanin.harness.report.timeline.event import (
    AGGREGATOR,
    LANE_NAMES,
    REGISTRY,
    SINK,
    TIMER,
    Event,
    EventKind,
)
from fanin.harness.report.timeline.selection import TimelineRow
from fanin.simulator.instants import clock_column

REGIONS_MAX = 8
_WIDE = 13  # a region's lane that holds ``sent → 202``
_LANE_MAX = 16
_REST_WIDE, _REST_MAX = 42, 52  # what aggregator, timer and sink need together, and what they can use
_NARROW_MIN, _NARROW_MAX = 6, 9  # a region's lane that holds ``202`` and other words of four letters
_REST_NARROW = 40
_WORDS_MIN = 12  # a lane that holds ``deadline:``


class ClockColumn:
    """The column of instants: their decimal points stand below each other."""

    def __init__(self, instants: Iterable[int]) -> None:
        columns = [clock_column(at) for at in instants] or [("+0", ".0s")]
        self._whole = max(len(before) for before, _ in columns)
        self._fraction = max(len(after) for _, after in columns)
        self.width = self._whole + self._fraction + 2
        self.empty = " " * self.width

    def text(self, at: int) -> str:
        """An instant as wide as the column, with the space after it."""
        before, after = clock_column(at)
        return f"{before:>{self._whole}}{after:<{self._fraction}}  "


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands. A lane's width includes its glyph and a space after its text."""

    clock: ClockColumn
    lanes: tuple[tuple[str, int], ...]  # names and widths
    narrow: bool  # regions show the brief form, close behind the glyph
    width: int  # of the whole


def lay_out(regions: Sequence[str], instants: Iterable[int], width: int = WIDTH) -> Layout:
    """Share the width among the lanes: the more regions, the narrower they are."""
    clock = ClockColumn(instants)
    room = width - clock.width
    count = max(len(regions), 1)
    narrow = room - _WIDE * count < _REST_WIDE
    region = max(_WIDE, min(_LANE_MAX, (room - _REST_MAX) // count))
    if narrow:
        region = max(_NARROW_MIN, min(_NARROW_MAX, (room - _REST_NARROW) // count))
    rest = room - region * len(regions)
    aggregator, timer = max(_WORDS_MIN, rest * 29 // 100), max(_WORDS_MIN, rest * 31 // 100)
    lanes = [(name, region) for name in regions]
    lanes += [(AGGREGATOR, aggregator), (TIMER, timer), (SINK, rest - aggregator - timer)]
    return Layout(clock, tuple(lanes), narrow, width)


def fits(layout: Layout, rows: Sequence[TimelineRow]) -> bool:
    """Whether every event has a lane, and every word of a brief form has room; else a list reads better."""
    room = dict(layout.lanes)
    if room[SINK] < _WORDS_MIN:
        return False
    shown = [event for row in rows for event in row.events if event.lane != REGISTRY]
    if any(event.lane not in room for event in shown):
        return False
    words = [(event.lane, word) for event in shown for word in event.brief.split()]
    return not layout.narrow or all(len(word) <= room[lane] - 2 for lane, word in words)


def header(layout: Layout, rows: Sequence[TimelineRow]) -> Iterator[Line]:
    """The lanes' names, then what the shortened names and words stand for."""
    titles, legend = [], []
    names = [name for name, _ in layout.lanes]
    for name, width in layout.lanes:
        title = LANE_NAMES.get(name) or _title(name, width - 1, [other for other in names if other != name])
        titles.append(title.ljust(width))
        if title not in (name, LANE_NAMES.get(name)):
            legend.append(f"{title} = {name}")
    yield line(layout.clock.empty + "".join(titles).rstrip(), Tone.STRONG)
    room = dict(layout.lanes)
    shown = [event for row in rows for event in row.events if event.lane in room]
    used = {word for it in shown if _is_brief(layout, it, room[it.lane]) for word in it.brief.split()}
    legend += [f"{word} = {meaning}" for word, meaning in ABBREVIATIONS.items() if word in used]
    if legend:
        yield from (
            line(text, Tone.QUIET)
            for text in wrap(", ".join(legend), layout.width, indent="  ", hanging="  ")
        )


def _title(name: str, width: int, others: Sequence[str]) -> str:
    """The name, or its beginning, or where others begin like this, its beginning and its end."""
    if len(name) <= width or not any(other[:width] == name[:width] for other in others):
        return name[:width]
    tail = width // 2
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"


def lines(layout: Layout, rows: Sequence[TimelineRow]) -> Iterator[Line]:
    """The rows, each as one or more lines."""
    lifelines = _Lifelines()
    for row in rows:
        if row.folded:
            yield line(layout.clock.empty + row.folded, Tone.QUIET)
            continue
        instant = layout.clock.text(row.at)
        for event in row.events:
            if event.lane == REGISTRY:
                for text in wrap(event.text, layout.width - layout.clock.width, indent="◆ ", hanging="  "):
                    yield ((instant, Tone.PLAIN), (text, event.tone))
                    instant = layout.clock.empty
        for event in row.events:
            lifelines.see(event)
        if any(event.lane != REGISTRY for event in row.events):
            yield from _cells(layout, row, instant, lifelines)


class _Lifelines:
    """The glyph of a lane in which nothing happens."""

    def __init__(self) -> None:
        self.up = True
        self.armed: set[str] = set()

    def see(self, event: Event) -> None:
        name = event.operation.name if event.operation else ""
        match event.kind:
            case EventKind.DOWN:
                self.up = False
            case EventKind.UP:
                self.up = True
            case EventKind.ARMED:
                self.armed.add(name)
            case EventKind.CANCELLED | EventKind.FIRES:
                self.armed.discard(name)
            case _:
                pass

    def glyph(self, lane: str) -> str:
        if lane == AGGREGATOR and not self.up:
            return "✗"
        if lane == TIMER:
            return "┊" if self.armed else " "
        return "│"


def _cells(layout: Layout, row: TimelineRow, instant: str, lifelines: _Lifelines) -> Iterator[Line]:
    """All cells of one instant, side by side; a cell that needs more room continues below."""
    stacks = [_stack(layout, row, lane, width) for lane, width in layout.lanes]
    for level in range(max(len(stack) for stack in stacks)):
        spans = [(instant if level == 0 else layout.clock.empty, Tone.PLAIN)]
        for (lane, width), stack in zip(layout.lanes, stacks, strict=True):
            glyph, text, tone = stack[level] if level < len(stack) else ("", "", Tone.PLAIN)
            gap = "" if layout.narrow and lane not in LANE_NAMES else " "
            spans += [
                (f"{glyph or lifelines.glyph(lane)}{gap}", tone if glyph else Tone.QUIET),
                (text.ljust(width - 1 - len(gap)), tone),
            ]
        yield tuple(spans)


def _stack(layout: Layout, row: TimelineRow, lane: str, width: int) -> list[tuple[str, str, Tone]]:
    """One lane's cell as (glyph, text, tone) per line; a glyph where something begins."""
    stack = []
    room = _room(layout, lane, width)
    for event in _last_count([event for event in row.events if event.lane == lane]):
        text = event.brief if _is_brief(layout, event, width) else event.short or event.text
        glyph = "✗" if event.kind is EventKind.DOWN else "●"
        for position, part in enumerate(wrap(text, room)):
            stack.append(("" if position else glyph, part, event.tone))
    return stack


def _room(layout: Layout, lane: str, width: int) -> int:
    """Columns for the text of a cell: without its glyph, the space behind that, and the one at its end."""
    return width - (2 if layout.narrow and lane not in LANE_NAMES else 3)


def _is_brief(layout: Layout, event: Event, width: int) -> bool:
    """Whether an event is shown in its brief form: in narrow lanes, and where only that breaks no word."""
    if layout.narrow and event.lane not in LANE_NAMES:
        return bool(event.brief)
    room, text = _room(layout, event.lane, width), event.short or event.text
    return bool(event.brief) and _longest(text) > room >= _longest(event.brief)


def _longest(text: str) -> int:
    """The length of its longest word."""
    return max(map(len, text.split()), default=0)


def _last_count(events: list[Event]) -> list[Event]:
    """The events of one instant without the counts that a later one of the same operation replaces."""
    counts = [event for event in events if event.kind is EventKind.COUNT]
    last = {event.operation.name: event for event in counts if event.operation}
    return [event for event in events if event not in counts or event in last.values()]
