"""Which operations of a run are drawn one by one, and the run as one of them saw it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from fanin.harness.report.analysis import AttemptOutcome, OperationAnalysis, RunAnalysis
from fanin.harness.report.line import listed
from fanin.harness.report.record_text import said_outcome
from fanin.harness.verdict import Rule, Verdict

DRAWN_MAX = 4


def examples(analysis: RunAnalysis, verdict: Verdict) -> list[OperationAnalysis]:
    """All of a few; of many the first that each rule accuses and the first of each kind, as they happened."""
    if len(analysis.operations) <= DRAWN_MAX:
        return list(analysis.operations)
    accused: dict[Rule, OperationAnalysis | None] = {}
    for finding in verdict.findings:
        accused.setdefault(finding.rule, analysis.operation_named(finding.op))
    kinds: dict[object, OperationAnalysis] = {}
    for operation in analysis.operations:
        kinds.setdefault(_kind(operation), operation)
    ranked = dict.fromkeys(one for one in (*accused.values(), *kinds.values()) if one is not None)
    chosen = list(ranked)[:DRAWN_MAX]
    return [operation for operation in analysis.operations if operation in chosen]


def _kind(operation: OperationAnalysis) -> object:
    """Equal for operations that went the same way, whatever their regions and instants."""
    told = tuple(said_outcome(post) for post in operation.case.posts[:2])
    return (
        told,
        frozenset(operation.attempt_outcomes.values()) - {AttemptOutcome.COUNTED},
        bool(operation.unsent),
    )


def rest(analysis: RunAnalysis, drawn: Sequence[OperationAnalysis]) -> str:
    """What came of those that are not drawn: ``606 completed, 390 timed_out``; empty when all are."""
    left = [operation for operation in analysis.operations if operation not in drawn]
    return outcomes(left)


def outcomes(operations: Sequence[OperationAnalysis]) -> str:
    """How many were told what."""
    told = Counter(outcome(operation) for operation in operations)
    return listed([f"{count:,} {said}" for said, count in told.most_common()])


def outcome(operation: OperationAnalysis) -> str:
    """What the sink was first told; ``silence`` when nothing."""
    posts = operation.case.posts
    return (said_outcome(posts[0]) or "unreadable") if posts else "silence"


def restricted_to(analysis: RunAnalysis, operation: OperationAnalysis | None) -> RunAnalysis:
    """The same analysis with nothing in it but one operation's own; None: with nothing but nobody's."""
    evidence, case = analysis.evidence, operation.case if operation else None
    return replace(
        analysis,
        operations=[operation] if operation else [],
        evidence=replace(
            evidence,
            cases=(case,) if case else (),
            attempts=tuple(case.attempts) if case else (),
            posts=tuple(case.posts) if case else evidence.strays,
        ),
        occurred=[
            it for it in analysis.occurred if operation and analysis.operation_named(it[1].op) is operation
        ],
        unsent=[
            it for it in analysis.unsent if operation and analysis.operation_named(it[1].op) is operation
        ],
    )


def restricted_verdict(
    analysis: RunAnalysis, verdict: Verdict, operation: OperationAnalysis | None
) -> Verdict:
    """The verdict with the findings about one operation only; None: those about no operation."""
    about = tuple(
        it for it in verdict.findings if (analysis.operation_named(it.op) if it.op else None) is operation
    )
    return msgspec.structs.replace(verdict, findings=about)
