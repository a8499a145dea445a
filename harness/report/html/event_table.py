"""The table of events: what the player shows, in words, a row each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.line import Tone
from fanin.harness.report.timeline.event import AGGREGATOR, LANE_NAMES, SINK_STATES, Event
from fanin.harness.report.timeline.events import events
from fanin.harness.verdict import Verdict
from fanin.simulator.instants import clock

ROWS_MAX = 160
_ENDS = ROWS_MAX // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One row, or a sentence in place of rows that are left out."""

    anchor: str = ""
    clock: str = ""
    lane: str = ""
    operation: str = ""
    text: str = ""
    tone: Tone = Tone.PLAIN
    deciding: bool = False
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class EventTable:
    """The rows, and in which of them each record of the history stands."""

    rows: list[EventRow]
    anchors: dict[int, str]  # by index into the history


def table(analysis: RunAnalysis, verdict: Verdict, shown: Sequence[OperationAnalysis]) -> EventTable:
    """All events of the shown operations and of the run as a whole, and whatever decides a finding.

    Args:
        analysis: The run.
        verdict: The oracle's answer to it.
        shown: The operations that are played.
    """
    deciding = {index for finding in verdict.findings for index in finding.evidence}
    found = sorted(_of(analysis, shown, deciding), key=_Order(analysis))
    rows: list[EventRow] = []
    anchors: dict[int, str] = {}
    skipped = 0
    for position, event in enumerate(found):
        decides = not deciding.isdisjoint(event.entries)
        if _ENDS <= position < len(found) - _ENDS and not decides:
            skipped += 1
            continue
        if skipped:
            rows.append(EventRow(skipped=skipped))
            skipped = 0
        rows.append(_row(event, f"event-{position + 1}", deciding=decides))
        anchors.update(dict.fromkeys(event.entries, f"event-{position + 1}"))
    return EventTable(rows, anchors)


def _of(analysis: RunAnalysis, shown: Sequence[OperationAnalysis], deciding: set[int]) -> Iterator[Event]:
    yield from (it for it in events(analysis.restricted_to(None)) if it.operation is None)
    for operation in analysis.operations:
        if operation in shown:
            yield from _own(analysis, operation)
        elif not deciding.isdisjoint(_records(operation)):
            yield from (it for it in _own(analysis, operation) if not deciding.isdisjoint(it.entries))


def _records(operation: OperationAnalysis) -> Iterator[int]:
    for attempt in operation.records.attempts:
        yield from attempt.records
    for notification in operation.records.notifications:
        yield from notification.records


def _own(analysis: RunAnalysis, operation: OperationAnalysis) -> Iterator[Event]:
    return (it for it in events(analysis.restricted_to(operation)) if it.operation is operation)


class _Order:
    """Sort key: by instant and record; a count stands below its webhook, and what has no record last."""

    def __init__(self, analysis: RunAnalysis) -> None:
        # By the index of an attempt: when it ended, and the index of that record.
        self._ends = {
            attempt.index: (attempt.ended_at, attempt.ended_index or attempt.index)
            for attempt in analysis.evidence.attempts
        }

    def __call__(self, event: Event) -> tuple[int, float]:
        if not event.entries:
            return event.at, -math.inf if event.kind in SINK_STATES else math.inf
        first = event.entries[0]
        if event.lane == AGGREGATOR and first in self._ends:
            ended_at, last = self._ends[first]
            return event.at, (last if event.at == ended_at else first) + 0.5
        return event.at, first


def _row(event: Event, anchor: str, *, deciding: bool) -> EventRow:
    return EventRow(
        anchor=anchor,
        clock=clock(event.at),
        lane=LANE_NAMES.get(event.lane, event.lane),
        operation=event.operation.name if event.operation else "",
        text=event.text,
        tone=event.tone,
        deciding=deciding,
    )
