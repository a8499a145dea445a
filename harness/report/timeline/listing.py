"""Rows as a list, one line an event: for more regions than there is room for lanes."""

from collections.abc import Iterator, Sequence

from fanin.harness.report.line import WIDTH, Line, Tone, line, shorten, wrap
from fanin.harness.report.timeline.event import LANE_NAMES, REGISTRY
from fanin.harness.report.timeline.lanes import ClockColumn
from fanin.harness.report.timeline.selection import TimelineRow

_NAME_MAX = 24  # characters of a lane's name


def lines(rows: Sequence[TimelineRow], width: int = WIDTH) -> Iterator[Line]:
    """Instant, lane, what happened."""
    clock = ClockColumn(row.at for row in rows)
    names = [LANE_NAMES.get(event.lane, event.lane) for row in rows for event in row.events]
    name_width = min(_NAME_MAX, max(map(len, names), default=0))
    for row in rows:
        if row.folded:
            yield line(clock.empty + row.folded, Tone.QUIET)
        instant = clock.text(row.at)
        for event in row.events:
            name = shorten(LANE_NAMES.get(event.lane, event.lane), name_width).ljust(name_width) + "  "
            glyph = "◆ " if event.lane == REGISTRY else ""
            for text in wrap(glyph + (event.short or event.text), width - clock.width - len(name)):
                yield ((instant, Tone.PLAIN), (name, Tone.QUIET), (text, event.tone))
                instant, name = clock.empty, " " * len(name)
