"""The timeline of one run as text: its heading, what happened in each lane, and how long the watch was."""

from collections.abc import Iterator, Sequence

from fanin.harness.report.analysis import RunAnalysis
from fanin.harness.report.line import WIDTH, Line, Tone, clean, line, listed, wrap
from fanin.harness.report.scenario_text import sender_text
from fanin.harness.report.timeline import lanes, listing
from fanin.harness.report.timeline.events import events
from fanin.harness.report.timeline.selection import TimelineRow, select
from fanin.harness.verdict import Verdict
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock

_FAULTS_MAX = 4  # named in the heading
_FAILED_MAX, _NOTE_LINES_MAX = 2, 8  # starts that failed, and lines of what each said


def render(analysis: RunAnalysis, verdict: Verdict, width: int = WIDTH) -> Iterator[Line]:
    """The timeline's lines."""
    scenario = analysis.scenario
    yield from _heading(analysis, width)
    yield line("")
    selection = select(analysis, events(analysis), verdict)
    rows = selection.rows
    layout = lanes.lay_out(scenario.regions, [row.at for row in rows if row.events], width)
    if len(scenario.regions) <= lanes.REGIONS_MAX and lanes.fits(layout, rows):
        yield from lanes.header(layout, rows)
        yield from lanes.lines(layout, rows)
    else:
        yield from listing.lines(rows, width)
    yield from _failed_starts(rows, width)
    if selection.hidden:
        yield from (line(text, Tone.QUIET) for text in wrap(f"  {selection.hidden}", width, hanging="    "))
    yield from (line(text, Tone.QUIET) for text in wrap(f"  {_watched(analysis)}", width, hanging="    "))


def _heading(analysis: RunAnalysis, width: int) -> Iterator[Line]:
    run, scenario = analysis.history.run, analysis.scenario
    title = f"{clean(scenario.scenario)}: {clean(scenario.title)}"
    yield from (line(text, Tone.STRONG) for text in wrap(title, width, hanging="  "))
    facts = (
        f"  seed {run.seed}, timeout {format_duration(scenario.timeout)}, "
        f"sender {sender_text(scenario.sender)}; regions {', '.join(map(clean, scenario.regions))}"
    )
    yield from (line(text) for text in wrap(facts, width, hanging="  "))
    faults = [fault.describe() for fault in scenario.faults]
    if faults:
        text = f"  faults: {listed(faults, _FAULTS_MAX, '; ')}"
        yield from (line(text, Tone.FAULT) for text in wrap(text, width, hanging="    "))


def _failed_starts(rows: Sequence[TimelineRow], width: int) -> Iterator[Line]:
    """Why it could not start, below the lanes: that may be many lines of its output."""
    notes = {event.note: row.at for row in reversed(rows) for event in row.events if event.note}
    for note, at in sorted(notes.items(), key=lambda item: item[1])[:_FAILED_MAX]:
        for nth, text in enumerate(note.splitlines()[:_NOTE_LINES_MAX]):
            before = "    " if nth else f"  {clock(at)} cannot start: "
            yield from (line(part, Tone.BAD) for part in wrap(before + text, width, hanging=" " * 6))


def _watched(analysis: RunAnalysis) -> str:
    """How long the watch lasted after the last notification, and what that proves."""
    end = analysis.evidence.end
    if end is None:
        return "the history has no end: it was cut off, and silence proves nothing"
    if not end.complete:
        return f"the watch was cut short at {clock(end.at)}: silence proves nothing"
    if not analysis.evidence.notifications:
        return f"watched until {clock(end.at)}: no notification ever came"
    last = max(notification.at for notification in analysis.evidence.notifications)
    return f"watched until {clock(end.at)}: silence for {format_duration(end.at - last)}"
