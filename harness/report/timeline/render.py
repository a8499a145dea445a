"""The timeline of one run as text: its heading, what happened in each lane, and how long the watch was."""

from collections.abc import Iterator

from fanin.harness.report.analysis import RunAnalysis
from fanin.harness.report.line import Line, Tone, clean, line, listed, wrap
from fanin.harness.report.scenario_text import sender_text
from fanin.harness.report.timeline import lanes, listing
from fanin.harness.report.timeline.events import events
from fanin.harness.report.timeline.selection import select
from fanin.harness.verdict import Verdict
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock

_FAULTS_MAX = 4  # named in the heading


def render(analysis: RunAnalysis, verdict: Verdict) -> Iterator[Line]:
    """The timeline's lines."""
    scenario = analysis.scenario
    yield from _heading(analysis)
    yield line("")
    selection = select(analysis, events(analysis), verdict)
    rows = selection.rows
    layout = lanes.lay_out(scenario.regions, [row.at for row in rows if row.events])
    if len(scenario.regions) <= lanes.REGIONS_MAX and lanes.fits(layout, rows):
        yield from lanes.header(layout, rows)
        yield from lanes.lines(layout, rows)
    else:
        yield from listing.lines(rows)
    if selection.hidden:
        yield from (line(text, Tone.QUIET) for text in wrap(f"  {selection.hidden}", hanging="    "))
    yield from (line(text, Tone.QUIET) for text in wrap(f"  {_watched(analysis)}", hanging="    "))


def _heading(analysis: RunAnalysis) -> Iterator[Line]:
    run, scenario = analysis.history.run, analysis.scenario
    title = f"{clean(scenario.scenario)}: {clean(scenario.title)}"
    yield from (line(text, Tone.STRONG) for text in wrap(title, hanging="  "))
    facts = (
        f"  seed {run.seed}, timeout {format_duration(scenario.timeout)}, "
        f"sender {sender_text(scenario.sender)}; regions {', '.join(map(clean, scenario.regions))}"
    )
    yield from (line(text) for text in wrap(facts, hanging="  "))
    faults = [fault.describe() for fault in scenario.faults]
    if faults:
        text = f"  faults: {listed(faults, _FAULTS_MAX, '; ')}"
        yield from (line(text, Tone.FAULT) for text in wrap(text, hanging="    "))


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
