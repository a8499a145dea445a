"""A diagram as SVG: lanes from top to bottom, time from left to right.

Rules of this file: colour alone never carries a meaning; every marker has a ``title``; a label has its room
or is not drawn. The picture is an image to assistive technology, described in a sentence: the table of events
says the same in words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from fanin.harness.report.html import glyphs
from fanin.harness.report.html.axis import Extent, breaks, place, staggered, text_width
from fanin.harness.report.html.diagram import (
    Block,
    Diagram,
    Interval,
    IntervalKind,
    Marker,
    Transmission,
    lane_name,
)
from fanin.harness.report.html.glyphs import Glyph
from fanin.harness.report.html.markup import tag
from fanin.harness.report.line import shorten
from fanin.harness.report.timeline.events import AGGREGATOR, SINK, TIMER
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock

WIDTH = 1040  # what a page has room for, on a screen and on paper in landscape
_NAME_MAX = 22  # characters of a lane's name
_TRACK = 19  # pixels from one track of a lane to the next
_LANE_AIR = 9
_HEADING = 24
_TICK_ROWS, _TICK_ROW = 3, 13
_AXIS = _TICK_ROWS * _TICK_ROW + 22
_TRACKS_MAX = 6
_GLYPH = 7.0  # half the width of a sign
_MARGIN = 10.0
# Lanes on which something runs: labels stand above it.
_RUNNING, _LIFT = (AGGREGATOR, TIMER), 6


@dataclass(frozen=True, slots=True)
class _Placed:
    """A marker and its track."""

    block: int
    track: int
    marker: Marker


@dataclass(frozen=True, slots=True)
class _Lane:
    top: float
    height: float
    lift: float  # room for labels above what runs on the first track

    def y(self, track: int = 0) -> float:
        """The middle of one of its tracks."""
        return self.top + self.lift + _LANE_AIR / 2 + _TRACK * (track + 0.5)

    @property
    def bottom(self) -> float:
        return self.top + self.height


def draw(diagram: Diagram, *, name: str, about: str) -> Markup:
    """One picture.

    Args:
        diagram: What to show.
        name: Unique on the page; ids are made of it.
        about: The picture in a sentence.
    """
    return _Drawing(diagram, name).svg(about)


class _Drawing:
    def __init__(self, diagram: Diagram, name: str) -> None:
        self._diagram, self._name = diagram, name
        self._placed, self._dropped = _tracks(diagram)
        labels = [shorten(it, _NAME_MAX) for block in diagram.blocks for it in map(lane_name, block.lanes)]
        self._left = max(map(text_width, labels), default=0) + 2 * _MARGIN
        extents = [
            Extent(
                (it.block, it.marker.lane, it.track),
                it.marker.begins,
                self._ends(it.marker),
                _room(it.marker),
            )
            for it in self._placed
        ]
        columns = diagram.instants | diagram.minor | {at for at, _ in diagram.folded} | {diagram.end}
        self._axis = place(
            columns, extents, left=self._left + _MARGIN, width=WIDTH - self._left - 2 * _MARGIN
        )
        self._lanes = self._lay_out()
        self._bottom = max((lane.bottom for lane in self._lanes.values()), default=_AXIS) + _MARGIN
        self._bottom += _TICK_ROW if self._dropped else 0
        self._right = max(
            [self._axis.places[-1], *(self._axis.x(extent.ends) + extent.width for extent in extents)]
        )

    def _ends(self, marker: Marker) -> int:
        """When a marker ends, if that instant has a column; else when it begins."""
        known = self._diagram.instants | self._diagram.minor
        return marker.ends if marker.ends in known else marker.begins

    def _lay_out(self) -> dict[tuple[int, str], _Lane]:
        lanes: dict[tuple[int, str], _Lane] = {}
        y = float(_AXIS)
        for number, block in enumerate(self._diagram.blocks):
            y += _HEADING if block.heading else 0
            for name in block.lanes:
                used = [it.track for it in self._placed if (it.block, it.marker.lane) == (number, name)]
                lift = _LIFT if name in _RUNNING else 0
                height = lift + _LANE_AIR + _TRACK * (max(used, default=0) + 1)
                lanes[number, name] = _Lane(y, height, lift)
                y += height
        return lanes

    def svg(self, about: str) -> Markup:
        """Two elements, the names of the lanes and the picture, so that the names stay when it scrolls."""
        height, right = round(self._bottom), round(max(self._right + _MARGIN, WIDTH / 2))
        left = round(self._left)
        size = {"height": height, "class_": "picture"}
        names = tag(
            "svg",
            *self._names(),
            viewBox=f"0 0 {left} {height}",
            width=left,
            aria_hidden="true",
            **size | {"class_": "picture names"},
        )
        return names + tag(
            "svg",
            tag("title", about),
            *self._content(),
            viewBox=f"{left} 0 {right - left} {height}",
            width=right - left,
            role="img",
            aria_label=about,
            **size,
        )

    def _content(self) -> Iterator[Markup]:
        """Everything right of the names, from back to front."""
        yield glyphs.hatch(self._name)
        blocks = list(enumerate(self._diagram.blocks))
        for number, block in blocks:
            yield from self._backdrop(number, block)
        yield from self._ticks()
        for number, block in blocks:
            yield from self._lines(number, block)
        for it in self._placed:
            yield from self._transmission(it)
        for it in self._placed:
            yield self._sign(it)
        if self._dropped:
            words = f"{self._dropped:,} more at the same instants have no room here"
            yield tag("text", words, x=self._left + 4, y=self._bottom - 4, class_="wait left")

    def _names(self) -> Iterator[Markup]:
        """Names of the blocks and of their lanes."""
        for number, block in enumerate(self._diagram.blocks):
            first = self._lanes[number, block.lanes[0]]
            if block.heading:
                heading = shorten(block.heading, 60)
                yield tag("text", heading, x=_MARGIN, y=first.top - 6, class_="heading")
            for lane in block.lanes:
                y, name = self._lanes[number, lane].y() + 4, lane_name(lane)
                short = shorten(name, _NAME_MAX)
                title = [tag("title", name)] if short != name else []
                yield tag("text", *title, short, x=self._left - 4, y=y, class_="name")

    def _ticks(self) -> Iterator[Markup]:
        """Instants above the axis, long waits and what is left out below it."""
        axis, y, bottom = self._axis, _TICK_ROWS * _TICK_ROW + 4, self._bottom - _MARGIN / 2
        end = self._diagram.end
        labels, stands = [], {}
        for at in sorted(self._diagram.instants):
            x, text = axis.x(at), clock(at) if at != end else f"end {clock(at)}"
            # A label without room to the right of its instant ends there instead.
            beyond = at == end or x + text_width(text) > self._right + _MARGIN
            labels.append((x - text_width(text) + 2 if beyond else x, text))
            stands[text] = x
            if at != end:
                yield _line(x, y, x, bottom, "grid")
                yield _line(x, y - 3, x, y, "tick")
        yield _line(self._left, y, axis.places[-1] + _MARGIN, y, "axis")
        for x, text, row in staggered(labels, _TICK_ROWS):
            base = y - 4 - row * _TICK_ROW
            if row:
                yield _line(stands[text], base + 2, stands[text], y, "tick")
            yield tag("text", text, x=x - 1, y=base, class_="clock")
        yield tag("g", tag("title", "the watch ends"), _line(axis.x(end), y - 5, axis.x(end), bottom, "end"))
        yield from self._waits(y)

    def _waits(self, y: float) -> Iterator[Markup]:
        folded = dict(self._diagram.folded)
        following = dict(pairwise(self._axis.instants))
        labels = {at: (following.get(at, at), f"+{_count(text)}", text) for at, text in folded.items()}
        for begin, end in breaks(self._diagram.instants):
            if not any(begin <= at < end for at in folded):
                text = format_duration(end - begin)
                labels[begin] = (end, text, f"{text} without anything")
        for begin, (end, short, title) in sorted(labels.items()):
            start, stop = self._axis.x(begin), self._axis.x(end)
            middle = (start + stop) / 2
            kind = "fold" if begin in folded else "break"
            zigzag = f"M{middle - 6:.1f} {y}l3 -5l3 10l3 -10l3 5"
            sign = [tag("path", d=zigzag, class_="zigzag")] if kind == "break" else []
            room = [tag("text", short, x=middle, y=y + 15, class_="wait")]
            fits = text_width(short) <= stop - start
            yield tag("g", tag("title", title), *sign, *(room if fits else []), class_=kind)

    def _backdrop(self, number: int, block: Block) -> Iterator[Markup]:
        """The intervals that lie behind everything else."""
        top = self._lanes[number, block.lanes[0]].top
        bottom = self._lanes[number, block.lanes[-1]].bottom
        for interval in block.intervals:
            x, wide = self._span(interval)
            title = tag("title", interval.title)
            if interval.kind is IntervalKind.DOWN and wide:
                lane = self._lanes[number, AGGREGATOR]
                yield tag("rect", title, x=x, y=top, width=wide, height=bottom - top, class_="shade")
                place = {"x": x, "y": lane.y() - 5.5, "width": wide, "height": 11}
                yield tag("rect", title, **place, class_="down", fill=glyphs.hatched(self._name))
            elif interval.kind is IntervalKind.SINK_FAULT:
                lane = self._lanes[number, SINK]
                yield tag(
                    "rect", title, **_box(x, lane, wide), class_="sink-fault", fill=glyphs.hatched(self._name)
                )
            elif interval.kind is IntervalKind.DEADLINE:
                stripe = {"y": top, "height": bottom - top}
                yield tag("rect", title, x=x, width=max(wide, 2), class_="deadline", **stripe)
                yield tag("rect", title, x=x - 1, width=2, class_="deadline edge", **stripe)

    def _span(self, interval: Interval) -> tuple[float, float]:
        start, stop = self._axis.x(interval.begins), self._axis.x(interval.ends)
        return start, max(0.0, stop - start)

    def _lines(self, number: int, block: Block) -> Iterator[Markup]:
        """Each lane's own line; the aggregator's only while it is up, the timer's only while it runs."""
        for name in block.lanes:
            lane = self._lanes[number, name]
            if name not in (AGGREGATOR, TIMER):
                yield _line(self._left, lane.y(), self._axis.places[-1], lane.y(), "lane")
        for interval in block.intervals:
            if interval.kind in (IntervalKind.UP, IntervalKind.ARMED, IntervalKind.CANCELLED):
                lane = self._lanes[number, interval.lane or AGGREGATOR]
                x, wide = self._span(interval)
                title = tag("title", interval.title)
                bar = {"x": x, "y": lane.y() - 2.5, "width": max(wide, 1), "height": 5, "rx": 2}
                yield tag("rect", title, **bar, class_=interval.kind)

    def _transmission(self, it: _Placed) -> Iterator[Markup]:
        """An arrow from a request's lane down to its receiver, as far as the request got."""
        marker = it.marker
        target = (it.block, SINK if marker.lane == SINK else AGGREGATOR)
        if marker.transmission is None or target not in self._lanes:
            return
        x = self._axis.x(marker.begins)
        start = self._lanes[it.block, marker.lane].y(it.track)
        if marker.lane == SINK:
            start, stop = self._lanes[it.block, AGGREGATOR].y() + 3, start - 7
        elif marker.transmission is Transmission.LOST:
            stop = start + _TRACK * 0.75
        else:
            stop = self._lanes[target].y() - 4
        style = f"transmission {marker.transmission} {_tone(marker)}"
        yield _line(x, start, x, stop, style)
        if marker.transmission in (Transmission.LOST, Transmission.REFUSED):
            yield tag("path", d=f"M{x - 3:.1f} {stop - 3:.1f}l6 6m0 -6l-6 6", class_=style)
        else:
            yield tag("path", d=f"M{x - 3:.1f} {stop - 5:.1f}h6l-3 5Z", class_=f"head {_tone(marker)}")

    def _sign(self, it: _Placed) -> Markup:
        """Bar, sign and label of one marker."""
        marker, lane = it.marker, self._lanes[it.block, it.marker.lane]
        begin, end, y = self._axis.x(marker.begins), self._axis.x(self._ends(marker)), lane.y(it.track)
        parts = [tag("title", marker.title)]
        if marker.deciding:
            parts.append(tag("circle", cx=end, cy=y, r=9.5, class_="deciding"))
        if end > begin:
            bar = {"x": begin, "y": y - 3, "width": end - begin, "height": 6, "rx": 3}
            parts.append(tag("rect", class_=f"bar {_tone(marker)}", **bar))
        parts.append(glyphs.draw(marker.glyph, _tone(marker), end, y))
        if marker.label:
            offset = 5.0 if marker.glyph is Glyph.NONE else _GLYPH + 2
            lift = -8 if lane.lift and it.track == 0 else 4
            parts.append(
                tag("text", marker.label, x=end + offset, y=y + lift, class_=f"label {_tone(marker)}")
            )
        return tag("g", *parts, class_="marker")


