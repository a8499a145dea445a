"""What it looks like that a notification is absent, comes again, or comes under another key."""

from collections.abc import Iterator

from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.hints.alike import is_like_another, is_pushed_again, shares_its_tag
from fanin.harness.oracle.hints.arrivals import is_of_other_regions, of_the_surroundings
from fanin.harness.oracle.hints.timeouts import has_clock_faults, of_early_timeout
from fanin.harness.oracle.violation import OperationView


def of_absence(view: OperationView) -> str:
    """The bugs that it looks like that an outcome was never reported, and no fault of the sink is near."""
    return next(_of_absence(view))


def _of_absence(view: OperationView) -> Iterator[str]:
    if any(it.received.body is None for it in view.evidence.unattributed):
        yield ""  # it was sent, and could not be read
    if is_pushed_again(view):
        yield "B19" if _is_reported_under_the_earlier_key(view) else "B48"
    if is_like_another(view):
        yield "B19"
    bounds, allowances = view.first.bounds, view.allowances
    timed_out = "completed" not in bounds.legal
    started, decided = min(bounds.must.values()), bounds.decided_until
    if allowances.died(bounds.decided_from, decided + view.tolerance):
        yield "B43c B51" if timed_out else "B51"
    if allowances.died(started, decided):
        yield "B38 B43c B50" if timed_out else "B50"
    if timed_out:
        yield _of_absent_timeout(view)
    if any(it.sent.envelope for it in view.operation.attempts):
        yield "B63"
    yield "B31 B19" if shares_its_tag(view) else "B06 B51"


def _is_reported_under_the_earlier_key(view: OperationView) -> bool:
    """Whether an earlier push of the image was reported again when this one was due."""
    image, due = view.operation.key.partition(" (push ")[0], view.first.bounds.decided_from
    earlier = (it for it in view.evidence.operations if it.key.partition(" (push ")[0] == image)
    return any(told.at >= due for it in earlier for told in it.notifications[1:])


def _of_absent_timeout(view: OperationView) -> str:
    if has_clock_faults(view):
        return "B42"
    due, others = view.first.bounds.deadline_from, [
        it for it in view.evidence.operations if it is not view.operation and it.notifications
    ]  # fmt: skip
    if any(it.notifications[0].body.outcome == "timed_out" and it.notifications[0].at < due for it in others):
        return "B40"
    completed = [it for it in others if it.notifications[0].body.outcome == "completed" and it.attempts]
    deadlines = (it.attempts[0].sent.at + view.scenario.timeout for it in completed)
    return "B43d B33" if any(at < due for at in deadlines) else "B33"


def of_repetition(view: OperationView, before: Notification, again: Notification) -> str:
    """The bugs that it looks like that the same was sent again after it was accepted."""
    starts = (it.at for _, it in view.evidence.lifecycle if it.state == "up" and it.at > 0)
    if any(0 <= again.at - at <= view.tolerance for at in starts):
        return "B53"
    deliveries = view.deliveries_between(before.at, again.at)
    if not any(again.at - at <= view.tolerance for at in deliveries):
        return "B43b"
    # Without an outcome in it, a second outcome looks like the first one again.
    unstated = before.body.raw_outcome is None
    return "B47" if unstated and before.at >= view.first.bounds.deadline_from else "B65 B43b"


def of_two_keys(view: OperationView, generation: Generation, first: Notification, other: Notification) -> str:
    """The bugs that it looks like that one outcome was reported under two keys."""
    return next(_of_two_keys(view, generation, first, other))


def _of_two_keys(
    view: OperationView, generation: Generation, first: Notification, other: Notification
) -> Iterator[str]:
    if hint := _of_a_wrong_first(view, generation, first):
        yield hint
    if view.evidence.scenario.replicas > 1:
        paused = view.allowances.resumed(0, other.at, other.at, view.tolerance)
        yield "B53 B56" if paused else "B26 B54"
    if is_of_other_regions(first, other):
        yield "B20"
    if view.deliveries_between(first.at, other.at) and first.accepted:
        yield "B44 B18"
    if hint := of_the_surroundings(view):
        yield hint
    if not first.maybe_accepted or view.allowances.died(first.at, other.at):
        yield "B52"
    yield "B43b" if other.body.outcome == "timed_out" else "B15"


def of_two_outcomes(view: OperationView) -> str:
    """The bugs that it looks like that there were two."""
    of_several_pushes = len(view.operation.of_image or ()) > 1
    return "B19" if is_like_another(view) or of_several_pushes else "B36"


def of_anew(view: OperationView, generation: Generation, first: Notification, *, timeout_later: bool) -> str:
    """The bugs that it looks like that a late or repeated delivery had an outcome of its own."""
    if hint := _of_a_wrong_first(view, generation, first):
        return hint
    return "B44 B18" if timeout_later else "B47"


def _of_a_wrong_first(view: OperationView, generation: Generation, first: Notification) -> str:
    """The second is right, and the first was early."""
    early = first.body.outcome == "timed_out" and first.at < generation.bounds.deadline_from < FOREVER
    return of_early_timeout(view, generation, first) if early else ""
