"""Which operations of a run are drawn one by one, and the run as one of them saw it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from fanin.harness.report.analysis import Fate, Operation, Reading
from fanin.harness.report.line import listed
from fanin.harness.report.record_text import said_outcome
from fanin.harness.verdict import Rule, Verdict

DRAWN_MAX = 4


def examples(reading: Reading, verdict: Verdict) -> list[Operation]:
    """All of a few; of many the first that each rule accuses and the first of each kind, as they happened."""
    if len(reading.operations) <= DRAWN_MAX:
        return list(reading.operations)
    accused: dict[Rule, Operation | None] = {}
    for finding in verdict.findings:
        accused.setdefault(finding.rule, reading.named(finding.op))
    kinds: dict[object, Operation] = {}
    for operation in reading.operations:
        kinds.setdefault(_kind(operation), operation)
    ranked = dict.fromkeys(one for one in (*accused.values(), *kinds.values()) if one is not None)
    chosen = list(ranked)[:DRAWN_MAX]
    return [operation for operation in reading.operations if operation in chosen]


def _kind(operation: Operation) -> object:
    """Equal for operations that went the same way, whatever their regions and instants."""
    told = tuple(said_outcome(post) for post in operation.case.posts[:2])
    return told, frozenset(operation.fates.values()) - {Fate.COUNTED}, bool(operation.unsent)


def rest(reading: Reading, drawn: Sequence[Operation]) -> str:
    """What came of those that are not drawn: ``606 completed, 390 timed_out``; empty when all are."""
    left = [operation for operation in reading.operations if operation not in drawn]
    return outcomes(left)


def outcomes(operations: Sequence[Operation]) -> str:
    """How many were told what."""
    told = Counter(outcome(operation) for operation in operations)
    return listed([f"{count:,} {said}" for said, count in told.most_common()])


def outcome(operation: Operation) -> str:
    """What the sink was first told; ``silence`` when nothing."""
    posts = operation.case.posts
    return (said_outcome(posts[0]) or "unreadable") if posts else "silence"


def focus(reading: Reading, operation: Operation | None) -> Reading:
    """The same reading with nothing in it but one operation's own; None: with nothing but nobody's."""
    evidence, case = reading.evidence, operation.case if operation else None
    return replace(
        reading,
        operations=[operation] if operation else [],
        evidence=replace(
            evidence,
            cases=(case,) if case else (),
            attempts=tuple(case.attempts) if case else (),
            posts=tuple(case.posts) if case else evidence.strays,
        ),
        occurred=[it for it in reading.occurred if operation and reading.named(it[1].op) is operation],
        unsent=[it for it in reading.unsent if operation and reading.named(it[1].op) is operation],
    )


def focused_verdict(reading: Reading, verdict: Verdict, operation: Operation | None) -> Verdict:
    """The verdict with the findings about one operation only; None: those about no operation."""
    about = tuple(it for it in verdict.findings if (reading.named(it.op) if it.op else None) is operation)
    return msgspec.structs.replace(verdict, findings=about)
