"""What to show of a long run: the operations that matter, and repetition folded.

Rules of this file: findings are never hidden; what is hidden is counted; the choice depends on nothing but
the run, so that the same run always reads the same.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from fanin.harness.report.analysis import Fate, Operation, Reading
from fanin.harness.report.clock import clock
from fanin.harness.report.line import listed
from fanin.harness.report.record_text import said_outcome
from fanin.harness.report.timeline.events import WORLD, Moment
from fanin.harness.verdict import Verdict

ROWS = 40  # fits a screen with the verdict below it
EXAMPLES = 4  # operations shown of a run that has too many
REPEATS = 2  # so often something is shown before its repetitions are folded, and once more at the end


@dataclass(frozen=True, slots=True)
class Row:
    """One instant of the timeline, or a sentence about instants that are not shown."""

    at: int
    moments: tuple[Moment, ...] = ()
    folded: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows to show and one sentence about the operations that are not among them."""

    rows: tuple[Row, ...]
    hidden: str = ""


def select(reading: Reading, moments: Sequence[Moment], verdict: Verdict) -> Selection:
    """Choose at most about `ROWS` rows: findings first, then one operation of each kind."""
    deciding = {index for finding in verdict.findings for index in finding.evidence}
    rows = _fold(_rows(moments), deciding)
    if len(rows) <= ROWS:
        return Selection(tuple(rows))
    chosen: list[Operation] = []
    for operation in _by_interest(reading, verdict):
        candidate = _fold(_rows(_of(moments, [*chosen, operation])), deciding)
        if not chosen or (len(candidate) <= ROWS and len(chosen) < EXAMPLES):
            chosen.append(operation)
            rows = candidate
    return Selection(tuple(_cut(rows, deciding)), _hidden(reading, chosen))


def _of(moments: Iterable[Moment], operations: Sequence[Operation]) -> list[Moment]:
    names = {operation.name for operation in operations}
    return [moment for moment in moments if moment.operation is None or moment.operation.name in names]


def _rows(moments: Iterable[Moment]) -> list[Row]:
    return [Row(at, tuple(group)) for at, group in groupby(moments, key=lambda moment: moment.at)]


def _by_interest(reading: Reading, verdict: Verdict) -> list[Operation]:
    """The first operation that each rule accuses, then the first of each kind, as they come up."""
    rules = {finding.rule: finding.op for finding in reversed(verdict.findings) if finding.op}
    accused = [reading.named(op) for op in reversed(rules.values())]
    kinds: dict[tuple[object, ...], Operation] = {}
    for operation in reading.operations:
        kinds.setdefault(_kind(operation), operation)
    return list(dict.fromkeys(one for one in (*accused, *kinds.values()) if one is not None))


def _kind(operation: Operation) -> tuple[object, ...]:
    """Operations of one kind went the same way, whatever their regions and instants."""
    posts = operation.case.posts
    fates = frozenset(operation.fates.values()) - {Fate.COUNTED}
    answers = frozenset(post.reply.status if post.reply else None for post in posts)
    unsent = frozenset(entry.why for entry in operation.unsent)
    return tuple(said_outcome(post) for post in posts[:2]), answers, fates, unsent


def _fold(rows: Sequence[Row], deciding: set[int]) -> list[Row]:
    """Replace rows that only repeat, but not for the last time, by one that counts them."""
    keys = [[_key(moment) for moment in row.moments] for row in rows]
    left = Counter(key for row in keys for key in row)
    seen: Counter[object] = Counter()
    folded: list[Row] = []
    gap: list[Row] = []
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


def _key(moment: Moment) -> object:
    """Equal for moments that say the same again; None for what is always worth its row."""
    if not moment.kind.startswith(("attempt", "unsent", "post", "knock", "occurred")):
        return None
    whose = moment.operation.name if moment.operation and moment.lane != WORLD else ""
    return moment.lane, whose, moment.kind


def _decides(row: Row, deciding: set[int]) -> bool:
    return any(deciding.intersection(moment.entries) for moment in row.moments)


def _cut(rows: Sequence[Row], deciding: set[int]) -> list[Row]:
    """Keep the beginning, the end, and what decides; say how many rows went."""
    if len(rows) <= ROWS:
        return list(rows)
    ends = ROWS // 3
    kept: list[Row] = []
    gap: list[Row] = []
    for position, row in enumerate(rows):
        decides = _decides(row, deciding) and len(kept) < ROWS
        if position < ends or position >= len(rows) - ends or decides:
            kept += [*_gap(gap, "not shown"), row]
            gap = []
        else:
            gap.append(row)
    return kept


def _gap(rows: Sequence[Row], what: str) -> Sequence[Row]:
    """One row in place of several; a single one may as well stand."""
    if len(rows) <= 1:
        return rows
    return [Row(rows[0].at, folded=f"… {len(rows)} more instants {what}, until {clock(rows[-1].at)}")]


def _hidden(reading: Reading, chosen: Sequence[Operation]) -> str:
    shown = {operation.name for operation in chosen}
    rest = [operation for operation in reading.operations if operation.name not in shown]
    if not rest:
        return ""
    told = Counter(said_outcome(one.case.posts[0]) if one.case.posts else "silence" for one in rest)
    outcomes = listed([f"{count} {outcome or 'unreadable'}" for outcome, count in told.most_common()])
    return f"… {len(rest)} more operations: {outcomes}"
