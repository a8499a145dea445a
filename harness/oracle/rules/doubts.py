"""Why a run without a finding may still prove nothing (design: say "I don't know")."""

from collections.abc import Iterator, Sequence

from fanin.harness.history import SUCCESS
from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Evidence, Operation
from fanin.harness.oracle.rules.timing import due_until, resend_until
from fanin.harness.oracle.text import listing
from fanin.harness.oracle.violation import OperationView
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import Fault, OnDelivery

# What the contract asks for after an outcome: an operation that rises again reports one timeout later.
TIMEOUTS_WATCHED = 2
# So many operations are named before the rest is counted.
NAMED_MAX = 3


def check(evidence: Evidence, allowances: Allowances, views: Sequence[OperationView]) -> Iterator[str]:
    """One sentence per reason."""
    yield from _nothing_happened(evidence, allowances, views)
    yield from _ineffective_faults(evidence)
    yield from _watch(evidence, views)
    if torn := [view.operation.name for view in views if view.undecidable]:
        yield f"{_some(torn)} may have begun under either of two configurations"
    if evidence.unknown_attempts:
        ops = sorted({sent.op for sent in evidence.unknown_attempts})
        yield f"the history is damaged: deliveries were sent for {_some(ops)}, which never occurred"
    event = {it.op.partition("/")[0] for view in views for it in view.operation.events}
    if absent := sorted({it.operation for it in evidence.scenario.expect} - event):
        yield f"the scenario expects something of {_some(absent)}, which never occurred"


def _some(names: Sequence[str]) -> str:
    """The first few names and how many more there are."""
    if len(names) <= NAMED_MAX:
        return listing(names)
    return f"{', '.join(names[:NAMED_MAX])} and {len(names) - NAMED_MAX} more"


def _nothing_happened(
    evidence: Evidence, allowances: Allowances, views: Sequence[OperationView]
) -> Iterator[str]:
    if not allowances.ever_up:
        errors = [change.error for _, change in evidence.lifecycle if change.error]
        yield f"the aggregator never came up: {errors[-1]}" if errors else "the aggregator never came up"
    elif not any(_acknowledged(view.operation) for view in views):
        yield "no delivery was ever acknowledged, so nothing was put to the test"


def _acknowledged(operation: Operation) -> bool:
    """Whether something certainly came of this key: an arrival, or the answer that a ping asks for."""
    return any(
        it.counts
        or (not it.invalid_because and not it.awaited and it.ended is not None and it.ended.status in SUCCESS)
        for it in operation.attempts
    )


def _ineffective_faults(evidence: Evidence) -> Iterator[str]:
    """A fault that is certain must bite. One left to chance may stay away, as long as any other bit."""
    bit = {it.fault for it in evidence.faults_applied}
    for index, fault in enumerate(evidence.scenario.faults):
        chance = fault.chance if isinstance(fault, OnDelivery) else 1.0
        if index not in bit and (chance >= 1 or (chance > 0 and not bit)):
            yield f"fault {index + 1} ({_tag(fault)}) never took effect"


def _tag(fault: Fault) -> str:
    """Its name in YAML."""
    return str(fault.__struct_config__.tag)


def _watch(evidence: Evidence, views: Sequence[OperationView]) -> Iterator[str]:
    end = evidence.end
    if end is None:
        yield "the history has no end: the run was cut off, so silence proves nothing"
        return
    if not end.complete:
        yield f"the watch was cut short at {clock(end.at)}, so silence proves nothing"
        return
    if views:
        longest = max(views, key=_watch_until)
        if (until := _watch_until(longest)) > end.at:
            yield (
                f"the watch ended at {clock(end.at)}, but {longest.operation.name} needs it"
                f" until {clock(until)}: {TIMEOUTS_WATCHED} timeouts after its outcome, and one after"
                " its last delivery"
            )
    yield from _undecided(end.at, views)


def _watch_until(view: OperationView) -> int:
    """How long this operation must be watched, so that rising again would show."""
    timeout, bounds = view.scenario.timeout, view.first.bounds
    if view.operation.notifications:
        decided = view.operation.notifications[0].at
    elif bounds.may:
        decided = min(bounds.deadline_until, max(bounds.may.values()) + timeout)
    else:
        decided = -FOREVER
    delivered = max((it.sent.at for it in view.operation.attempts), default=-FOREVER)
    return max(decided + TIMEOUTS_WATCHED * timeout, delivered + timeout + view.tolerance)


def _undecided(end_at: int, views: Sequence[OperationView]) -> Iterator[str]:
    """Operations whose silence is excused, but only because nobody could have heard, or nobody waited."""
    held, early, pending = [], [], []
    for view in views:
        until = FOREVER if view.operation.notifications or not view.first.bounds.must else due_until(view)
        if until < FOREVER:
            early += [view.operation.name] if until >= end_at else []
        elif not view.operation.notifications and view.first.bounds.must:
            held.append(view.operation.name)
        elif any(end_at <= until < FOREVER for until in _resends(view)):
            pending.append(view.operation.name)
    if held:
        yield f"{_some(held)} could not be told: an outage of the aggregator or the sink took too long"
    if early:
        yield f"the watch ended at {clock(end_at)}, before {_some(early)} had to be told"
    if pending:
        yield f"the watch ended at {clock(end_at)}, before {_some(pending)} had to be told again"


def _resends(view: OperationView) -> Iterator[int]:
    """Until when each notification that was never accepted must be sent again."""
    for generation in view.generations:
        if generation.notifications and not any(
            notification.maybe_accepted for notification in generation.notifications
        ):
            yield resend_until(view, generation.notifications[0], generation.notifications[-1])
