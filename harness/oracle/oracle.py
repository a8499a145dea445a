"""Judges a history: did the aggregator keep the contract (`docs/contract.md`)?

Rules of this file and of all that it imports: it looks at the history alone, whose header carries the
scenario; it never imports the aggregator, nor a clock, a log, chance or the network; it says ``unknown``
rather than guess. Its cost is linear in the history's length.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter

import msgspec

from fanin.harness.history import History
from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Evidence, Operation, collect
from fanin.harness.oracle.generations import generations
from fanin.harness.oracle.images_alike import Choice, choices, choose, trying
from fanin.harness.oracle.pushes import separate
from fanin.harness.oracle.rules import (
    content,
    doubts,
    expectation,
    held,
    late_completion,
    notification,
    outcome,
    responses,
    starts,
    timing,
)
from fanin.harness.oracle.text import stated
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Finding, Judgement, Rule, Validity, Verdict

# So often the choice with the fewest findings is kept, and others are tried besides.
CHOSEN_MAX = 3
# So many violations of one rule and kind are reported in full; the rest is counted.
IN_FULL_MAX = 3
# So many records of the counted ones are still pointed at.
POINTED_AT_MAX = 10


def judge(history: History) -> Verdict:
    """Judge one run. Any sequence of records is judged; none raises.

    A broken rule makes the run ``invalid`` whatever else happened. Without one, any doubt makes it
    ``unknown``. What the scenario expects beyond the contract decides nothing.
    """
    evidence = separate(collect(history))
    return _best_explained(evidence, _judge(evidence))


def _best_explained(evidence: Evidence, verdict: Verdict) -> Verdict:
    """The verdict with the fewest findings, whichever images the notifications of those alike are about."""
    for _ in range(CHOSEN_MAX):
        better: Choice = ()
        for choice in choices(evidence):
            if not verdict.findings:
                return verdict
            with trying(choice):
                other = _judge(evidence)
            if len(other.findings) < len(verdict.findings):
                verdict, better = other, choice
        if not better:
            break
        choose(better)
    return verdict


def _judge(evidence: Evidence) -> Verdict:
    allowances = Allowances(evidence)
    views = [_view(operation, evidence, allowances) for operation in evidence.operations]
    findings = _findings(_violations(evidence, allowances, views), evidence.length)
    doubted = tuple(doubts.check(evidence, allowances, views))
    without_findings = Validity.UNKNOWN if doubted else Validity.VALID
    validity = Validity.INVALID if findings else without_findings
    unmet = () if findings or not allowances.ever_up else expectation.notes(views)
    return Verdict(validity, findings, doubted, tuple(map(_judgement, views)), unmet)


def _view(operation: Operation, evidence: Evidence, allowances: Allowances) -> OperationView:
    scenario, *others = evidence.configured_for(operation)
    had_key = generations(operation, evidence, allowances)
    return OperationView(operation, had_key, evidence, allowances, scenario, undecidable=bool(others))


def _violations(
    evidence: Evidence, allowances: Allowances, views: Sequence[OperationView]
) -> Iterator[Violation]:
    yield from starts.check(evidence, allowances)
    by_key = {it.operation.key: it for it in views}
    yield from responses.check_responses(evidence, allowances, by_key)
    yield from held.check(evidence, allowances, by_key)
    views = [view for view in views if not view.undecidable]
    for view in views:
        wrong_outcomes = list(outcome.check(view))
        yield from wrong_outcomes
        # A wrong outcome is late, or absent, only in consequence.
        yield from () if wrong_outcomes else timing.check(view)
        yield from notification.check(view)
        yield from content.check(view)
        yield from late_completion.check(view)
    yield from notification.check_keys(views)
    yield from notification.check_unattributed(evidence)


def _findings(violations: Iterable[Violation], length: int) -> tuple[Finding, ...]:
    """The findings in the order in which rules were broken; those of one kind together, and few in full.

    Args:
        violations: In any order that is the same every time.
        length: The history's: an absence, which no record shows, breaks its rule after the last one.
    """
    kinds: dict[tuple[Rule, str], list[tuple[int, Violation]]] = {}
    for violation in violations:
        broken_at = length if violation.absence or not violation.records else violation.records[-1]
        kinds.setdefault((violation.rule, violation.kind), []).append((broken_at, violation))
    for found in kinds.values():
        found.sort(key=itemgetter(0))
    ordered = sorted(kinds.values(), key=lambda found: (found[0][0], found[0][1].form))
    few = (_first_in_full([violation for _, violation in found]) for found in ordered)
    return tuple(_without_repeated_lines(chain.from_iterable(few)))


def _without_repeated_lines(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Lines by region that stand below an earlier finding already are left out."""
    shown = set()
    for finding in findings:
        known = (finding.op, finding.by_region) in shown
        shown.add((finding.op, finding.by_region))
        yield msgspec.structs.replace(finding, by_region=()) if known else finding


def _first_in_full(violations: Sequence[Violation]) -> Iterator[Finding]:
    for violation in violations[:IN_FULL_MAX]:
        yield violation.finding()
    if rest := violations[IN_FULL_MAX:]:
        pointed_at = sorted({it.records[-1] for it in rest if it.records})[:POINTED_AT_MAX]
        message = f"{len(rest)} more like these: {rest[0].kind}"
        looks_like = rest[0].hints()
        also = tuple(dict.fromkeys(rule for it in rest for rule in it.also))
        yield Finding(
            rest[0].rule,
            message,
            evidence=tuple(pointed_at),
            looks_like=looks_like,
            also=also,
            form=all(it.form for it in rest),
        )


def _judgement(view: OperationView) -> Judgement:
    bounds = view.first.bounds
    first = view.first.notifications[0] if view.first.notifications else None
    return Judgement(
        op=view.operation.name,
        key=view.operation.key,
        legal=bounds.legal,
        deadline_from=None if bounds.deadline_from == FOREVER else bounds.deadline_from,
        deadline_until=None if bounds.deadline_until == FOREVER else bounds.deadline_until,
        outcome=None if first is None else stated(first),
        notified_at=None if first is None else first.at,
    )
