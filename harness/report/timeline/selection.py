"""What to show of a long run: the operations that matter, and repetition folded.

Rules of this file: findings are never hidden; what is hidden is counted; the choice depends on nothing but
the run, so that the same run always reads the same.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.representatives import SHOWN_MAX, first_outcome, representatives, tally
from fanin.harness.report.timeline.event import REGISTRY, Event, EventKind
from fanin.harness.verdict import Verdict
from fanin.simulator.instants import clock

ROWS_MAX = 40  # fits a screen with the verdict below it
REPEATS = 2  # so often something is shown before its repetitions are folded, and once more at the end
# Events that may repeat each other; all others are always worth their row.
_REPEATING = {
    EventKind.REGISTRY_EVENT,
    EventKind.UNSENT,
    EventKind.ATTEMPT,
    EventKind.NOTIFICATION,
    EventKind.SINK_UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One instant of the timeline, or a sentence about instants that are not shown."""

    at: int
    events: tuple[Event, ...] = ()
    folded: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows to show and one sentence about the operations that are not among them."""

    rows: tuple[TimelineRow, ...]
    hidden: str = ""


def select(analysis: RunAnalysis, events: Sequence[Event], verdict: Verdict) -> Selection:
    """Choose at most about `ROWS_MAX` rows: all that decides a finding, then representative operations.

    Args:
        analysis: The run.
        events: Its events, or some of them, in order.
        verdict: The oracle's answer to it.
    """
    deciding = {index for finding in verdict.findings for index in finding.evidence}
    rows = _fold(_rows(events), deciding)
    if len(rows) <= ROWS_MAX:
        return Selection(tuple(rows))
    chosen: list[OperationAnalysis] = []
    for operation in representatives(analysis, verdict):
        candidate = _fold(_rows(_of(events, [*chosen, operation])), deciding)
        if not chosen or (len(candidate) <= ROWS_MAX and len(chosen) < SHOWN_MAX):
            chosen.append(operation)
            rows = candidate
    return Selection(tuple(_cut(rows, deciding)), _hidden(analysis, chosen))


def _of(events: Iterable[Event], operations: Sequence[OperationAnalysis]) -> list[Event]:
    names = {operation.name for operation in operations}
    return [event for event in events if event.operation is None or event.operation.name in names]


def _rows(events: Iterable[Event]) -> list[TimelineRow]:
    return [TimelineRow(at, tuple(group)) for at, group in groupby(events, key=lambda event: event.at)]


def _fold(rows: Sequence[TimelineRow], deciding: set[int]) -> list[TimelineRow]:
    """Replace rows that only repeat, but not for the last time, by one that counts them."""
    keys = [[_key(event) for event in row.events] for row in rows]
    left = Counter(key for row in keys for key in row)
    seen: Counter[object] = Counter()
    folded: list[TimelineRow] = []
    gap: list[TimelineRow] = []
    for row, mine in zip(rows, keys, strict=True):
        left.subtract(mine)
        repeats = all(key is not None and seen[key] >= REPEATS and left[key] for key in mine)
        seen.update(mine)
        if repeats and not _decides(row, deciding):
            gap.append(row)
            continue
        folded += [*_gap(gap, "like these"), row]
        gap = []
    return folded


def _key(event: Event) -> object:
    """Equal for events that repeat each other; None for what is always worth its row."""
    if event.kind not in _REPEATING:
        return None
    operation = event.operation.name if event.operation and event.lane != REGISTRY else ""
    return event.lane, operation, event.kind, event.variant


def _decides(row: TimelineRow, deciding: set[int]) -> bool:
    return any(deciding.intersection(event.entries) for event in row.events)


def _cut(rows: Sequence[TimelineRow], deciding: set[int]) -> list[TimelineRow]:
    """Keep the beginning, the end, and what decides; say how many rows went."""
    if len(rows) <= ROWS_MAX:
        return list(rows)
    ends = ROWS_MAX // 3
    kept: list[TimelineRow] = []
    gap: list[TimelineRow] = []
    for position, row in enumerate(rows):
        decides = _decides(row, deciding) and len(kept) < ROWS_MAX
        if position < ends or position >= len(rows) - ends or decides:
            kept += [*_gap(gap, "not shown"), row]
            gap = []
        else:
            gap.append(row)
    return kept


def _gap(rows: Sequence[TimelineRow], what: str) -> Sequence[TimelineRow]:
    """One row in place of several; a single one may as well stand."""
    if len(rows) <= 1:
        return rows
    return [TimelineRow(rows[0].at, folded=f"… {len(rows)} more instants {what}, until {clock(rows[-1].at)}")]


def _hidden(analysis: RunAnalysis, chosen: Sequence[OperationAnalysis]) -> str:
    shown = {operation.name for operation in chosen}
    rest = [operation for operation in analysis.operations if operation.name not in shown]
    if not rest:
        return ""
    return f"… {len(rest):,} more operations: {tally(map(first_outcome, rest))}"
