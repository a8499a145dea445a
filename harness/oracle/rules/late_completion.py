"""Clause 6: that the last missing region has reported after a timeout is notified once, where it is."""

from collections.abc import Iterator
from typing import NamedTuple

from fanin.harness.oracle.bounds import FOREVER, RETENTION_MS, Bounds
from fanin.harness.oracle.evidence import Notification
from fanin.harness.oracle.rules.timing import resend_until
from fanin.harness.oracle.successors import Successors, fits
from fanin.harness.oracle.text import listing, quoted
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock
from fanin.simulator.wire import normalise_region


class _Message(NamedTuple):
    """One late completion, with all that the sink has read of it."""

    bounds: Bounds  # of the operation that it is about
    read: list[Notification]
    first: bool  # whether that operation is the first one with its key


def check(view: OperationView) -> Iterator[Violation]:
    """Judge the messages of one operation, which are not among its outcomes."""
    messages = _messages(view)
    if not any(it.first for it in messages):
        yield from _never_sent(view)
    if view.operation.pushes > 1:
        yield from _more_than_pushes(view)
        return
    for message in messages:
        yield from _sent_wrongly(view, message)
        yield from _sent_late(view, message)
        yield from _sent_again(view, message)
        yield from _given_up(view, message)


def _more_than_pushes(view: OperationView) -> Iterator[Violation]:
    """Which of several pushes a delivery was of, and so which of them timed out, cannot be seen.

    Every region reports what was completed late, so there is no more of it than there are pushes.
    """
    forgotten_from = view.first.bounds.decided_from + RETENTION_MS
    remembered = [it for it in view.operation.late_completions if it.at < forgotten_from]
    keys = dict.fromkeys(it.received.key for it in remembered)
    for message in remembered:
        if message.received.key in list(keys)[view.operation.pushes :]:
            problem = f"and there were {view.operation.pushes} pushes"
            yield _violation(view, "notified more often than there were pushes", message, problem)
            return


def _messages(view: OperationView) -> list[_Message]:
    """The messages by the operation that they are about: one, and one more after each retention.

    What nothing explains belongs to the latest, and breaks a rule there.
    """
    messages: list[_Message] = []
    successors: Successors | None = None  # which takes long where an image has many pushes
    for read in view.operation.late_completions:
        pending = (it for it in messages if read.repeats(it.read[0]) and not any(x.accepted for x in it.read))
        if (repeated := next(pending, None)) is not None:
            repeated.read.append(read)
            continue
        first = None if messages else view.first.bounds
        latest = messages[-1].bounds if messages else view.first.bounds
        forgotten_from = min(FOREVER, latest.decided_from + RETENTION_MS)
        possible = [first] if first else []
        if forgotten_from <= read.at:
            successors = successors or Successors(view.operation, view.evidence, of_image=True)
            possible += successors.possible(forgotten_from, read)
        in_time = [first] if "completed" in _first_outcome(view) else []
        explained = [it for it in possible if it not in in_time and _is_explained(it, read)]
        fitting = (it for it in explained if fits(it, read, view.evidence))
        bounds = next(fitting, explained[0] if explained else first)
        if bounds is None:
            messages[-1].read.append(read)
        else:
            messages.append(_Message(bounds, [read], first=bounds is first))
    return messages


def _first_outcome(view: OperationView) -> list[str | None]:
    return [it.body.outcome for it in view.first.notifications[:1]]


def _is_explained(bounds: Bounds, read: Notification) -> bool:
    """Whether an operation with these bounds may have been completed late by then."""
    reported = all(bounds.may.get(it, FOREVER) <= read.at for it in bounds.regions)
    return reported and "timed_out" in bounds.legal and bounds.deadline_from <= read.at


