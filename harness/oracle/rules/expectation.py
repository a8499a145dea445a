"""The scenario's own ``expect``: checked beside the contract, never instead of it."""

from collections.abc import Iterator, Sequence

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.text import listing, quoted
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import Expectation
from fanin.simulator.wire import normalise_region


def check_expectations(views: Sequence[OperationView]) -> Iterator[Violation]:
    """Judge every repetition of each operation that the scenario expects something of."""
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
                yield view.violation(
                    Rule.EXPECTATION,
                    f"{expectation.operation} is expected to be {expectation.outcome}",
                    problem,
                    records=[] if first is None else [first.index],
                    notification=first,
                )


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
        return f"was not reported, though {expectation.outcome} is expected"
    outcome = first.body.outcome or quoted(first.body.raw_outcome)
    if outcome != expectation.outcome:
        return f"was reported {outcome} at {clock(first.at)}, though {expectation.outcome} is expected"
    missing = sorted(map(normalise_region, expectation.missing))
    if missing and missing != list(first.body.missing or ()):
        named = listing(first.body.missing) if first.body.missing else "no region"
        return f"names {named} missing, though {listing(missing)} is expected"
    if expectation.at is not None:
        earliest = expectation.at + shift
        latest = earliest + expectation.within
        if not earliest <= first.at <= latest:
            when = f"{clock(earliest)} to {clock(latest)}"
            return f"was reported {outcome} at {clock(first.at)}, though {when} is expected"
    return ""