def _tracks(diagram: Diagram) -> tuple[list[_Placed], int]:
    """Every marker on the first track of its lane that is free; those beyond the last are counted."""
    placed, dropped = [], 0
    for number, block in enumerate(diagram.blocks):
        ends: dict[str, list[int]] = {}
        for marker in sorted(block.markers, key=lambda marker: (marker.begins, marker.ends)):
            tracks = ends.setdefault(marker.lane, [])
            track = next((at for at, end in enumerate(tracks) if end < marker.begins), len(tracks))
            if track >= _TRACKS_MAX:
                dropped += 1
                continue
            tracks[track : track + 1] = [marker.ends]
            placed.append(_Placed(number, track, marker))
    return placed, dropped


def _room(marker: Marker) -> float:
    label = text_width(marker.label) + 2 if marker.label else 0
    return label + (0 if marker.glyph is Glyph.NONE else _GLYPH) + 3


def _tone(marker: Marker) -> str:
    return f"t-{marker.tone.name.lower()}"


def _count(text: str) -> str:
    """``7`` of ``… 7 more instants like these``."""
    return text.split()[1]


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=style)


def _box(x: float, lane: _Lane, wide: float) -> dict[str, object]:
    return {"x": x, "y": lane.top + 2, "width": wide, "height": lane.height - 4}
