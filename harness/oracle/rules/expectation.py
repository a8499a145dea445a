"""The scenario's own ``expect``: compared besides, and never a reason to call a run wrong.

What the contract allows may differ from what an author had in mind: a grouped commit is a second later, a
busy aggregator answers 503. What the contract forbids is a finding without this.
"""

from collections.abc import Iterator, Sequence

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.text import listing, stated
from fanin.harness.oracle.violation import OperationView
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import Expectation
from fanin.simulator.wire import normalise_region

# So many broken expectations are written out; the rest is counted.
IN_FULL_MAX = 3


def notes(views: Sequence[OperationView]) -> tuple[str, ...]:
    """What came otherwise than the scenario expects, one sentence each, in the order of its ``expect``."""
    broken = list(_broken(views))
    rest = len(broken) - IN_FULL_MAX
    several = f"{rest} more expectations of the scenario were not met"
    more = several if rest > 1 else "1 more expectation of the scenario was not met"
    return (*broken[:IN_FULL_MAX], more) if rest > 0 else tuple(broken)


def _broken(views: Sequence[OperationView]) -> Iterator[str]:
    """Compare every repetition of each operation that the scenario expects something of."""
    expectations = views[0].evidence.scenario.expect if views else ()
    if not expectations:
        return
    repeats: dict[str, list[tuple[OperationView, RegistryEvent]]] = {}  # by the scenario's operation name
    for view in views:
        for event in view.operation.events:
            repeats.setdefault(event.op.partition("/")[0], []).append((view, event))
    for expectation in expectations:
        for view, event in repeats.get(expectation.operation, []):
            # Instants are meant for the first repetition; the others are as much later as they occurred.
            shift = event.at - repeats[expectation.operation][0][1].at
            first = _first_notification(view, event)
            if problem := _problem(expectation, first, shift):
                yield f"{event.op} {problem}"


def _first_notification(view: OperationView, event: RegistryEvent) -> Notification | None:
    """The outcome of this event; there is none of an event whose key was taken already."""
    for generation in view.generations:
        if generation.notifications and generation.opener == event.op:
            return generation.notifications[0]
    return None


def _problem(expectation: Expectation, first: Notification | None, shift: int) -> str:
    """What differs from the expectation, as the rest of a sentence; empty when nothing does."""
    if first is None:
        if expectation.outcome == "none":
            return ""
        return f"was not reported, though the scenario expects {expectation.outcome}"
    outcome = stated(first)
    if outcome != expectation.outcome:
        expected = expectation.outcome
        return f"was reported {outcome} at {clock(first.at)}, though the scenario expects {expected}"
    missing = sorted(map(normalise_region, expectation.missing))
    if missing and missing != list(first.body.missing or ()):
        named = listing(first.body.missing) if first.body.missing else "no region"
        return f"names {named} missing, though the scenario expects {listing(missing)}"
    if expectation.at is not None:
        earliest = expectation.at + shift
        latest = earliest + expectation.within
        if not earliest <= first.at <= latest:
            when = f"{clock(earliest)} to {clock(latest)}"
            return f"was reported {outcome} at {clock(first.at)}, though the scenario expects {when}"
    return ""
