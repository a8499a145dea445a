"""The table of events: what the picture shows, in words, a row each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fanin.harness.report.analysis import Operation, Reading
from fanin.harness.report.clock import clock
from fanin.harness.report.html.examples import focus
from fanin.harness.report.line import Tone
from fanin.harness.report.timeline.events import AGGREGATOR, SINK, TIMER, WORLD, Moment, moments
from fanin.harness.verdict import Verdict

ROWS_MAX = 160
_ENDS = ROWS_MAX // 2
_WHERE = {WORLD: "registry", AGGREGATOR: "aggregator", TIMER: "timer", SINK: "sink"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
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
class Table:
    """The rows, and in which of them each record of the history stands."""

    rows: list[Event]
    anchors: dict[int, str]  # by index into the history


def table(reading: Reading, verdict: Verdict, drawn: Sequence[Operation]) -> Table:
    """All that happened to the drawn operations and to everybody, and whatever decides a finding."""
    deciding = {index for finding in verdict.findings for index in finding.evidence}
    told = sorted(_of(reading, drawn, deciding), key=_Order(reading))
    rows: list[Event] = []
    anchors: dict[int, str] = {}
    skipped = 0
    for position, moment in enumerate(told):
        decides = not deciding.isdisjoint(moment.entries)
        if _ENDS <= position < len(told) - _ENDS and not decides:
            skipped += 1
            continue
        if skipped:
            rows.append(Event(skipped=skipped))
            skipped = 0
        rows.append(_event(moment, f"event-{position + 1}", deciding=decides))
        anchors.update(dict.fromkeys(moment.entries, f"event-{position + 1}"))
    return Table(rows, anchors)


def _of(reading: Reading, drawn: Sequence[Operation], deciding: set[int]) -> Iterator[Moment]:
    yield from (it for it in moments(focus(reading, None)) if it.operation is None)
    for operation in reading.operations:
        if operation in drawn:
            yield from _mine(reading, operation)
        elif not deciding.isdisjoint(_records(operation)):
            yield from (it for it in _mine(reading, operation) if not deciding.isdisjoint(it.entries))


def _records(operation: Operation) -> Iterator[int]:
    for attempt in operation.case.attempts:
        yield from attempt.records
    for post in operation.case.posts:
        yield from post.records


def _mine(reading: Reading, operation: Operation) -> Iterator[Moment]:
    return (it for it in moments(focus(reading, operation)) if it.operation is operation)


class _Order:
    """By instant and record. What a webhook comes to stands below the webhook; what follows, last."""

    def __init__(self, reading: Reading) -> None:
        self._answers = {
            attempt.index: (attempt.ended_at, attempt.answer_index or attempt.index)
            for attempt in reading.evidence.attempts
        }

    def __call__(self, moment: Moment) -> tuple[int, float]:
        if not moment.entries:
            return moment.at, -math.inf if moment.kind.startswith("sink") else math.inf
        first = moment.entries[0]
        if moment.lane == AGGREGATOR and first in self._answers:
            ended_at, answer = self._answers[first]
            return moment.at, (answer if moment.at == ended_at else first) + 0.5
        return moment.at, first


def _event(moment: Moment, anchor: str, *, deciding: bool) -> Event:
    return Event(
        anchor=anchor,
        clock=clock(moment.at),
        where=_WHERE.get(moment.lane, moment.lane),
        operation=moment.operation.name if moment.operation else "",
        what=moment.text,
        tone=moment.tone,
        deciding=deciding,
    )
