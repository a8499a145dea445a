"""The timeline of one run: what happened, lane by lane, for somebody who wants to understand it."""

from collections.abc import Iterator

from fanin.harness.report.analysis import Reading
from fanin.harness.report.clock import clock
from fanin.harness.report.line import Line, Tone, clean, line, listed, wrap
from fanin.harness.report.scenario_text import fault_words, sender_words
from fanin.harness.report.timeline import lanes, listing
from fanin.harness.report.timeline.events import moments
from fanin.harness.report.timeline.selection import select
from fanin.harness.verdict import Verdict
from fanin.simulator.language.durations import format_duration

_FAULTS = 4  # named in the heading


def render(reading: Reading, verdict: Verdict) -> Iterator[Line]:
    """Heading, lanes, and how long the silence after the last event was watched."""
    scenario = reading.scenario
    yield from _heading(reading)
    yield line("")
    selection = select(reading, moments(reading), verdict)
    rows = selection.rows
    layout = lanes.lay_out(scenario.regions, [row.at for row in rows if row.moments])
    if len(scenario.regions) <= lanes.REGIONS_MAX and lanes.fits(layout, rows):
        yield from lanes.header(layout, rows)
        yield from lanes.lines(layout, rows)
    else:
        yield from listing.lines(rows)
    if selection.hidden:
        yield from (line(text, Tone.QUIET) for text in wrap(f"  {selection.hidden}", hanging="    "))
    yield from (line(text, Tone.QUIET) for text in wrap(f"  {_watched(reading)}", hanging="    "))


def _heading(reading: Reading) -> Iterator[Line]:
    run, scenario = reading.history.run, reading.scenario
    title = f"{clean(scenario.scenario)}: {clean(scenario.title)}"
    yield from (line(text, Tone.STRONG) for text in wrap(title, hanging="  "))
    facts = (
        f"  seed {run.seed}, timeout {format_duration(scenario.timeout)}, "
        f"sender {sender_words(scenario.sender)}; regions {', '.join(map(clean, scenario.regions))}"
    )
    yield from (line(text) for text in wrap(facts, hanging="  "))
    faults = [fault_words(fault) for fault in scenario.faults]
    if faults:
        text = f"  faults: {listed(faults, _FAULTS, '; ')}"
        yield from (line(text, Tone.FAULT) for text in wrap(text, hanging="    "))


def _watched(reading: Reading) -> str:
    """What the time after the last event shows."""
    end = reading.evidence.end
    if end is None:
        return "the history has no end: it was cut off, and silence proves nothing"
    if not end.complete:
        return f"the watch was cut short at {clock(end.at)}: silence proves nothing"
    if not reading.evidence.posts:
        return f"watched until {clock(end.at)}: no notification ever came"
    last = max(post.at for post in reading.evidence.posts)
    return f"watched until {clock(end.at)}: silence for {format_duration(end.at - last)}"
