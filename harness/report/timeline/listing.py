"""Rows as a list, one line an event: for more regions than lanes can be drawn for."""

from collections.abc import Iterator, Sequence

from fanin.harness.report.clock import column
from fanin.harness.report.line import WIDTH, Line, Tone, line, shorten, wrap
from fanin.harness.report.timeline.events import AGGREGATOR, SINK, TIMER, WORLD
from fanin.harness.report.timeline.selection import Row

_NAMES = {WORLD: "", AGGREGATOR: "aggregator", TIMER: "timer", SINK: "sink"}
_NAME_MAX = 24


def lines(rows: Sequence[Row]) -> Iterator[Line]:
    """Clock, who, what."""
    columns = [column(row.at) for row in rows] or [("+0", ".0s")]
    whole = max(len(before) for before, _ in columns)
    fraction = max(len(after) for _, after in columns)
    who = [_NAMES.get(moment.lane, moment.lane) for row in rows for moment in row.moments]
    name_width = min(_NAME_MAX, max((len(name) for name in who), default=0))
    margin = whole + fraction + 2
    for row in rows:
        if row.folded:
            yield line(" " * margin + row.folded, Tone.QUIET)
        before, after = column(row.at)
        stamp = f"{before:>{whole}}{after:<{fraction}}  "
        for moment in row.moments:
            name = shorten(_NAMES.get(moment.lane, moment.lane), name_width).ljust(name_width) + "  "
            glyph = "◆ " if moment.lane == WORLD else ""
            for text in wrap(glyph + moment.text, WIDTH - margin - len(name)):
                yield ((stamp, Tone.PLAIN), (name, Tone.QUIET), (text, moment.tone))
                stamp, name = " " * margin, " " * len(name)
