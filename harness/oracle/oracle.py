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
from fanin.harness.oracle.allowances import Excuses
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Case, Evidence, collect
from fanin.harness.oracle.generations import generations
from fanin.harness.oracle.rules import (
    content,
    doubts,
    expectation,
    notification,
    outcome,
    responses,
    timing,
)
from fanin.harness.oracle.text import quoted
from fanin.harness.oracle.violation import Charge, Hearing
from fanin.harness.verdict import Finding, Judgement, Rule, Validity, Verdict

# So many findings of one rule and way are reported in full; the rest is counted.
IN_FULL_MAX = 3
# So many records of the counted ones are still pointed at.
POINTED_AT_MAX = 10


def judge(history: History) -> Verdict:
    """Judge one run. Any sequence of records is judged; none raises.

    A broken rule is ``invalid`` whatever else happened. Without one, any doubt makes it ``unknown``.
    """
    evidence = collect(history)
    excuses = Excuses(evidence)
    hearings = [_hearing(case, evidence, excuses) for case in evidence.cases]
    findings = _merge(_charges(evidence, excuses, hearings), evidence.length)
    doubted = tuple(doubts.check(evidence, excuses, hearings))
    calm = Validity.UNKNOWN if doubted else Validity.VALID
    return Verdict(
        Validity.INVALID if findings else calm, findings, doubted, tuple(map(_judgement, hearings))
    )


def _hearing(case: Case, evidence: Evidence, excuses: Excuses) -> Hearing:
    scenario, *others = evidence.configured_for(case)
    heard = generations(case, scenario, clock_drift=evidence.run.clock_drift)
    return Hearing(case, heard, evidence, excuses, scenario, undecidable=bool(others))


def _charges(evidence: Evidence, excuses: Excuses, hearings: Sequence[Hearing]) -> Iterator[Charge]:
    yield from responses.check_comeback(evidence, excuses)
    yield from responses.check_answers(evidence, {it.case.key: it for it in hearings})
    hearings = [hearing for hearing in hearings if not hearing.undecidable]
    for hearing in hearings:
        told_wrong = list(outcome.check(hearing))
        yield from told_wrong
        # A wrong outcome is late or silent only in consequence.
        yield from () if told_wrong else timing.check(hearing)
        yield from notification.check(hearing)
        yield from content.check(hearing)
    yield from notification.check_keys(hearings)
    yield from notification.check_strays(evidence)
    yield from expectation.check_expectations(hearings)


def _merge(charges: Iterable[Charge], length: int) -> tuple[Finding, ...]:
    """The findings in the order in which rules were broken; those of one kind together, and few in full.

    Args:
        charges: In any order that is the same every time.
        length: Of the history: silence, which no record shows, breaks its rule after the last.
    """
    kinds: dict[tuple[Rule, str], list[tuple[int, Charge]]] = {}
    for charge in charges:
        broken_at = length if charge.silent or not charge.records else charge.records[-1]
        kinds.setdefault((charge.rule, charge.way), []).append((broken_at, charge))
    for found in kinds.values():
        found.sort(key=itemgetter(0))
    ordered = sorted(kinds.values(), key=lambda found: found[0][0])
    return tuple(_blame_once(chain.from_iterable(_few([it for _, it in found]) for found in ordered)))


def _blame_once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Blame lines that stand below an earlier finding already are left out."""
    shown = set()
    for finding in findings:
        known = (finding.op, finding.blame) in shown
        shown.add((finding.op, finding.blame))
        yield msgspec.structs.replace(finding, blame=()) if known else finding


def _few(charges: Sequence[Charge]) -> Iterator[Finding]:
    for charge in charges[:IN_FULL_MAX]:
        yield charge.finding()
    if rest := charges[IN_FULL_MAX:]:
        pointed_at = sorted({it.records[-1] for it in rest if it.records})[:POINTED_AT_MAX]
        what = f"{len(rest)} more like these: {rest[0].way}"
        looks_like = tuple(rest[0].looks_like.split())
        yield Finding(rest[0].rule, what, evidence=tuple(pointed_at), looks_like=looks_like)


def _judgement(hearing: Hearing) -> Judgement:
    bounds, posts = hearing.first.bounds, hearing.first.posts
    return Judgement(
        op=hearing.case.name,
        key=hearing.case.key,
        legal=bounds.legal,
        deadline_from=None if bounds.deadline_from == FOREVER else bounds.deadline_from,
        deadline_until=None if bounds.deadline_until == FOREVER else bounds.deadline_until,
        outcome=(posts[0].notice.outcome or quoted(posts[0].notice.said_outcome)) if posts else None,
        told_at=posts[0].at if posts else None,
    )
