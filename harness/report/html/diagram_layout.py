"""Puts a run into pictures: which operations share one, what it shows, and which instants get a column."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.html.diagram import Block, Diagram, Interval, IntervalKind, Marker
from fanin.harness.report.html.intervals import state_intervals, timer_intervals
from fanin.harness.report.html.markers import event_marker, record_markers, unreached_deadline_marker
from fanin.harness.report.timeline.events import (
    AGGREGATOR,
    REGISTRY,
    SINK,
    TIMER,
    Event,
    EventKind,
    events,
)
from fanin.harness.report.timeline.selection import select
from fanin.harness.verdict import Verdict

# An answer that took so long has a column of its own; a quicker one only while there is room.
_APART_MS = 1_000
_COLUMNS_MAX = 44
# With more markers than this, one with the label of the marker before it on its lane has none.
_LABELLED_MAX = 24


def diagrams(analysis: RunAnalysis, verdict: Verdict, shown: Sequence[OperationAnalysis]) -> list[Diagram]:
    """One picture of all operations when they have room on one axis, else one of each.

    Examples of many have a picture each, because most of what happened between them concerns others.

    Args:
        analysis: The run.
        verdict: The oracle's answer to it.
        shown: The operations to show.
    """
    if len(shown) < len(analysis.operations):
        return [_diagram(analysis, verdict, [operation], brief=True) for operation in shown]
    together = _diagram(analysis, verdict, shown)
    if len(shown) <= 1 or len(together.instants) <= _COLUMNS_MAX:
        return [together]
    return [_diagram(analysis, verdict, [operation]) for operation in shown]


def _diagram(
    analysis: RunAnalysis, verdict: Verdict, shown: Sequence[OperationAnalysis], *, brief: bool = False
) -> Diagram:
    """These operations and what concerns all; when brief, only what happened while they lasted."""
    last = max((entry.at for entry in analysis.history.entries), default=0)
    diagram = Diagram(analysis.evidence.end.at if analysis.evidence.end else last)
    alone = len(shown) == 1
    parts = [_Part(analysis, verdict, operation, shared=alone, brief=brief) for operation in shown]
    if not alone:
        parts.append(_Part(analysis, verdict, None, shared=True, brief=False))
    deciding = {index for finding in verdict.findings for index in finding.evidence}
    for part in parts:
        block = part.block(deciding, diagram.end)
        if block.lanes:
            diagram.blocks.append(replace(block, heading="") if alone else block)
        diagram.instants |= part.instants | {marker.begins for marker in block.markers}
        diagram.folded += part.folded
    diagram.instants.add(diagram.end)
    _give_columns(diagram)
    return diagram


def _give_columns(diagram: Diagram) -> None:
    """A column for every end that has none yet: all of them if there is room, else only the distant ones."""
    markers = [marker for block in diagram.blocks for marker in block.markers]
    ends = {marker.ends for marker in markers} - diagram.instants
    if len(diagram.instants | ends) > _COLUMNS_MAX:
        ends &= {marker.ends for marker in markers if marker.ends - marker.begins > _APART_MS}
    diagram.minor = ends


class _Part:
    """What a picture shows of one operation, or of the run as a whole.

    Args:
        analysis: The run.
        verdict: The oracle's answer to it.
        operation: The operation; None for what belongs to no operation.
        shared: Whether to show what concerns all operations.
        brief: Whether to leave out what happened before and after the operation.
    """

    def __init__(
        self,
        analysis: RunAnalysis,
        verdict: Verdict,
        operation: OperationAnalysis | None,
        *,
        shared: bool,
        brief: bool,
    ) -> None:
        self._operation, self._analysis, self._brief = operation, analysis.restricted_to(operation), brief
        found = events(self._analysis)
        found = _during_operation(found) if brief else found
        rows = select(self._analysis, found, _about(operation, analysis, verdict)).rows
        self._events = [it for row in rows for it in row.events if shared or it.operation is not None]
        self.instants = {event.at for event in self._events}
        self.folded = [(row.at, row.folded) for row in rows if row.folded]

    def block(self, deciding: set[int], end: int) -> Block:
        """Its lanes, markers and intervals.

        Args:
            deciding: Indices of the records on which findings rest.
            end: Of the watch.
        """
        markers = [it if deciding.isdisjoint(it.entries) else _decides(it) for it in self._markers(end)]
        if len(markers) > _LABELLED_MAX:
            markers = list(_without_repeated_labels(markers))
        intervals = tuple(self._intervals(end))
        busy = {marker.lane for marker in markers}
        if self._operation is None:
            lanes = tuple(lane for lane in (AGGREGATOR, SINK) if lane in busy)
            return Block("whole run", lanes, tuple(markers), intervals)
        regions = self._analysis.scenario.regions
        others = sorted(busy - {*regions, REGISTRY, AGGREGATOR, TIMER, SINK})  # of a damaged history
        lanes = (REGISTRY, *regions, *others, AGGREGATOR, TIMER, SINK)
        return Block(self._operation.name, lanes, tuple(markers), intervals)

    def _markers(self, end: int) -> Iterator[Marker]:
        chosen = {index for event in self._events for index in event.entries}
        yield from (it for it in record_markers(self._analysis) if not chosen.isdisjoint(it.entries))
        # Of several counts in one instant, the last says it all.
        counts = {event.at: event for event in self._events if event.kind is EventKind.COUNT}
        marked = [it for it in self._events if it.kind is not EventKind.COUNT or counts[it.at] is it]
        yield from (marker for marker in map(event_marker, marked) if marker is not None)
        window = self._operation.deadline if self._operation else None
        if window and window[0] <= end and not any(it.kind is EventKind.FIRES for it in self._events):
            yield unreached_deadline_marker(window[0])

    def _intervals(self, end: int) -> Iterator[Interval]:
        last = max(self.instants, default=end) if self._brief else end
        for interval in state_intervals(self._analysis, self._operation, end):
            if interval.begins <= last or interval.kind is IntervalKind.UP:
                yield interval
        if self._operation is not None:
            yield from timer_intervals(self._operation, self._events, end)


def _about(operation: OperationAnalysis | None, analysis: RunAnalysis, verdict: Verdict) -> Verdict:
    """The verdict with the findings about one operation only; None: those about no operation."""
    about = tuple(
        it for it in verdict.findings if (analysis.operation_named(it.op) if it.op else None) is operation
    )
    return msgspec.structs.replace(verdict, findings=about)


def _during_operation(found: Sequence[Event]) -> list[Event]:
    """The events without those that concern the whole run and happened before or after the operation."""
    own = [event.at for event in found if event.operation is not None]
    begin, end = min(own, default=0), max(own, default=0)
    return [event for event in found if event.operation is not None or begin <= event.at <= end]


def _without_repeated_labels(markers: Sequence[Marker]) -> Iterator[Marker]:
    last: dict[str, str] = {}  # label by lane
    for marker in sorted(markers, key=lambda it: (it.begins, it.ends)):
        repeats = marker.label == last.get(marker.lane)
        last[marker.lane] = marker.label
        yield replace(marker, label="") if repeats and not marker.deciding else marker


def _decides(marker: Marker) -> Marker:
    return replace(marker, deciding=True, title=f"{marker.title} (decides a finding)")