def _sent_wrongly(view: OperationView, message: _Message) -> Iterator[Violation]:
    """It is about an operation that timed out, when every region can have reported."""
    bounds, first = message.bounds, message.read[0]
    absent = [it for it in bounds.regions if bounds.may.get(it, FOREVER) > first.at]
    outcomes = _first_outcome(view) if message.first else []
    if absent:
        yield _violation(view, "notified too early", first, f"though {listing(absent)} had not reported")
    elif not _is_explained(bounds, first) or "completed" in outcomes:
        yield _violation(view, "notified of an operation that was in time", first, "which had not timed out")
    key = quoted(first.received.key)
    if not first.received.key:
        if "key" not in view.evidence.run.unobservable:
            yield _violation(view, "notified without a key", first, "without a webhook-id")
    elif any(it.received.key == first.received.key for it in view.operation.notifications):
        yield _violation(
            view, "notified under the outcome's key", first, f"under the key of its outcome, {key}"
        )
    expected = sorted(map(normalise_region, bounds.regions))
    if (list(first.body.arrived or ()), first.body.missing) != (expected, ()):
        yield _violation(
            view, "notified with a region missing", first, "and does not name every region as arrived"
        )


def _sent_again(view: OperationView, message: _Message) -> Iterator[Violation]:
    """Under one key, and not after the sink has certainly accepted it."""
    first, *others = message.read
    accepted = first
    for again in others:
        if not again.repeats(first):
            yield _violation(view, "notified twice", again, f"though it was notified at {clock(first.at)}")
            return
        response = accepted.response
        if accepted.accepted and response is not None:
            stored_by = min(again.at, response.at + view.tolerance)
            allowances = view.allowances
            if not (allowances.all_down(accepted.at) or allowances.interrupted(accepted.at, stored_by)):
                yield _violation(view, "notified again", again, "which the sink had accepted before")
                return
        accepted = again


def _given_up(view: OperationView, message: _Message) -> Iterator[Violation]:
    """It is sent until the sink accepts it, like every notification."""
    read, end = message.read, view.evidence.end
    if any(it.maybe_accepted for it in read) or end is None or not end.complete:
        return
    if end.at > resend_until(view, read[0], read[-1], _pending_from(message.bounds)):
        problem = f"which the sink has not accepted, and not again until {clock(end.at)}"
        yield _violation(view, "a late completion was given up", read[-1], problem)


def _due_until(view: OperationView) -> int:
    """Until when the first operation's may come; FOREVER if none is owed, or it cannot be said since when."""
    bounds = view.first.bounds
    certain = bounds.complete_at
    if not view.evidence.scenario.notifies_late or certain == FOREVER or "completed" in bounds.legal:
        return FOREVER
    if certain >= bounds.decided_from + RETENTION_MS or view.operation.pushes > 1:
        return FOREVER  # it may be forgotten by then, or be of another push
    return view.allowances.allowed_until(view.operation, _pending_from(bounds), certain, view.tolerance)


def _pending_from(bounds: Bounds) -> int:
    """When it can have been due, at the earliest."""
    return max([bounds.deadline_from, *bounds.may.values()])


def _sent_late(view: OperationView, message: _Message) -> Iterator[Violation]:
    """It is due when the last of the missing regions had certainly counted."""
    first = message.read[0]
    if message.first and first.at > (latest := _due_until(view)):
        due = message.bounds.complete_at
        yield view.violation(
            Rule.NOTIFICATION,
            "a late completion was notified too late",
            f"was notified as completed late at {clock(first.at)}, due at {clock(due)} and allowed until"
            f" {clock(latest)}",
            records=[first.index, *view.deciding(message.bounds.regions)],
            notification=first,
        )


def _never_sent(view: OperationView) -> Iterator[Violation]:
    """Where it is notified at all, it is of every operation that certainly was completed late."""
    end, due = view.evidence.end, view.first.bounds.complete_at
    if end is not None and end.complete and end.at > _due_until(view):
        yield view.violation(
            Rule.NOTIFICATION,
            "a late completion was never notified",
            f"was completed late, at {clock(due)}, and that was not notified by {clock(end.at)}",
            records=view.deciding(view.first.bounds.regions),
            absence=True,
        )


def _violation(view: OperationView, kind: str, message: Notification, problem: str) -> Violation:
    return view.violation(
        Rule.LATE_AND_DUPLICATE,
        kind,
        f"was notified as completed late at {clock(message.at)}, {problem}",
        records=[message.index],
        notification=message,
    )
