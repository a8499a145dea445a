"""Rows as a list, one line an event: for more regions than lanes can be drawn for."""

from collections.abc import Iterator, Sequence

from fanin.harness.report.line import WIDTH, Line, Tone, line, shorten, wrap
from fanin.harness.report.timeline.events import AGGREGATOR, REGISTRY, SINK, TIMER
from fanin.harness.report.timeline.selection import TimelineRow
from fanin.simulator.instants import clock_column

_NAMES = {REGISTRY: "", AGGREGATOR: "aggregator", TIMER: "timer", SINK: "sink"}
_NAME_MAX = 24


def lines(rows: Sequence[TimelineRow]) -> Iterator[Line]:
    """Clock, who, what."""
    columns = [clock_column(row.at) for row in rows] or [("+0", ".0s")]
    whole = max(len(before) for before, _ in columns)
    fraction = max(len(after) for _, after in columns)
    who = [_NAMES.get(event.lane, event.lane) for row in rows for event in row.events]
    name_width = min(_NAME_MAX, max((len(name) for name in who), default=0))
    margin = whole + fraction + 2
    for row in rows:
        if row.folded:
            yield line(" " * margin + row.folded, Tone.QUIET)
        before, after = clock_column(row.at)
        stamp = f"{before:>{whole}}{after:<{fraction}}  "
        for event in row.events:
            name = shorten(_NAMES.get(event.lane, event.lane), name_width).ljust(name_width) + "  "
            glyph = "◆ " if event.lane == REGISTRY else ""
            for text in wrap(glyph + event.text, WIDTH - margin - len(name)):
                yield ((stamp, Tone.PLAIN), (name, Tone.QUIET), (text, event.tone))
                stamp, name = " " * margin, " " * len(name)
