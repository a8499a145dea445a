"""The table of events: what the picture shows, in words, a row each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.line import Tone
from fanin.harness.report.timeline.events import AGGREGATOR, REGISTRY, SINK, TIMER, Event, events
from fanin.harness.verdict import Verdict
from fanin.simulator.instants import clock

ROWS_MAX = 160
_ENDS = ROWS_MAX // 2
_WHERE = {REGISTRY: "registry", AGGREGATOR: "aggregator", TIMER: "timer", SINK: "sink"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One row, or a sentence in place of rows that are left out."""

    anchor: str = ""
    clock: str = ""
    where: str = ""
    operation: str = ""
    what: str = ""
    tone: Tone = Tone.PLAIN
    deciding: bool = False
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class EventTable:
    """The rows, and in which of them each record of the history stands."""

    rows: list[EventRow]
    anchors: dict[int, str]  # by index into the history


def table(analysis: RunAnalysis, verdict: Verdict, drawn: Sequence[OperationAnalysis]) -> EventTable:
    """All that happened to the drawn operations and to everybody, and whatever decides a finding."""
    deciding = {index for finding in verdict.findings for index in finding.evidence}
    happened = sorted(_of(analysis, drawn, deciding), key=_Order(analysis))
    rows: list[EventRow] = []
    anchors: dict[int, str] = {}
    skipped = 0
    for position, event in enumerate(happened):
        decides = not deciding.isdisjoint(event.entries)
        if _ENDS <= position < len(happened) - _ENDS and not decides:
            skipped += 1
            continue
        if skipped:
            rows.append(EventRow(skipped=skipped))
            skipped = 0
        rows.append(_row(event, f"event-{position + 1}", deciding=decides))
        anchors.update(dict.fromkeys(event.entries, f"event-{position + 1}"))
    return EventTable(rows, anchors)


def _of(analysis: RunAnalysis, drawn: Sequence[OperationAnalysis], deciding: set[int]) -> Iterator[Event]:
    yield from (it for it in events(analysis.restricted_to(None)) if it.operation is None)
    for operation in analysis.operations:
        if operation in drawn:
            yield from _mine(analysis, operation)
        elif not deciding.isdisjoint(_records(operation)):
            yield from (it for it in _mine(analysis, operation) if not deciding.isdisjoint(it.entries))


def _records(operation: OperationAnalysis) -> Iterator[int]:
    for attempt in operation.records.attempts:
        yield from attempt.records
    for post in operation.records.notifications:
        yield from post.records


def _mine(analysis: RunAnalysis, operation: OperationAnalysis) -> Iterator[Event]:
    return (it for it in events(analysis.restricted_to(operation)) if it.operation is operation)


class _Order:
    """By instant and record. What a webhook comes to stands below the webhook; what follows, last."""

    def __init__(self, analysis: RunAnalysis) -> None:
        self._answers = {
            attempt.index: (attempt.ended_at, attempt.ended_index or attempt.index)
            for attempt in analysis.evidence.attempts
        }

    def __call__(self, event: Event) -> tuple[int, float]:
        if not event.entries:
            return event.at, -math.inf if event.kind.startswith("sink") else math.inf
        first = event.entries[0]
        if event.lane == AGGREGATOR and first in self._answers:
            ended_at, answer = self._answers[first]
            return event.at, (answer if event.at == ended_at else first) + 0.5
        return event.at, first


def _row(event: Event, anchor: str, *, deciding: bool) -> EventRow:
    return EventRow(
        anchor=anchor,
        clock=clock(event.at),
        where=_WHERE.get(event.lane, event.lane),
        operation=event.operation.name if event.operation else "",
        what=event.text,
        tone=event.tone,
        deciding=deciding,
    )
