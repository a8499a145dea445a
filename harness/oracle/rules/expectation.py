"""The scenario's own ``expect``: checked beside the contract, never instead of it."""

from collections.abc import Iterator, Sequence

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.notification_body import normalise_region
from fanin.harness.oracle.text import listing, quoted
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import Expectation


def check_expectations(views: Sequence[OperationView]) -> Iterator[Violation]:
    """Judge every repetition of each operation that the scenario expects something of."""
    expectations = views[0].evidence.scenario.expect if views else ()
    if not expectations:
        return
    repeats: dict[
        str, list[tuple[OperationView, RegistryEvent]]
    ] = {}  # by the scenario's name of the operation
    for view in views:
        for event in view.operation.events:
            repeats.setdefault(event.op.partition("/")[0], []).append((view, event))
    for expectation in expectations:
        for view, event in repeats.get(expectation.operation, []):
            # Instants are meant for the first repetition; the others are as much later as they occurred.
            shift = event.at - repeats[expectation.operation][0][1].at
            notification = _told_of(view, event)
            if complaint := _complaint(expectation, notification, shift):
                yield view.violation(
                    Rule.EXPECTATION,
                    f"{expectation.operation} is expected to be {expectation.outcome}",
                    complaint,
                    records=[] if notification is None else [notification.index],
                    notification=notification,
                )


def _told_of(view: OperationView, event: RegistryEvent) -> Notification | None:
    """What came of this occurrence; nothing does of one whose key was taken already."""
    return next(
        (it.notifications[0] for it in view.generations if it.notifications and it.opener == event.op), None
    )


def _complaint(expectation: Expectation, notification: Notification | None, shift: int) -> str:
    """What differs from the expectation, as the rest of a sentence; empty when nothing does."""
    if notification is None:
        return (
            ""
            if expectation.outcome == "none"
            else f"was told nothing, though {expectation.outcome} is expected"
        )
    outcome = notification.body.outcome or quoted(notification.body.raw_outcome)
    if outcome != expectation.outcome:
        return f"was told {outcome} at {clock(notification.at)}, though {expectation.outcome} is expected"
    missing = sorted(map(normalise_region, expectation.missing))
    if missing and missing != list(notification.body.missing or ()):
        named = listing(notification.body.missing) if notification.body.missing else "no region"
        return f"names {named} missing, though {listing(missing)} is expected"
    if expectation.at is not None:
        earliest = expectation.at + shift
        latest = earliest + expectation.within
        if not earliest <= notification.at <= latest:
            when = f"{clock(earliest)} to {clock(latest)}"
            return f"was told {outcome} at {clock(notification.at)}, though {when} is expected"
    return ""
