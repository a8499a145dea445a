"""Why a run without a finding may still prove nothing (design: say "I don't know")."""

from collections.abc import Iterator, Sequence

from fanin.harness.history import SUCCESS
from fanin.harness.oracle.allowances import Excuses
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Case, Evidence
from fanin.harness.oracle.rules.timing import due_until, resend_until
from fanin.harness.oracle.text import clock, listing
from fanin.harness.oracle.violation import Hearing
from fanin.simulator.language.scenario import Fault, OnDelivery

# What the contract asks for after an outcome: an operation that rises again reports one timeout later.
TIMEOUTS_WATCHED = 2
# So many operations are named before the rest is counted.
NAMED_MAX = 3


def check(evidence: Evidence, excuses: Excuses, hearings: Sequence[Hearing]) -> Iterator[str]:
    """One sentence per reason."""
    yield from _nothing_happened(evidence, excuses, hearings)
    yield from _toothless_faults(evidence)
    yield from _watch(evidence, hearings)
    if torn := [hearing.case.name for hearing in hearings if hearing.undecidable]:
        yield f"{_some(torn)} may have begun under either of two configurations"
    if evidence.orphans:
        ops = sorted({sent.op for sent in evidence.orphans})
        yield f"the history is damaged: deliveries were sent for {_some(ops)}, which never occurred"
    occurred = {it.op.partition("/")[0] for hearing in hearings for it in hearing.case.occurrences}
    if absent := sorted({it.operation for it in evidence.scenario.expect} - occurred):
        yield f"the scenario expects something of {_some(absent)}, which never occurred"


def _some(names: Sequence[str]) -> str:
    """The first few names and how many more there are."""
    if len(names) <= NAMED_MAX:
        return listing(names)
    return f"{', '.join(names[:NAMED_MAX])} and {len(names) - NAMED_MAX} more"


def _nothing_happened(evidence: Evidence, excuses: Excuses, hearings: Sequence[Hearing]) -> Iterator[str]:
    if not excuses.ever_up:
        errors = [turn.error for _, turn in evidence.turns if turn.error]
        yield f"the aggregator never came up: {errors[-1]}" if errors else "the aggregator never came up"
    elif not any(_acknowledged(hearing.case) for hearing in hearings):
        yield "no delivery was ever acknowledged, so nothing was put to the test"


def _acknowledged(case: Case) -> bool:
    """Whether something certainly came of this key: an arrival, or the answer that a ping asks for."""
    return any(
        it.counts
        or (
            not it.invalid_because and not it.wanted and it.answer is not None and it.answer.status in SUCCESS
        )
        for it in case.attempts
    )


def _toothless_faults(evidence: Evidence) -> Iterator[str]:
    """A fault that is certain must bite. One left to chance may stay away, as long as any other bit."""
    bit = {it.fault for it in evidence.bits}
    for index, fault in enumerate(evidence.scenario.faults):
        chance = fault.chance if isinstance(fault, OnDelivery) else 1.0
        if index not in bit and (chance >= 1 or (chance > 0 and not bit)):
            yield f"fault {index + 1} ({_tag(fault)}) never took effect"


def _tag(fault: Fault) -> str:
    """Its name in YAML."""
    return str(fault.__struct_config__.tag)


def _watch(evidence: Evidence, hearings: Sequence[Hearing]) -> Iterator[str]:
    end = evidence.end
    if end is None:
        yield "the history has no end: the run was cut off, so silence proves nothing"
        return
    if not end.complete:
        yield f"the watch was cut short at {clock(end.at)}, so silence proves nothing"
        return
    if hearings:
        longest = max(hearings, key=_watch_until)
        if (until := _watch_until(longest)) > end.at:
            yield (
                f"the watch ended at {clock(end.at)}, but {longest.case.name} needs it until {clock(until)}:"
                f" {TIMEOUTS_WATCHED} timeouts after its outcome, and one after its last delivery"
            )
    yield from _undecided(end.at, hearings)


def _watch_until(hearing: Hearing) -> int:
    """How long this operation must be watched, so that rising again would show."""
    timeout, bounds = hearing.scenario.timeout, hearing.first.bounds
    if hearing.case.posts:
        decided = hearing.case.posts[0].at
    elif bounds.may:
        decided = min(bounds.deadline_until, max(bounds.may.values()) + timeout)
    else:
        decided = -FOREVER
    delivered = max((it.sent.at for it in hearing.case.attempts), default=-FOREVER)
    return max(decided + TIMEOUTS_WATCHED * timeout, delivered + timeout + hearing.tolerance)


def _undecided(end_at: int, hearings: Sequence[Hearing]) -> Iterator[str]:
    """Operations whose silence is excused, but only because nobody could have heard, or nobody waited."""
    held, early, pending = [], [], []
    for hearing in hearings:
        until = FOREVER if hearing.case.posts or not hearing.first.bounds.must else due_until(hearing)
        if until < FOREVER:
            early += [hearing.case.name] if until >= end_at else []
        elif not hearing.case.posts and hearing.first.bounds.must:
            held.append(hearing.case.name)
        elif any(end_at <= until < FOREVER for until in _resends(hearing)):
            pending.append(hearing.case.name)
    if held:
        yield f"{_some(held)} could not be told: an outage of the aggregator or the sink took too long"
    if early:
        yield f"the watch ended at {clock(end_at)}, before {_some(early)} had to be told"
    if pending:
        yield f"the watch ended at {clock(end_at)}, before {_some(pending)} had to be told again"


def _resends(hearing: Hearing) -> Iterator[int]:
    """Until when each notification that was never accepted must be sent again."""
    for generation in hearing.generations:
        if generation.posts and not any(post.maybe_accepted for post in generation.posts):
            yield resend_until(hearing, generation.posts[0], generation.posts[-1])
