"""A run of many operations as a whole: one histogram for each kind of event.

Time is to scale here, except that stretches without any event are cut out and marked.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from fanin.harness.report import record_text
from fanin.harness.report.analysis import AttemptOutcome, RunAnalysis
from fanin.harness.report.html.axis import staggered, text_width
from fanin.harness.report.html.diagram import IntervalKind
from fanin.harness.report.html.diagram_svg import WIDTH
from fanin.harness.report.html.glyphs import hatch, hatched
from fanin.harness.report.html.intervals import state_intervals
from fanin.harness.report.html.markup import tag
from fanin.simulator.durations import MS_BY_UNIT, format_duration
from fanin.simulator.instants import clock

_LEFT, _RIGHT = 176.0, 20.0
_ROW, _BAR = 34.0, 24.0
_AXIS = 30.0
_BIN = 6.0  # pixels
_CUT = 34.0  # pixels of a stretch that is cut out
_CUTS_MAX = 6
# A stretch without events is cut out when it is longer than this part of what is left.
_CUT_SHARE = 0.15
_TICKS = 14
_NICE = sorted(
    factor * unit
    for unit, factors in (
        (1, (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        (MS_BY_UNIT["s"], (1, 2, 5, 10, 20, 30)),
        (MS_BY_UNIT["m"], (1, 2, 5, 10, 20, 30)),
        (MS_BY_UNIT["h"], (1, 2, 6, 12)),
        (MS_BY_UNIT["d"], (1, 2, 5, 10, 30, 100, 365, 1000, 3650)),
    )
    for factor in factors
)

_WEBHOOKS = {
    "counted": (AttemptOutcome.COUNTED,),
    "duplicate or late": (
        AttemptOutcome.DUPLICATE,
        AttemptOutcome.LATE,
        AttemptOutcome.AT_DEADLINE,
        AttemptOutcome.NO_EFFECT,
    ),
    "refused": (AttemptOutcome.REFUSED,),
    "accepted wrongly": (AttemptOutcome.WRONGLY_ACCEPTED,),
    "lost or unanswered": (AttemptOutcome.LOST, AttemptOutcome.INDEFINITE),
}
_TONES = {
    "counted": "t-good",
    "completed": "t-good",
    "duplicate or late": "t-odd",
    "accepted wrongly": "t-bad",
    "lost or unanswered": "t-fault",
    "never sent": "t-fault",
    "notified again": "t-odd",
    "unreadable": "t-bad",
}


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    instants: Sequence[int]


def draw(analysis: RunAnalysis, *, name: str) -> Markup:
    """The histograms, one below the other; behind them, when the aggregator was down and the sink had faults.

    Args:
        analysis: The run.
        name: Unique on the page; ids are made of it.
    """
    series = [it for it in _all_series(analysis) if it.instants]
    scale = _Scale([at for it in series for at in it.instants])
    height = _AXIS + _ROW * len(series) + 8
    counts = "; ".join(f"{it.name}, {len(it.instants)}" for it in series)
    about = f"How many events happened when: {counts}."
    return tag(
        "svg",
        tag("title", about),
        hatch(name),
        *_shades(analysis, scale, height, hatched(name)),
        *_axis(scale, height),
        *(part for nth, it in enumerate(series) for part in _row(it, scale, _AXIS + _ROW * nth)),
        class_="picture",
        viewBox=f"0 0 {WIDTH} {height:.0f}",
        width=WIDTH,
        height=round(height),
        role="img",
        aria_label=about,
    )


def _all_series(analysis: RunAnalysis) -> Iterator[_Series]:
    attempts = [(analysis.outcome_of(it), it.sent.at) for it in analysis.evidence.attempts]
    for name, outcomes in _WEBHOOKS.items():
        yield _Series(name, [at for outcome, at in attempts if outcome in outcomes])
    yield _Series("never sent", [entry.at for _, entry in analysis.unsent])
    notified: dict[str, list[int]] = {
        "completed": [],
        "timed_out": [],
        "notified again": [],
        "unreadable": [],
    }
    for received in analysis.evidence.notifications:
        operation = analysis.notified_operation(received)
        stated = record_text.stated_outcome(received)
        if operation is not None and operation.records.notifications[0] is not received:
            stated = "notified again"
        notified[stated if stated in notified else "unreadable"].append(received.at)
    yield from (_Series(name, instants) for name, instants in notified.items())


class _Scale:
    """Instants to pixels: in proportion, without the long stretches in which nothing happens."""

    def __init__(self, instants: Iterable[int]) -> None:
        known = sorted(set(instants)) or [0]
        self.end = known[-1]
        self.cuts = _empty_stretches(known)
        edges = [known[0], *(at for cut in self.cuts for at in cut), known[-1]]
        self.stretches = [(edges[at], edges[at + 1]) for at in range(0, len(edges), 2)]
        self.length = sum(end - begin for begin, end in self.stretches) or 1
        room = WIDTH - _LEFT - _RIGHT - _CUT * len(self.cuts)
        self._per_ms = room / self.length
        self.starts: list[float] = []
        x = _LEFT
        for begin, end in self.stretches:
            self.starts.append(x)
            x += (end - begin) * self._per_ms + _CUT

    def x(self, at: int) -> float:
        """Where an instant stands; one that is cut out, at the cut."""
        nth = max(0, bisect_right([begin for begin, _ in self.stretches], at) - 1)
        begin, end = self.stretches[nth]
        return self.starts[nth] + (min(max(at, begin), end) - begin) * self._per_ms


def _empty_stretches(instants: Sequence[int]) -> list[tuple[int, int]]:
    """The longest gaps, as long as each is a large part of what is left without it."""
    left = instants[-1] - instants[0]
    cuts: list[tuple[int, int]] = []
    for begin, end in sorted(pairwise(instants), key=lambda gap: gap[0] - gap[1])[:_CUTS_MAX]:
        if end - begin <= _CUT_SHARE * left:
            break
        left -= end - begin
        cuts.append((begin, end))
    return sorted(cuts)


def _row(series: _Series, scale: _Scale, top: float) -> Iterator[Markup]:
    bins: dict[int, list[int]] = defaultdict(list)
    for at in sorted(series.instants):
        bins[int(scale.x(at) // _BIN)].append(at)
    most = max(map(len, bins.values()))
    base = top + _ROW - 4
    tone = _TONES.get(series.name, "t-plain")
    yield tag("text", series.name, x=10.0, y=base - 12, class_="label")
    total = f"{len(series.instants):,}" + (f", at most {most:,} a bar" if most > 1 else "")
    yield tag("text", total, x=10.0, y=base, class_="wait left")
    yield tag("line", x1=_LEFT, y1=base, x2=WIDTH - _RIGHT, y2=base, class_="lane")
    for number, inside in sorted(bins.items()):
        high = max(1.5, _BAR * len(inside) / most)
        place = {"x": number * _BIN, "y": base - high, "width": _BIN - 1, "height": high}
        span = " to ".join(dict.fromkeys((clock(inside[0]), clock(inside[-1]))))
        title = f"{series.name}: {len(inside):,}, {span}"
        yield tag("rect", tag("title", title), class_=f"count {tone}", **place)


def _axis(scale: _Scale, height: float) -> Iterator[Markup]:
    y = _AXIS - 6
    wanted = scale.length / _TICKS
    step = next((nice for nice in _NICE if nice >= wanted), _NICE[-1])
    labels = []
    for begin, end in scale.stretches:
        first = -(-begin // step) * step
        inside = range(first, end + 1, step) if first <= end else range(begin, begin + 1)
        labels += [(scale.x(at), clock(at)) for at in inside]
    fitting = [(x, text) for x, text in labels if x + text_width(text) <= WIDTH]
    for x, text, _ in staggered(fitting, 1):
        yield tag("line", x1=x, y1=y, x2=x, y2=height - 6, class_="grid")
        yield tag("text", text, x=x, y=y - 5, class_="clock")
    yield tag("line", x1=_LEFT, y1=y, x2=WIDTH - _RIGHT, y2=y, class_="axis")
    for begin, end in scale.cuts:
        middle, words = scale.x(begin) + _CUT / 2, format_duration(end - begin)
        place = {"x": middle - _CUT / 2 + 3, "y": y - 4, "width": _CUT - 6, "height": height - y}
        yield tag("rect", tag("title", f"{words} without anything"), class_="cut", **place)
        zigzag = tag("path", d=f"M{middle - 6:.1f} {y}l3 -5l3 10l3 -10l3 5", class_="zigzag")
        yield tag("g", tag("title", f"{words} without anything"), zigzag)


def _shades(analysis: RunAnalysis, scale: _Scale, height: float, fill: str) -> Iterator[Markup]:
    """When the aggregator was down, and when the sink had a fault."""
    for interval in state_intervals(analysis, None, scale.end):
        if interval.kind in (IntervalKind.DOWN, IntervalKind.SINK_FAULT):
            start, stop = scale.x(interval.begins), scale.x(interval.ends)
            title = f"{interval.title}, from {clock(interval.begins)} to {clock(interval.ends)}"
            place = {"x": start, "y": _AXIS - 6, "width": max(2.0, stop - start), "height": height - _AXIS}
            yield tag("rect", tag("title", title), class_=interval.kind, fill=fill, **place)
