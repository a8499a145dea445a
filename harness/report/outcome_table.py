"""The table of outcomes: each operation's, what would have been legal, and why; many alike share a row."""

from collections.abc import Sequence
from dataclasses import dataclass

from fanin.harness.report.analysis import RunAnalysis
from fanin.harness.report.representatives import grouped, judged_outcomes, judgement_kind, legal_outcomes
from fanin.harness.report.verdict_text import reason
from fanin.harness.verdict import Judgement
from fanin.simulator.instants import clock

# Up to so many operations have a row each.
EACH_MAX = 12


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One row: an operation, or several that were judged alike."""

    count: int
    example: str  # an operation's name
    outcome: str
    notified_at: str
    legal: str
    right: bool  # whether the outcome is legal
    reason: str


def outcome_rows(analysis: RunAnalysis) -> list[OutcomeRow]:
    """One row for each operation, or for each kind of many, as they first happened."""
    known = [operation.judgement for operation in analysis.operations if operation.judgement is not None]
    if len(known) <= EACH_MAX:
        return [_row(analysis, [judgement]) for judgement in known]
    return [_row(analysis, alike) for alike in grouped(known, judgement_kind)]


def _row(analysis: RunAnalysis, alike: Sequence[Judgement]) -> OutcomeRow:
    first = alike[0]
    return OutcomeRow(
        count=len(alike),
        example=first.op,
        outcome=judged_outcomes([first])[0],
        notified_at="" if first.notified_at is None else clock(first.notified_at),
        legal=legal_outcomes(first) or "nothing",
        right=(first.outcome or "none") in first.legal,
        reason=reason(analysis, first),
    )
