"""Why a run without a finding may still prove nothing. One function for each reason."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from fanin.harness.history import SUCCESS
from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Attempt, Evidence, Operation
from fanin.harness.oracle.rules.timing import due_until, resend_until
from fanin.harness.oracle.text import listing, reason_of
from fanin.harness.oracle.violation import OperationView
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.instants import clock

# So many timeouts after an outcome, a second one would have come: its operation reports one timeout later.
TIMEOUTS_WATCHED = 2
# So many operations are named before the rest is counted.
NAMED_MAX = 3


def check(evidence: Evidence, allowances: Allowances, views: Sequence[OperationView]) -> Iterator[str]:
    """One sentence for each reason."""
    yield from _cut_short(evidence)
    yield from _nothing_happened(evidence, allowances, views)
    yield from _ineffective_faults(evidence)
    yield from _watch(evidence, views)
    yield from _undecidable(views)
    yield from _damaged(evidence)
    yield from _unchecked_expectations(evidence, views)


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
        yield "the aggregator never came up" + (f": {reason_of(errors[-1])}" if errors else "")
    elif not any(_acknowledged(view.operation) for view in views):
        ends = Counter(
            _ended(it) for view in views for it in view.operation.attempts if not it.invalid_because
        )
        instead = ", ".join(f"{count} {how}" for how, count in ends.most_common())
        yield "no delivery was ever acknowledged, so nothing was put to the test" + (
            instead and f": {instead}"
        )


def _ended(attempt: Attempt) -> str:
    status = None if attempt.ended is None else attempt.ended.status
    return "without a response" if status is None else f"answered {status}"


def _acknowledged(operation: Operation) -> bool:
    """Whether a delivery certainly counted, or a ping had the response that it must have."""
    return any(it.counts or _is_answered_ping(it) for it in operation.attempts)


def _is_answered_ping(attempt: Attempt) -> bool:
    if attempt.invalid_because or attempt.awaited or attempt.ended is None:
        return False
    return attempt.ended.status in SUCCESS


def _ineffective_faults(evidence: Evidence) -> Iterator[str]:
    """A certain fault must take effect. One left to chance need not, as long as any other fault did."""
    applied = {it.fault for it in evidence.faults_applied}
    for index, fault in enumerate(evidence.scenario.faults):
        chance = fault.chance if isinstance(fault, DeliveryFault) else 1.0
        if _nothing_was_due(evidence, fault, applied):
            continue
        if index not in applied and (chance >= 1 or (chance > 0 and not applied)):
            yield f"fault {index + 1} ({fault.tag}) never took effect"


def _cut_short(evidence: Evidence) -> Iterator[str]:
    """Without an end of its own, nothing can be concluded from what is absent."""
    end = evidence.end
    if end is not None and not end.complete:
        because = f": {end.reason}" if end.reason else ", so an absent notification proves nothing"
        yield f"the watch was cut short at {clock(end.at)}{because}"


def _nothing_was_due(evidence: Evidence, fault: Fault, applied: Collection[int]) -> bool:
    """Whether a fault of the sink lay within the grace after another one, when nothing had to be sent."""
    if not isinstance(fault, SinkFault) or fault.until is None:
        return False
    faults = enumerate(evidence.scenario.faults)
    others = (it for n, it in faults if n in applied and isinstance(it, SinkFault))
    return any(
        it.about in ("", fault.about)
        and it.until is not None
        and it.until <= fault.since
        and fault.until <= it.until + evidence.run.redelivery_grace
        for it in others
    )


def _watch(evidence: Evidence, views: Sequence[OperationView]) -> Iterator[str]:
    """The recording must go on long enough for an absent notification to prove something."""
    end = evidence.end
    if end is None:
        yield "the history has no end: the run was cut off, so an absent notification proves nothing"
        return
    if not end.complete:
        return
    if views:
        longest = max(views, key=_watch_until)
        if (until := _watch_until(longest)) > end.at:
            yield (
                f"the watch ended at {clock(end.at)}, but {longest.operation.name} needs it"
                f" until {clock(until)}: {TIMEOUTS_WATCHED} timeouts after its outcome, and one after"
                " its last delivery"
            )
    yield from _not_reported(end.at, views)


def _watch_until(view: OperationView) -> int:
    """How long this operation must be watched for a second outcome to show."""
    timeout, bounds = view.scenario.timeout, view.first.bounds
    if view.operation.notifications:
        decided = view.operation.notifications[0].at
    elif bounds.may:
        decided = min(bounds.deadline_until, max(bounds.may.values()) + timeout)
    else:
        decided = -FOREVER
    delivered = max((it.sent.at for it in view.operation.attempts), default=-FOREVER)
    return max(decided + TIMEOUTS_WATCHED * timeout, delivered + timeout + view.tolerance)


def _not_reported(end_at: int, views: Sequence[OperationView]) -> Iterator[str]:
    """Operations without a notification, or without an accepted one, that break no rule by that."""
    blocked, early, pending = [], [], []
    for view in views:
        name = view.operation.name
        if view.operation.notifications:
            # While the sink still fails, more attempts would show nothing more.
            failing = view.allowances.sink_blocked(view.operation, end_at, end_at)
            if not failing and any(end_at <= until < FOREVER for until in _resends(view)):
                pending.append(name)
        if not view.first.notifications and view.first.bounds.must:
            until = due_until(view)
            if until == FOREVER:
                blocked.append(name)
            elif until >= end_at:
                early.append(name)
    if blocked:
        yield f"{_some(blocked)} could not be reported: an outage of the aggregator or the sink took too long"
    if early:
        yield f"the watch ended at {clock(end_at)}, before {_some(early)} had to be reported"
    if pending:
        yield f"the watch ended at {clock(end_at)}, before {_some(pending)} had to be reported again"


def _resends(view: OperationView) -> Iterator[int]:
    """Until when each notification that was never accepted must be sent again."""
    for generation in view.generations:
        notifications = generation.notifications
        if notifications and not any(it.maybe_accepted for it in notifications):
            pending_from = generation.bounds.decided_from
            yield resend_until(view, notifications[0], notifications[-1], pending_from)


def _undecidable(views: Sequence[OperationView]) -> Iterator[str]:
    if names := [view.operation.name for view in views if view.undecidable]:
        yield f"{_some(names)} may have begun under either of two configurations"


def _damaged(evidence: Evidence) -> Iterator[str]:
    if ops := sorted({sent.op for sent in evidence.unknown_attempts}):
        yield f"the history is damaged: deliveries were sent for {_some(ops)}, which never occurred"


def _unchecked_expectations(evidence: Evidence, views: Sequence[OperationView]) -> Iterator[str]:
    """An expectation of an operation that never occurred was not checked."""
    occurred = {event.op.partition("/")[0] for view in views for event in view.operation.events}
    if absent := sorted({it.operation for it in evidence.scenario.expect} - occurred):
        yield f"the scenario expects something of {_some(absent)}, which never occurred"
